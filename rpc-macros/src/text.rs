//! A type, an expression or a documentation comment as the text that a service's description carries.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{Attribute, Expr, ExprLit, Lit, Meta, Type};

/// An expression on one line: `20`, `vec![]`, `Duration::from_secs(5)`.
pub(crate) fn of_expression(expression: &Expr) -> String {
    let mut text = String::new();
    write(expression.to_token_stream(), &mut text);
    text
}

/// A type as its author would write it: `Vec<String>`, `&str`, `[u8; 4]`.
pub(crate) fn of_type(ty: &Type) -> String {
    let mut text = String::new();
    write(ty.to_token_stream(), &mut text);
    text
}

fn write(tokens: TokenStream, text: &mut String) {
    // `'a` is two tokens, and what follows it is a word behind a word.
    let mut in_lifetime = false;
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::None => ("", ""),
                };
                if !open.is_empty()
                    && text.ends_with(|last: char| last.is_alphanumeric())
                    && last_word_is_keyword(text)
                {
                    text.push(' ');
                }
                text.push_str(open);
                write(group.stream(), text);
                text.push_str(close);
            }
            TokenTree::Ident(ident) => {
                if !in_lifetime && text.ends_with(is_word) {
                    text.push(' ');
                }
                in_lifetime = false;
                text.push_str(&ident.to_string());
            }
            TokenTree::Literal(literal) => {
                if text.ends_with(is_word) {
                    text.push(' ');
                }
                text.push_str(&literal.to_string());
            }
            TokenTree::Punct(punct) => match punct.as_char() {
                ',' | ';' => {
                    text.push(punct.as_char());
                    text.push(' ');
                }
                // `==`, `<=`, `=>` and their like are one word each.
                first if punct.spacing() == Spacing::Joint && is_operator(first, tokens.peek()) => {
                    text.push_str(&format!(" {first}"));
                    if let Some(TokenTree::Punct(second)) = tokens.next() {
                        text.push_str(&format!("{} ", second.as_char()));
                    }
                }
                '+' | '=' => {
                    text.push(' ');
                    text.push(punct.as_char());
                    text.push(' ');
                }
                '-' if punct.spacing() == Spacing::Joint => text.push_str(" -"),
                '>' if text.ends_with(" -") => text.push_str("> "),
                '\'' => {
                    in_lifetime = true;
                    text.push('\'');
                }
                '<' if text.ends_with(is_word) && last_word_is_keyword(text) => text.push_str(" <"),
                other => {
                    // A list may end with a comma that nobody writes on one line.
                    if other == '>' && text.ends_with(", ") {
                        text.truncate(text.len() - 2);
                    }
                    text.push(other);
                }
            },
        }
    }
    // `(A, B, )` has no use for the last space, and a tuple of one needs its comma.
    if text.ends_with(", ") {
        text.pop();
    }
}

fn is_operator(first: char, second: Option<&TokenTree>) -> bool {
    let Some(TokenTree::Punct(second)) = second else {
        return false;
    };
    let second = second.as_char();
    second == '=' && "=!<>".contains(first) || second == '>' && first == '='
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn last_word_is_keyword(text: &str) -> bool {
    let word = text.rsplit(|character| !is_word(character)).next().unwrap_or_default();
    matches!(word, "mut" | "const" | "dyn" | "impl" | "as")
}

/// Whether an identifier stands anywhere in some tokens.
pub(crate) fn mentions(tokens: TokenStream, name: &str) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == name,
        TokenTree::Group(group) => mentions(group.stream(), name),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

/// The documentation among `attributes`, as an expression of type `&'static str`.
///
/// A comment is a literal; `#[doc = include_str!(…)]` stays a macro, for the compiler to expand.
pub(crate) fn of_docs(attributes: &[Attribute]) -> TokenStream {
    let mut lines = Vec::new();
    for attribute in attributes {
        let Meta::NameValue(pair) = &attribute.meta else {
            continue;
        };
        if pair.path.is_ident("doc") {
            lines.push(&pair.value);
        }
    }
    let literals: Option<Vec<String>> = lines
        .iter()
        .map(|line| match line {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        })
        .collect();
    match literals {
        Some(literals) => {
            let text: Vec<&str> =
                literals.iter().flat_map(|literal| literal.split('\n')).map(unindented).collect();
            let text = text.join("\n").trim().to_owned();
            quote!(#text)
        }
        None => quote!(::core::concat!(#(#lines, "\n"),*)),
    }
}

fn unindented(line: &str) -> &str {
    line.strip_prefix(' ').unwrap_or(line).trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_reads_as_it_was_written() {
        for text in [
            "i64",
            "&str",
            "&[u8]",
            "&'static mut T",
            "Vec<String>",
            "std::collections::HashMap<String, Vec<Option<u8>>>",
            "[u8; 4]",
            "(A, B)",
            "(A,)",
            "()",
            "fn(A, B) -> C",
            "Box<dyn Error + Send>",
            "<T as Trait>::Item",
            "r#type",
            "Wire<{ N }>",
        ] {
            let ty: Type = syn::parse_str(text).expect("the test's types parse");
            assert_eq!(of_type(&ty).replace("{N}", "{ N }"), text);
        }
    }

    #[test]
    fn an_expression_reads_as_it_was_written() {
        for text in [
            "20",
            "-1",
            "\"a b\"",
            "vec![]",
            "&[\"a\", \"b\"]",
            "Some(Duration::from_secs(5))",
            "LIMIT as u32",
            "A == B",
            "a != b",
            "0..10",
            "Point{x: 1, y: 2}",
        ] {
            let expression: Expr = syn::parse_str(text).expect("the test's expressions parse");
            assert_eq!(of_expression(&expression).replace("x:1, y:2", "x: 1, y: 2"), text);
        }
    }

    #[test]
    fn a_trailing_comma_in_a_list_is_dropped() {
        let ty: Type = syn::parse_str("Map<A, B,>").expect("the type parses");
        assert_eq!(of_type(&ty), "Map<A, B>");
    }

    #[test]
    fn comments_lose_their_indentation_and_keep_their_lines() {
        let item: syn::ItemFn = syn::parse_quote! {
            /// One.
            ///
            ///   Indented.
            fn f() {}
        };
        assert_eq!(of_docs(&item.attrs).to_string(), r#""One.\n\n  Indented.""#);
    }
}

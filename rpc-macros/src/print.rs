//! The expansion as text, for who debugs it.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The variable that asks for it: `1`, or the name of one trait.
const VARIABLE: &str = "RPC_EXPAND";

/// Prints what a trait became to standard error, where [`VARIABLE`] asks for this trait.
pub(crate) fn on_request(name: &str, code: &TokenStream) {
    let Ok(wanted) = std::env::var(VARIABLE) else {
        return;
    };
    if wanted == "1" || wanted == name {
        eprintln!("// {VARIABLE}: {name}\n{}", laid_out(code.clone()));
    }
}

/// One statement or item on a line, indented by its braces. `rustfmt` does the rest.
fn laid_out(tokens: TokenStream) -> String {
    let mut text = String::new();
    lay_out(tokens, 0, &mut text);
    text
}

fn lay_out(tokens: TokenStream, depth: usize, text: &mut String) {
    let mut line = TokenStream::new();
    let end = |line: &mut TokenStream, close: &str, text: &mut String| {
        let words = std::mem::take(line).to_string().replace('\n', " ");
        if !words.is_empty() || !close.is_empty() {
            text.push_str(&format!("{:1$}{words}{close}\n", "", depth * 4));
        }
    };
    for token in tokens {
        match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                end(&mut line, " {", text);
                lay_out(group.stream(), depth + 1, text);
                end(&mut line, "}", text);
            }
            TokenTree::Punct(punct) if punct.as_char() == ';' => end(&mut line, ";", text),
            other => line.extend([other]),
        }
    }
    end(&mut line, "", text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_and_semicolons_end_lines() {
        let code = quote::quote!(
            fn f(a: i64) {
                let b = a;
                b
            }
            struct S;
        );
        assert_eq!(laid_out(code), "fn f (a : i64) {\n    let b = a;\n    b\n}\nstruct S;\n");
    }
}

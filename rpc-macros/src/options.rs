//! What may stand in `#[rpc::service(…)]` and in `#[rpc(…)]`.
//!
//! An option that is not known, given twice or malformed is an error of its own, and reading goes on behind the
//! next comma.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::quote;
use syn::{
    Attribute, Expr, ExprLit, Ident, Lit, LitStr, Meta, Path, Token,
    ext::IdentExt,
    parenthesized,
    parse::{Parse, ParseStream, Parser},
    punctuated::Punctuated,
    token,
};

use crate::errors::Errors;

const OF_SERVICE: &str = "`name = \"…\"`, `crate = path`, `spawn` and `requires = \"…\"`";
const OF_METHOD: &str = "`name = \"…\"`, `oneway`, `idempotent`, `spawn`, `blocking`, `drop_oldest = N` and `requires = \"…\"`";
const OF_PARAMETER: &str = "`default`, `default = expression` and `context`";

/// The options of the whole service.
pub(crate) struct ServiceOptions {
    pub(crate) name: Option<LitStr>,
    pub(crate) facade: Path,
    pub(crate) spawn: Option<Span>,
    /// What the callers of every method need.
    pub(crate) requires: Vec<String>,
}

impl ServiceOptions {
    /// Reads what stands between the parentheses of `#[rpc::service(…)]`.
    pub(crate) fn read(tokens: TokenStream, errors: &Errors) -> Self {
        let mut name = None;
        let mut facade = None;
        let mut spawn = None;
        let mut requires = None;
        read(tokens, errors, "a service", OF_SERVICE, &mut |option, input| match option
            .to_string()
            .as_str()
        {
            "name" => once(&mut name, option, value(option, input)?),
            "crate" => {
                let path: Path = if input.peek(Token![=]) {
                    behind_equals(option, input)?
                } else {
                    return Err(syn::Error::new(option.span(), "write `crate = path`"));
                };
                once(&mut facade, option, path)
            }
            "spawn" => once(&mut spawn, option, flag(option, input)?),
            "requires" => once(&mut requires, option, requirements(option, input)?),
            _ => Ok(false),
        });
        let facade = facade.unwrap_or_else(|| syn::parse_quote!(::rpc));
        Self { name, facade, spawn, requires: requires.unwrap_or_default() }
    }
}

/// The options of one method.
#[derive(Default)]
pub(crate) struct MethodOptions {
    pub(crate) name: Option<LitStr>,
    pub(crate) oneway: Option<Span>,
    pub(crate) idempotent: Option<Span>,
    pub(crate) spawn: Option<Span>,
    pub(crate) blocking: Option<Span>,
    /// How many unsent items of the result are kept.
    pub(crate) drop_oldest: Option<(Span, u32)>,
    /// What its callers need.
    pub(crate) requires: Option<Vec<String>>,
}

impl MethodOptions {
    /// Reads the `#[rpc(…)]` among a method's attributes.
    pub(crate) fn read(attributes: &[Attribute], errors: &Errors) -> Self {
        let mut options = Self::default();
        for tokens in lists(attributes, errors, OF_METHOD) {
            read(tokens, errors, "a method", OF_METHOD, &mut |option, input| match option
                .to_string()
                .as_str()
            {
                "name" => once(&mut options.name, option, value(option, input)?),
                "oneway" => once(&mut options.oneway, option, flag(option, input)?),
                "idempotent" => once(&mut options.idempotent, option, flag(option, input)?),
                "spawn" => once(&mut options.spawn, option, flag(option, input)?),
                "blocking" => once(&mut options.blocking, option, flag(option, input)?),
                "drop_oldest" => {
                    let count = (option.span(), count(option, input)?);
                    once(&mut options.drop_oldest, option, count)
                }
                "requires" => once(&mut options.requires, option, requirements(option, input)?),
                _ => Ok(false),
            });
        }
        options
    }
}

/// The options of one parameter.
#[derive(Default)]
pub(crate) struct ParameterOptions {
    pub(crate) default: Option<(Span, Substitute)>,
    pub(crate) context: Option<Span>,
}

/// What an argument is when the caller left it out.
pub(crate) enum Substitute {
    /// The `Default` of its type.
    Default,
    /// What this evaluates to, at each such call.
    Expression(Box<Expr>),
}

impl ParameterOptions {
    /// Reads the `#[rpc(…)]` among a parameter's attributes.
    pub(crate) fn read(attributes: &[Attribute], errors: &Errors) -> Self {
        let mut options = Self::default();
        for tokens in lists(attributes, errors, OF_PARAMETER) {
            read(tokens, errors, "a parameter", OF_PARAMETER, &mut |option, input| match option
                .to_string()
                .as_str()
            {
                "default" => {
                    let substitute = if input.peek(Token![=]) {
                        Substitute::Expression(Box::new(behind_equals(option, input)?))
                    } else {
                        flag(option, input)?;
                        Substitute::Default
                    };
                    once(&mut options.default, option, (option.span(), substitute))
                }
                "context" => once(&mut options.context, option, flag(option, input)?),
                _ => Ok(false),
            });
        }
        options
    }
}

/// Whether an attribute is `#[rpc(…)]`, which the macro takes for itself.
pub(crate) fn is_ours(attribute: &Attribute) -> bool {
    attribute.path().is_ident("rpc")
}

/// What stands in the parentheses of each `#[rpc(…)]`.
fn lists(attributes: &[Attribute], errors: &Errors, known: &str) -> Vec<TokenStream> {
    let mut lists = Vec::new();
    for attribute in attributes.iter().filter(|attribute| is_ours(attribute)) {
        match &attribute.meta {
            Meta::List(list) => lists.push(list.tokens.clone()),
            Meta::Path(_) | Meta::NameValue(_) => {
                errors.on(attribute, format!("write `#[rpc(…)]` with options in it: {known}"));
            }
        }
    }
    lists
}

/// Takes one option; false where its name is not known.
type Apply<'a> = dyn FnMut(&Ident, ParseStream<'_>) -> syn::Result<bool> + 'a;

fn read(tokens: TokenStream, errors: &Errors, of: &str, known: &str, apply: &mut Apply<'_>) {
    let parser = |input: ParseStream<'_>| {
        while !input.is_empty() {
            match one(input, of, known, apply) {
                Ok(()) => {}
                Err(error) => {
                    errors.push(error);
                    while !input.is_empty() && !input.peek(Token![,]) {
                        input.parse::<TokenTree>()?;
                    }
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(())
    };
    if let Err(error) = parser.parse2(tokens) {
        errors.push(error);
    }
}

fn one(input: ParseStream<'_>, of: &str, known: &str, apply: &mut Apply<'_>) -> syn::Result<()> {
    let option = input.call(Ident::parse_any)?;
    if !apply(&option, input)? {
        let message = format!("`{option}` is not an option of {of}; the options are {known}");
        return Err(syn::Error::new(option.span(), message));
    }
    if !input.is_empty() && !input.peek(Token![,]) {
        return Err(input.error("expected `,` between two options"));
    }
    Ok(())
}

fn once<T>(place: &mut Option<T>, option: &Ident, value: T) -> syn::Result<bool> {
    if place.replace(value).is_some() {
        return Err(syn::Error::new(option.span(), format!("`{option}` is given twice")));
    }
    Ok(true)
}

fn flag(option: &Ident, input: ParseStream<'_>) -> syn::Result<Span> {
    if !input.is_empty() && !input.peek(Token![,]) {
        let message = format!("`{option}` takes no value: write `{option}` alone");
        return Err(syn::Error::new(input.span(), message));
    }
    Ok(option.span())
}

fn value(option: &Ident, input: ParseStream<'_>) -> syn::Result<LitStr> {
    let explain = |_| syn::Error::new(option.span(), format!("write `{option} = \"…\"`"));
    behind_equals(option, input).map_err(explain)
}

fn count(option: &Ident, input: ParseStream<'_>) -> syn::Result<u32> {
    let message = format!("write how many unsent items are kept, as in `{option} = 16`");
    if !input.peek(Token![=]) {
        return Err(syn::Error::new(option.span(), message));
    }
    let value: Expr = behind_equals(option, input)?;
    let mut bare = &value;
    while let Expr::Group(group) = bare {
        bare = &group.expr;
    }
    let Expr::Lit(ExprLit { lit: Lit::Int(literal), .. }) = bare else {
        return Err(syn::Error::new_spanned(&value, message));
    };
    match literal.base10_parse() {
        Ok(0) => {
            let message = format!("at least one item is kept: write `{option} = 1`");
            Err(syn::Error::new_spanned(literal, message))
        }
        Ok(count) => Ok(count),
        Err(_) => {
            let message = format!("at most {} items can be kept", u32::MAX);
            Err(syn::Error::new_spanned(literal, message))
        }
    }
}

/// One requirement behind `=`, or several between parentheses.
fn requirements(option: &Ident, input: ParseStream<'_>) -> syn::Result<Vec<String>> {
    let message = format!(
        "write what a caller needs, as in `{option} = \"admin\"` or `{option}(\"read\", \"write\")`"
    );
    let literals: Vec<LitStr> = if input.peek(token::Paren) {
        let content;
        parenthesized!(content in input);
        let explain = |error: syn::Error| syn::Error::new(error.span(), &message);
        let listed = content.call(Punctuated::<LitStr, Token![,]>::parse_terminated);
        listed.map_err(explain)?.into_iter().collect()
    } else if input.peek(Token![=]) {
        let explain = |_| syn::Error::new(option.span(), &message);
        vec![behind_equals(option, input).map_err(explain)?]
    } else {
        Vec::new()
    };
    if literals.is_empty() {
        return Err(syn::Error::new(option.span(), message));
    }
    let mut requirements = Vec::new();
    for literal in literals {
        let requirement = literal.value();
        if requirement.is_empty() {
            return Err(syn::Error::new_spanned(literal, "a requirement cannot be empty"));
        }
        if requirements.contains(&requirement) {
            return Err(syn::Error::new_spanned(literal, "this requirement is given twice"));
        }
        requirements.push(requirement);
    }
    Ok(requirements)
}

/// What stands behind the `=` of an option.
fn behind_equals<T: Parse>(option: &Ident, input: ParseStream<'_>) -> syn::Result<T> {
    input.parse::<Token![=]>()?;
    if input.is_empty() || input.peek(Token![,]) {
        let message = format!("there is nothing behind the `=` of `{option}`");
        return Err(syn::Error::new(option.span(), message));
    }
    input.parse()
}

/// `::rpc::path`, under the name by which the user's crate knows the facade.
pub(crate) fn in_facade(facade: &Path, path: &TokenStream) -> TokenStream {
    quote!(#facade::#path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(tokens: TokenStream) -> Vec<String> {
        let errors = Errors::default();
        ServiceOptions::read(tokens, &errors);
        errors.messages()
    }

    #[test]
    fn every_option_of_a_service_is_read() {
        let errors = Errors::default();
        let options = ServiceOptions::read(
            quote!(
                name = "calc.v2",
                crate = crate::reexports::rpc,
                spawn,
                requires("read", "write"),
            ),
            &errors,
        );
        assert_eq!(errors.count(), 0);
        assert_eq!(options.name.map(|name| name.value()).as_deref(), Some("calc.v2"));
        let facade = &options.facade;
        assert_eq!(quote!(#facade).to_string(), "crate :: reexports :: rpc");
        assert!(options.spawn.is_some());
        assert_eq!(options.requires, ["read", "write"]);
    }

    #[test]
    fn reading_goes_on_behind_a_mistake() {
        let found = messages(quote!(version = 2, spawn = true, name, spawn, spawn));
        assert_eq!(found.len(), 4, "{found:#?}");
        assert!(found[0].starts_with("`version` is not an option of a service; the options are"));
        assert_eq!(found[1], "`spawn` takes no value: write `spawn` alone");
        assert_eq!(found[2], "write `name = \"…\"`");
        assert_eq!(found[3], "`spawn` is given twice");
    }
}

//! The `#[service]` attribute.

mod ast;
mod check;
mod emit;
mod errors;
mod options;
mod parse;
mod text;

use proc_macro2::TokenStream;

use errors::Errors;

/// Makes a trait a service.
#[proc_macro_attribute]
pub fn service(
    arguments: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    expand(arguments.into(), item.into()).into()
}

fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let errors = Errors::default();
    let code = match parse::service(arguments, item.clone(), &errors) {
        Some(service) => emit::service(&service),
        None => item,
    };
    let mut tokens = errors.into_tokens();
    tokens.extend(code);
    tokens
}

//! The parameters behind `&self`: arguments, which are names with a type, the stream that the caller sends, and the context.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{
    Attribute, FnArg, Ident, Pat, PatType, TraitItemFn, Type, ext::IdentExt, spanned::Spanned,
};

use super::{streams, types};
use crate::{
    ast::{Argument, Parameter, Taken},
    errors::Errors,
    options::{self, ParameterOptions},
};

/// Reads the parameters behind `&self`; gives those that are good, and how many the stub has.
///
/// A parameter that is no plain name gets `_` in its place where the method has no body, so that the compiler has
/// nothing to add.
pub(super) fn parameters(item: &mut TraitItemFn, errors: &Errors) -> (Vec<Parameter>, usize) {
    let bodiless = item.default.is_none();
    let mut parameters: Vec<Parameter> = Vec::new();
    let mut arity = 0;
    let (mut has_context, mut has_stream) = (false, false);
    for input in &mut item.sig.inputs {
        let FnArg::Typed(typed) = input else { continue };
        let options = ParameterOptions::read(&typed.attrs, errors);
        typed.attrs.retain(|attribute| !options::is_ours(attribute));
        conditions(&typed.attrs, errors);
        if options.context.is_some() || types::is_context(&typed.ty) {
            context(typed, &options, has_context, errors);
            has_context = true;
            parameters.push(Parameter::Context);
            continue;
        }
        arity += 1;
        let ident = plain(&typed.pat, &parameters).cloned();
        if let Err((tokens, message)) = &ident {
            errors.on(tokens, message);
        }
        let parameter = match streams::parameter(&typed.ty, errors) {
            Some(item) => {
                let item = item.clone();
                stream(typed, &options, has_stream, errors);
                has_stream = true;
                ident.ok().map(|ident| Parameter::Stream(Box::new(taken(ident, typed, item))))
            }
            None => {
                let form = types::form(&typed.ty, errors);
                ident.ok().map(|ident| {
                    Parameter::Argument(Box::new(Argument {
                        name: ident.unraw().to_string(),
                        ident,
                        form,
                        ty: (*typed.ty).clone(),
                        default: options.default,
                    }))
                })
            }
        };
        if parameter.is_none() && bodiless {
            *typed.pat = syn::parse_quote!(_);
        }
        parameters.extend(parameter);
    }
    trailing(&parameters, errors);
    (parameters, arity)
}

fn conditions(attributes: &[Attribute], errors: &Errors) {
    for attribute in attributes {
        if attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr") {
            errors.on(
                attribute,
                "both ends must agree on the parameters: write the method twice, each under its own `#[cfg]`",
            );
        }
    }
}

fn context(typed: &PatType, options: &ParameterOptions, second: bool, errors: &Errors) {
    let lent = match types::bare(&typed.ty) {
        Type::Reference(reference) => {
            let nested = matches!(types::bare(&reference.elem), Type::Reference(_));
            reference.lifetime.is_none() && reference.mutability.is_none() && !nested
        }
        _ => false,
    };
    if second {
        errors.on(typed, "a call has one context: drop this parameter");
    } else if !lent {
        errors.on(&typed.ty, "the context is lent to the call: write `&Context`");
    }
    if let Some((span, _)) = &options.default {
        errors.at(*span, "the context is always there: drop `default`");
    }
}

fn taken(ident: Ident, typed: &PatType, item: Type) -> Taken {
    Taken { name: ident.unraw().to_string(), ident, span: typed.ty.span(), item }
}

fn stream(typed: &PatType, options: &ParameterOptions, second: bool, errors: &Errors) {
    if second {
        errors.on(
            typed,
            "a call sends one stream, because the items of two would have no order between them: make the items of both one enum",
        );
    }
    if let Some((span, _)) = &options.default {
        errors.at(*span, "the stream is always there, if only an empty one: drop `default`");
    }
}

/// The name of a parameter that is nothing but a name, or what is wrong, and where.
fn plain<'a>(pattern: &'a Pat, earlier: &[Parameter]) -> Result<&'a Ident, (TokenStream, String)> {
    match pattern {
        Pat::Ident(found) if found.by_ref.is_none() && found.subpat.is_none() => {
            if let Some(token) = &found.mutability {
                let message = "`mut` is no part of an interface: write it in the implementation";
                return Err((token.to_token_stream(), message.to_owned()));
            }
            let name = found.ident.unraw();
            if earlier.iter().filter_map(Parameter::name).any(|other| name == *other) {
                let message = format!("two parameters are called `{name}`");
                return Err((found.to_token_stream(), message));
            }
            Ok(&found.ident)
        }
        Pat::Wild(_) => Err((
            pattern.to_token_stream(),
            "a parameter needs a name: it is the argument's name on the wire".to_owned(),
        )),
        _ => Err((
            pattern.to_token_stream(),
            "a parameter is a name: take the value apart in the implementation".to_owned(),
        )),
    }
}

/// A caller can only leave out what nothing follows.
fn trailing(parameters: &[Parameter], errors: &Errors) {
    let mut required: Option<&Argument> = None;
    for parameter in parameters.iter().rev() {
        let Parameter::Argument(argument) = parameter else {
            continue;
        };
        match (&argument.default, required) {
            (None, _) => required = Some(argument),
            (Some((span, _)), Some(behind)) => errors.at(
                *span,
                format!(
                    "only trailing arguments can be left out: move `{}` behind `{}`, or give `{}` a default too",
                    argument.name, behind.name, behind.name
                ),
            ),
            (Some(_), None) => {}
        }
    }
}

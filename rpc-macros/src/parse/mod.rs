//! From the tokens of a trait to a [`Service`], with every error on the way.

mod method;
mod parameters;
mod streams;
mod types;

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident};
use syn::{
    GenericParam, Ident, Item, ItemTrait, TraitItem, TypeParamBound, ext::IdentExt,
    spanned::Spanned,
};

pub(crate) use types::is_unit;

use crate::{
    ast::{Method, Service},
    check,
    errors::Errors,
    options::{self, ServiceOptions},
    text::mentions,
};

/// Reads the trait, or says why there is none.
pub(crate) fn service(
    arguments: TokenStream,
    item: TokenStream,
    errors: &Errors,
) -> Option<Service> {
    let options = ServiceOptions::read(arguments, errors);
    let mut item = match syn::parse2(item) {
        Ok(Item::Trait(item)) => item,
        Ok(Item::Impl(other)) => {
            errors.on(
                other.impl_token,
                "`#[rpc::service]` stands on the trait: an implementation needs no attribute",
            );
            return None;
        }
        Ok(other) => {
            let first = other.to_token_stream().into_iter().find(|token| {
                !matches!(
                    token,
                    proc_macro2::TokenTree::Punct(_) | proc_macro2::TokenTree::Group(_)
                )
            });
            let span = first.map_or_else(|| other.span(), |token| token.span());
            errors.at(span, "`#[rpc::service]` stands on a trait");
            return None;
        }
        Err(error) => {
            errors.push(error);
            return None;
        }
    };
    let before = errors.count();
    header(&mut item, errors);
    let sound = errors.count() == before;
    let client = client(&item.ident);
    let mut methods = Vec::new();
    let mut others = Vec::new();
    for inner in std::mem::take(&mut item.items) {
        match inner {
            TraitItem::Fn(inner) => {
                methods.push(method::method(inner, &client, &options, errors));
            }
            other => others.extend(foreign(other, errors)),
        }
    }
    let name =
        options.name.as_ref().map_or_else(|| item.ident.unraw().to_string(), syn::LitStr::value);
    for method in &mut methods {
        method.sound &= sound;
    }
    unbounded(&item, &mut methods, errors);
    let mut service = Service { item, name, facade: options.facade, methods, sound, others };
    check::names(&mut service, options.name.as_ref(), errors);
    Some(service)
}

/// The name of the stub.
pub(crate) fn client(service: &Ident) -> Ident {
    format_ident!("{}Client", service.unraw(), span = service.span())
}

fn header(item: &mut ItemTrait, errors: &Errors) {
    for attribute in &item.attrs {
        if options::is_ours(attribute) {
            errors.on(attribute, "the options of a service stand in `#[rpc::service(…)]`");
        }
    }
    item.attrs.retain(|attribute| !options::is_ours(attribute));
    if let Some(token) = item.unsafety.take() {
        errors.on(token, "a service is a safe trait: drop `unsafe`");
    }
    if let Some(token) = item.modifiers.auto_token.take() {
        errors.on(token, "a service is a trait with methods: drop `auto`");
    }
    for parameter in &item.generics.params {
        if let GenericParam::Lifetime(lifetime) = parameter {
            errors.on(lifetime, "a service has no lifetimes: it outlives every connection");
        }
    }
    for bound in &item.supertraits {
        if let TypeParamBound::Lifetime(lifetime) = bound
            && lifetime.ident != "static"
        {
            errors.on(lifetime, "a service has no lifetimes: it outlives every connection");
        }
    }
}

/// Finds type parameters that methods use as values and nothing is said about.
fn unbounded(item: &ItemTrait, methods: &mut [Method], errors: &Errors) {
    let conditions = item.generics.where_clause.to_token_stream();
    for parameter in item.generics.type_params() {
        let name = parameter.ident.to_string();
        if !parameter.bounds.is_empty() || mentions(conditions.clone(), &name) {
            continue;
        }
        let users =
            methods.iter_mut().filter(|method| mentions(method.item.sig.to_token_stream(), &name));
        let mut is_used = false;
        for user in users {
            user.sound = false;
            is_used = true;
        }
        if is_used {
            errors.on(
                &parameter.ident,
                format!("values of `{name}` cross the network: write `{name}: Serialize + DeserializeOwned + Send + 'static`"),
            );
        }
    }
}

/// What is not a method: an error, and the item, if the trait can keep it.
fn foreign(item: TraitItem, errors: &Errors) -> Option<TraitItem> {
    match &item {
        TraitItem::Const(inner) => errors.on(
            inner.const_token,
            "a client cannot see a constant of the server: make it a method, or a constant beside the trait",
        ),
        TraitItem::Type(inner) => errors.on(
            inner.type_token,
            "a client cannot know a type that the server chooses: make the trait generic, or name the type",
        ),
        TraitItem::Macro(inner) => {
            errors.on(
                &inner.mac.path,
                "a macro in here runs after `#[rpc::service]`, which would not see its methods: write them out, or let the macro make the whole trait",
            );
        }
        other => {
            let first = other.to_token_stream().into_iter().next();
            let message = match &first {
                Some(token) if token.to_string() == "pub" => "methods are as visible as their trait: drop the visibility",
                _ => "a service consists of methods",
            };
            errors.at(first.map_or_else(|| other.span(), |token| token.span()), message);
            return None;
        }
    }
    Some(item)
}

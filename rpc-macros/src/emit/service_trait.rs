//! The trait that a server implements: the user's, with `Send` futures.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Block, ItemTrait, ReturnType, TraitItem, TraitItemFn, Type, parse_quote_spanned};

use super::Scene;

pub(super) fn emit(scene: &Scene<'_>) -> TokenStream {
    let mut item: ItemTrait = scene.service.item.clone();
    item.colon_token.get_or_insert_default();
    for bound in [
        quote!(::core::marker::Send),
        quote!(::core::marker::Sync),
        quote!('static),
    ] {
        item.supertraits.push(syn::parse_quote!(#bound));
    }
    let methods = scene
        .service
        .methods
        .iter()
        .map(|method| TraitItem::Fn(function(&method.item)));
    item.items = methods
        .chain(scene.service.others.iter().cloned())
        .collect();
    // A default body reads `async move` where its author wrote `async fn`.
    quote! {
        #[allow(clippy::manual_async_fn)]
        #item
    }
}

/// `async fn f() -> T` as a function that returns a `Send` future.
fn function(method: &TraitItemFn) -> TraitItemFn {
    let mut method = method.clone();
    if method.sig.asyncness.take().is_none() {
        return method;
    }
    let output: Type = match &method.sig.output {
        ReturnType::Default => syn::parse_quote!(()),
        ReturnType::Type(_, ty) => (**ty).clone(),
    };
    // Where a handler's future is not `Send`, the compiler points here as well.
    method.sig.output = parse_quote_spanned! {method.sig.ident.span()=>
        -> impl ::core::future::Future<Output = #output> + ::core::marker::Send
    };
    if let Some(block) = &method.default {
        let wrapped: Block = syn::parse_quote!({ async move #block });
        method.default = Some(wrapped);
    }
    method
}

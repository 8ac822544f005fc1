//! The trait that a server implements: the user's, with `Send` futures.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Block, ItemTrait, ReturnType, TraitItem, TraitItemFn, Type, parse_quote_spanned};

use super::Scene;
use crate::ast::Method;

pub(super) fn emit(scene: &Scene<'_>) -> TokenStream {
    let mut item: ItemTrait = scene.service.item.clone();
    item.colon_token.get_or_insert_default();
    for bound in [quote!(::core::marker::Send), quote!(::core::marker::Sync), quote!('static)] {
        item.supertraits.push(syn::parse_quote!(#bound));
    }
    let methods = scene.service.methods.iter().map(|method| TraitItem::Fn(function(method)));
    item.items = methods.chain(scene.service.others.iter().cloned()).collect();
    // A default body reads `async move` where its author wrote `async fn`.
    quote! {
        #[allow(clippy::manual_async_fn)]
        #item
    }
}

/// `async fn f() -> T` as a function that returns a `Send` future.
///
/// Of a method that has an error nothing is asked that could be another.
fn function(method: &Method) -> TraitItemFn {
    let mut item = method.item.clone();
    if item.sig.asyncness.take().is_none() {
        return item;
    }
    let output: Type = match &item.sig.output {
        ReturnType::Type(_, ty) if !matches!(**ty, Type::Never(_)) => (**ty).clone(),
        _ => syn::parse_quote!(()),
    };
    let send = method.sound.then(|| quote_spanned!(item.sig.ident.span()=> + ::core::marker::Send));
    // Where a handler's future is not `Send`, the compiler points here as well.
    item.sig.output = parse_quote_spanned! {item.sig.ident.span()=>
        -> impl ::core::future::Future<Output = #output> #send
    };
    if let Some(block) = &item.default {
        let wrapped: Block = syn::parse_quote!({ async move #block });
        item.default = Some(wrapped);
    }
    item
}

//! The trait that a server implements: the user's, with `Send` futures.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{
    Block, GenericArgument, ItemTrait, PathArguments, ReturnType, TraitItem, TraitItemFn, Type,
    parse_quote_spanned,
};

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

/// `async fn f() -> T` as a function that returns a `Send` future, and each stream as one that is `Send`.
///
/// Of a method that has an error nothing is asked that could be another.
fn function(method: &Method) -> TraitItemFn {
    let mut item = method.item.clone();
    if let (true, Some(_), ReturnType::Type(_, ty)) =
        (method.sound, &method.streams, &mut item.sig.output)
    {
        make_send(ty, method.ident().span());
    }
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

/// Adds `Send` to the stream that a method returns, alone or as the first type of a `Result`.
fn make_send(ty: &mut Type, span: Span) {
    match ty {
        Type::ImplTrait(it) => it.bounds.push(parse_quote_spanned!(span=> ::core::marker::Send)),
        Type::Group(group) => make_send(&mut group.elem, span),
        Type::Paren(paren) => make_send(&mut paren.elem, span),
        Type::Path(path) => {
            let last = path.path.segments.last_mut();
            let Some(PathArguments::AngleBracketed(arguments)) =
                last.map(|segment| &mut segment.arguments)
            else {
                return;
            };
            if let Some(GenericArgument::Type(ty)) = arguments.args.first_mut() {
                make_send(ty, span);
            }
        }
        _ => {}
    }
}

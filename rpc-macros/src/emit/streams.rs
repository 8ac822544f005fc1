//! Streams of items, out and in, at both ends: what is added to a method's stub and to its handler.
//!
//! An item is encoded where its stream is polled. A client's stream is taken out of the request before anything else, so that its
//! parameter is there whatever becomes of the arguments.

use proc_macro2::{Literal, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Ident;

use super::{Scene, local};
use crate::ast::{Method, Streams, Taken};

/// The stub's parameter for a stream: anything that is one.
pub(super) fn parameter(taken: &Taken, scene: &Scene<'_>) -> TokenStream {
    let Taken { ident, item, .. } = taken;
    let stream = scene.facade(quote!(Stream));
    quote!(#ident: impl #stream<Item = #item> + ::core::marker::Send + 'static)
}

/// Hands the stub's stream to the call.
pub(super) fn upload(taken: &Taken, scene: &Scene<'_>) -> TokenStream {
    let (request, item, encoder) = (local("request"), local("item"), local("encoder"));
    let ident = &taken.ident;
    let value = scene.value(&taken.item);
    quote!(#request.upload(#ident, |#item, #encoder| #value::encode(#item, #encoder));)
}

/// The handler's variable that holds a stream.
///
/// It stands where the parameter's type does: who means another `Streaming` than the facade's is told so there.
pub(super) fn variable(taken: &Taken) -> Ident {
    Ident::new(&format!("argument_{}", taken.name), Span::mixed_site().located_at(taken.span))
}

/// Takes the caller's stream out of the request.
pub(super) fn taking(taken: &Taken, scene: &Scene<'_>) -> TokenStream {
    let (request, value, failure) = (local("request"), local("value"), local("failure"));
    let variable = variable(taken);
    let item = &taken.item;
    let error = scene.facade(quote!(Error));
    let value_of_item = scene.value(item);
    // A facade without a client has no stub that would ask whether the items can cross the network.
    quote! {
        let _ = #value_of_item::decode;
        let #variable = match #request.streaming::<#item, #error>() {
            ::core::result::Result::Ok(#value) => #value,
            ::core::result::Result::Err(#failure) => return #request.refuse(#failure),
        };
    }
}

/// Calls the method, sends the stream that it returns, and ends the call behind the last item.
///
/// The stream may borrow from the request, which is therefore not used up before the stream, and what it came in, is dropped.
pub(super) fn ending(
    method: &Method,
    streams: &Streams,
    call: &TokenStream,
    scene: &Scene<'_>,
) -> TokenStream {
    let [request, outcome, failure] = ["request", "outcome", "failure"].map(local);
    // What is no stream, though it is called so, is reported where it stands, and once because all of the call stands there.
    let place = Span::mixed_site().located_at(streams.span);
    let stream = Ident::new("stream", place);
    let begin = method.is_async().then(|| quote!(#request.begin();));
    let encode = encode(method, streams, scene);
    let there = Ident::new("request", place);
    let sent = match streams.newest {
        None => quote_spanned!(place=> #there.stream(#stream, #encode).await),
        Some(count) => {
            let mut count = Literal::u32_unsuffixed(count);
            count.set_span(place);
            quote_spanned!(place=> #there.stream_newest(#stream, #count, #encode).await)
        }
    };
    let streaming = match &method.error {
        None => quote! {
            let #stream = #call;
            #begin
            let #outcome = #sent;
        },
        Some(error) => {
            let failure_trait = scene.facade(quote!(Failure));
            quote! {
                let #outcome = match #call {
                    ::core::result::Result::Ok(#stream) => {
                        #begin
                        #sent
                    }
                    ::core::result::Result::Err(#failure) => ::core::result::Result::Err(
                        <#error as #failure_trait>::into_error(#failure, #request.structs()),
                    ),
                };
            }
        }
    };
    quote! {
        #streaming
        match #outcome {
            ::core::result::Result::Ok(()) => #request.done(),
            ::core::result::Result::Err(#failure) => #request.fail(#failure),
        }
    }
}

/// The closure that encodes an item.
fn encode(method: &Method, streams: &Streams, scene: &Scene<'_>) -> TokenStream {
    let (item, encoder) = (local("item"), local("encoder"));
    let value = scene.value(&method.result);
    let Some(error) = &streams.error else {
        return quote!(|#item, #encoder| #value::encode(&#item, #encoder));
    };
    let (success, failure) = (local("value"), local("failure"));
    let failure_trait = scene.facade(quote!(Failure));
    quote! {
        |#item, #encoder| match #item {
            ::core::result::Result::Ok(#success) => #value::encode(&#success, #encoder),
            ::core::result::Result::Err(#failure) => {
                ::core::result::Result::Err(<#error as #failure_trait>::into_error(#failure, #encoder.structs()))
            }
        }
    }
}

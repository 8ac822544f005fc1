//! The service as data: one constant for each method, on a hidden type.
//!
//! The stub refers to a method's constant by name and the dispatcher to all of them as one list, so a method
//! that `#[cfg]` takes away is in neither.

use proc_macro2::{Literal, TokenStream};
use quote::quote;
use syn::Ident;

use super::Scene;
use crate::{
    ast::{Method, Run, Streams},
    options::Substitute,
    text,
};

pub(super) fn emit(scene: &Scene<'_>) -> TokenStream {
    let description = &scene.description;
    let service_type = scene.private(quote!(Service));
    let name = &scene.service.name;
    let docs = text::of_docs(&scene.service.item.attrs);
    let methods: Vec<&Method> =
        scene.service.methods.iter().filter(|method| method.sound).collect();
    let constants = methods.iter().map(|method| constant(method, scene));
    let list = methods.iter().map(|method| {
        let conditions = method.conditions();
        let constant = name_of(method);
        quote!(#(#conditions)* Self::#constant)
    });
    quote! {
        #[doc(hidden)]
        #[allow(dead_code, non_camel_case_types)]
        enum #description {}

        #[allow(dead_code, deprecated, non_upper_case_globals, unused_qualifications)]
        impl #description {
            const __SERVICE: #service_type = #service_type::new(#name, #docs, &[#(#list),*]);
            #(#constants)*
        }
    }
}

/// The name of the constant that describes a method.
pub(super) fn name_of(method: &Method) -> &Ident {
    method.ident()
}

fn constant(method: &Method, scene: &Scene<'_>) -> TokenStream {
    let conditions = method.conditions();
    let constant = name_of(method);
    let method_type = scene.private(quote!(Method));
    let argument_type = scene.private(quote!(Argument));
    let name = &method.name;
    let docs = text::of_docs(&method.item.attrs);
    let mut arguments = method
        .arguments()
        .map(|argument| {
            let name = &argument.name;
            let ty = text::of_type(&argument.ty);
            let optional = argument.default.as_ref().map(|(_, substitute)| match substitute {
                Substitute::Default => quote!(.optional()),
                Substitute::Expression(expression) => {
                    let text = text::of_expression(expression);
                    quote!(.with_default(#text))
                }
            });
            quote!(#argument_type::new(#name, #ty) #optional)
        })
        .peekable();
    let arguments = arguments.peek().is_some().then(|| quote!(.arguments(&[#(#arguments),*])));
    let result = text::of_type(&method.result);
    let returns = match &method.error {
        Some(error) => {
            let error = text::of_type(error);
            Some(quote!(.returns(#result, ::core::option::Option::Some(#error))))
        }
        None if result == "()" => None,
        None => Some(quote!(.returns(#result, ::core::option::Option::None))),
    };
    let takes = method.takes().map(|taken| {
        let (name, item) = (&taken.name, text::of_type(&taken.item));
        quote!(.takes(#argument_type::new(#name, #item)))
    });
    let streams = method.streams.as_ref().map(|streams| streaming(streams, scene));
    let oneway = method.oneway.then(|| quote!(.oneway()));
    let idempotent = method.idempotent.then(|| quote!(.idempotent()));
    let run_type = scene.private(quote!(Run));
    let run = match method.run {
        Run::Inline => None,
        Run::Spawn => Some(quote!(.run(#run_type::Spawn))),
        Run::Blocking => Some(quote!(.run(#run_type::Blocking))),
    };
    let requirements = &method.requires;
    let requires = (!requirements.is_empty()).then(|| quote!(.requires(&[#(#requirements),*])));
    quote! {
        #(#conditions)*
        const #constant: #method_type =
            #method_type::new(#name, #docs)
                #arguments #takes #returns #streams #oneway #idempotent #run #requires;
    }
}

/// What the description says of a result that is a stream.
fn streaming(streams: &Streams, scene: &Scene<'_>) -> TokenStream {
    let pace_type = scene.private(quote!(Pace));
    let pace = match streams.newest {
        None => quote!(#pace_type::Waits),
        Some(count) => {
            let count = Literal::u32_unsuffixed(count);
            quote!(#pace_type::DropsOldest(#count))
        }
    };
    let error = match &streams.error {
        None => quote!(::core::option::Option::None),
        Some(error) => {
            let error = text::of_type(error);
            quote!(::core::option::Option::Some(#error))
        }
    };
    quote!(.streams(#pace, #error))
}

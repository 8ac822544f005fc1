//! `CalcDispatcher<S>`: what a connection's task drives.
//!
//! A session is made for one method by its name, not by its number, because only the compiler knows which methods
//! `#[cfg]` has left. A blocking method has none of its own: its calls go to `blocking`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::{Scene, handler, lenient};
use crate::ast::Run;

pub(super) fn emit(scene: &Scene<'_>) -> TokenStream {
    if !scene.service.sound {
        return fallback(scene);
    }
    let service = &scene.service.item.ident;
    let visibility = &scene.service.item.vis;
    let (dispatcher, handler, applied) = (&scene.dispatcher, &scene.handler, scene.applied_trait());
    let (definition, parameters, arguments) =
        (scene.definition_parameters(), scene.impl_parameters(), scene.arguments());
    let bounds = bounds(scene);
    let unbounded = scene.unbounded_parameters();
    let (field, marker) = scene.marker().unzip();
    let lenient = lenient();
    let methods = scene.service.methods.iter().filter(|method| method.sound);
    let functions = methods.map(|method| handler::emit(method, scene));
    let implementation = implementation(scene);
    let about = format!("Serves [`{service}`]: what a server is given.");
    let about_new = "A dispatcher that owns its service.";
    let about_shared = "A dispatcher for a service that is shared.";
    let name = dispatcher.to_string();
    quote! {
        #[doc = #about]
        #visibility struct #dispatcher<#handler, #definition> {
            service: ::std::sync::Arc<#handler>,
            #field
        }

        #lenient
        impl<#handler: #applied, #parameters> #dispatcher<#handler, #arguments> where #bounds {
            #[doc = #about_new]
            #[must_use]
            #visibility fn new(service: #handler) -> Self {
                Self::from_arc(::std::sync::Arc::new(service))
            }

            #[doc = #about_shared]
            #[must_use]
            #visibility fn from_arc(service: ::std::sync::Arc<#handler>) -> Self {
                Self { service, #marker }
            }

            #(#functions)*
        }

        #implementation

        #lenient
        impl<#handler, #unbounded> ::core::clone::Clone for #dispatcher<#handler, #arguments> {
            fn clone(&self) -> Self {
                Self {
                    service: ::core::clone::Clone::clone(&self.service),
                    #marker
                }
            }
        }

        #lenient
        impl<#handler, #unbounded> ::core::fmt::Debug for #dispatcher<#handler, #arguments> {
            fn fmt(&self, formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                formatter.debug_struct(#name).finish_non_exhaustive()
            }
        }
    }
}

/// A dispatcher of anything: the trait is wrong as a whole, and has no bounds to rely on.
fn fallback(scene: &Scene<'_>) -> TokenStream {
    let visibility = &scene.service.item.vis;
    let (dispatcher, handler) = (&scene.dispatcher, &scene.handler);
    let lenient = lenient();
    quote! {
        #lenient
        #visibility struct #dispatcher<#handler>(#handler);

        #lenient
        impl<#handler> #dispatcher<#handler> {
            #visibility fn new(service: #handler) -> Self {
                Self(service)
            }

            #visibility fn from_arc(_: ::std::sync::Arc<#handler>) -> Self {
                ::core::unimplemented!()
            }
        }
    }
}

/// What a dispatcher asks of the trait's parameters: the trait's own conditions, and that they can be anywhere.
pub(super) fn bounds(scene: &Scene<'_>) -> TokenStream {
    let predicates = scene.predicates();
    let types = scene.service.item.generics.type_params().map(|parameter| &parameter.ident);
    quote! {
        #(#predicates,)*
        #(#types: ::core::marker::Send + ::core::marker::Sync + 'static,)*
    }
}

fn implementation(scene: &Scene<'_>) -> TokenStream {
    let (dispatcher, handler, applied) = (&scene.dispatcher, &scene.handler, scene.applied_trait());
    let (parameters, arguments) = (scene.impl_parameters(), scene.arguments());
    let bounds = bounds(scene);
    let description = &scene.description;
    let lenient = lenient();
    let [trait_path, service, session, request, answer, slots] =
        ["Dispatcher", "Service", "Session", "Request", "Answer", "slots"]
            .map(|name| format_ident!("{name}"))
            .map(|name| scene.private(quote!(#name)));
    let sound = || scene.service.methods.iter().filter(|method| method.sound);
    let (asynchronous, blocking): (Vec<_>, Vec<_>) =
        sound().partition(|method| method.run != Run::Blocking);
    let asynchronous = asynchronous.iter().map(|method| {
        let (conditions, name, function) =
            (method.conditions(), &method.name, handler::name_of(method));
        quote! {
            #(#conditions)*
            #name => #slots(move |request| Self::#function(service, request)),
        }
    });
    let blocking = (!blocking.is_empty()).then(|| {
        let arms = blocking.iter().map(|method| {
            let (conditions, name, function) = (method.conditions(), &method.name, handler::name_of(method));
            quote! {
                #(#conditions)*
                #name => Self::#function(&self.service, request),
            }
        });
        let error = scene.facade(quote!(Error));
        quote! {
            fn blocking(&self, request: #request) -> #answer {
                match #description::__SERVICE.methods[request.method() as ::core::primitive::usize].name {
                    #(#arms)*
                    _ => request.fail(#error::internal("not a blocking method")),
                }
            }
        }
    });
    quote! {
        #lenient
        impl<#handler: #applied, #parameters> #trait_path for #dispatcher<#handler, #arguments>
        where
            #bounds
        {
            fn description(&self) -> &'static #service {
                &#description::__SERVICE
            }

            fn session(&self, method: ::core::primitive::u32) -> ::std::boxed::Box<dyn #session + '_> {
                let service: &#handler = &self.service;
                match #description::__SERVICE.methods[method as ::core::primitive::usize].name {
                    #(#asynchronous)*
                    _ => #slots(move |request| ::core::future::ready(self.blocking(request))),
                }
            }

            #blocking
        }
    }
}

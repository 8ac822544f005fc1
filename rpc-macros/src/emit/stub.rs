//! `CalcClient`: the service's methods over a channel.
//!
//! It goes through a macro of the facade that is empty where the facade has no client, because a procedural macro
//! cannot see the facade's features.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::{Attribute, Type};

use super::{Scene, description, docs, lenient, local, streams};
use crate::ast::{Argument, Form, Method, Parameter, is_condition, mentions};

pub(super) fn emit(scene: &Scene<'_>) -> TokenStream {
    let service = &scene.service.item.ident;
    let visibility = &scene.service.item.vis;
    let client = &scene.client;
    let (definition, parameters, arguments) =
        (scene.definition_parameters(), scene.impl_parameters(), scene.arguments());
    let predicates = scene.predicates();
    let (field, marker) = scene.marker().unzip();
    let channel = scene.facade(quote!(Channel));
    let error = scene.facade(quote!(Error));
    let only_with_client = scene.facade(quote!(__client));
    let lenient = lenient();
    let local = local_constructor(scene);
    let methods = scene
        .service
        .methods
        .iter()
        .filter(|method| !method.hides)
        .map(|method| stub_method(method, scene));
    let about = format!(
        "The client of [`{service}`]: its methods, over a channel.\n\nCheap to clone; clones share the channel."
    );
    let about_new = "A client over this channel.";
    let about_connect =
        "Connects to a server and gives a client of it.\n\n# Errors\n\nWhy there is no connection.";
    let about_channel = "The channel that calls go over.";
    let about_description =
        "What the service is, as data: its methods, their arguments and documentation.";
    let (description, service_type) = (&scene.description, scene.private(quote!(Service)));
    let name = client.to_string();
    quote! {
        #only_with_client! {
            #[doc = #about]
            #visibility struct #client<#definition> {
                channel: #channel,
                #field
            }

            #lenient
            impl<#parameters> #client<#arguments> where #(#predicates,)* {
                #[doc = #about_description]
                #visibility const DESCRIPTION: &'static #service_type = &#description::__SERVICE;

                #[doc = #about_new]
                #[must_use]
                #visibility fn new(channel: #channel) -> Self {
                    Self { channel, #marker }
                }

                #[doc = #about_connect]
                #visibility async fn connect(
                    address: impl ::core::convert::AsRef<::core::primitive::str>,
                ) -> ::core::result::Result<Self, #error> {
                    ::core::result::Result::Ok(Self::new(#channel::connect(address).await?))
                }

                #local

                #[doc = #about_channel]
                #[must_use]
                #visibility fn channel(&self) -> &#channel {
                    &self.channel
                }

                #(#methods)*
            }

            #lenient
            impl<#parameters> ::core::clone::Clone for #client<#arguments> where #(#predicates,)* {
                fn clone(&self) -> Self {
                    Self {
                        channel: ::core::clone::Clone::clone(&self.channel),
                        #marker
                    }
                }
            }

            #lenient
            impl<#parameters> ::core::fmt::Debug for #client<#arguments> where #(#predicates,)* {
                fn fmt(&self, formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    formatter.debug_struct(#name).field("channel", &self.channel).finish()
                }
            }
        }
    }
}

/// The constructor that needs both ends, and so is there only where the facade has both.
fn local_constructor(scene: &Scene<'_>) -> TokenStream {
    let visibility = &scene.service.item.vis;
    let only_with_both = scene.facade(quote!(__local));
    let local = scene.private(quote!(local));
    let (dispatcher, handler, applied) = (&scene.dispatcher, &scene.handler, scene.applied_trait());
    let arguments = scene.arguments();
    let bounds = super::dispatcher::bounds(scene);
    let about = "A client of a service in this process: the whole protocol, without a socket, and without the hooks of a server.";
    if !scene.service.sound {
        return quote! {
            #visibility fn local<#handler>(_: #handler) -> Self {
                ::core::unimplemented!()
            }
        };
    }
    quote! {
        #only_with_both! {
            #[doc = #about]
            #[must_use]
            #visibility fn local<#handler: #applied>(service: #handler) -> Self where #bounds {
                Self::new(#local(#dispatcher::<#handler, #arguments>::new(service)))
            }
        }
    }
}

fn stub_method(method: &Method, scene: &Scene<'_>) -> TokenStream {
    let visibility = &scene.service.item.vis;
    let ident = method.ident();
    let full_name = format!("{}.{}", scene.service.name, method.name);
    let kept = kept(method);
    let about = docs(&method.item.attrs).is_empty().then(|| {
        let about = format!("Calls `{full_name}`.");
        quote!(#[doc = #about])
    });
    if !method.sound {
        return unsound(method, &quote!(#(#kept)* #about #visibility), scene);
    }
    let (returned, call) = returned(method, scene);
    let parameters = method.parameters.iter().filter_map(|parameter| match parameter {
        Parameter::Context => None,
        Parameter::Stream(taken) => Some(streams::parameter(taken, scene)),
        Parameter::Argument(argument) => {
            let Argument { ident, ty, .. } = &**argument;
            Some(quote!(#ident: #ty))
        }
    });
    let constant = description::name_of(method);
    let description = &scene.description;
    let request = local("request");
    let encoding = method.arguments().map(|argument| encode(argument, scene));
    let upload = method.takes().map(|taken| streams::upload(taken, scene));
    let is_changed = method.takes().is_some() || method.arguments().next().is_some();
    let mutable = is_changed.then(|| quote!(mut));
    quote! {
        #(#kept)*
        #about
        #visibility fn #ident(&self, #(#parameters),*) -> #returned {
            let #mutable #request = self.channel.prepare(#full_name, &#description::#constant);
            #(#encoding)*
            #upload
            #request.#call()
        }
    }
}

/// The type of the call, and how it is made of what was prepared.
fn returned(method: &Method, scene: &Scene<'_>) -> (TokenStream, TokenStream) {
    let result = &method.result;
    match (&method.streams, &method.error) {
        (Some(streams), error) if method.is_async() => {
            let call = scene.facade(quote!(StreamCall));
            let error = match (error, &streams.error) {
                (Some(error), _) => Some(error.to_token_stream()),
                (None, Some(_)) => Some(scene.facade(quote!(Error))),
                (None, None) => None,
            };
            let errors = error.into_iter().chain(streams.error.as_ref().map(Type::to_token_stream));
            (quote!(#call<#result #(, #errors)*>), quote!(stream_call))
        }
        (Some(streams), _) => {
            let streaming = scene.facade(quote!(Streaming));
            let error = streams.error.iter();
            (quote!(#streaming<#result #(, #error)*>), quote!(streaming))
        }
        (None, error) => {
            let call = scene.facade(quote!(Call));
            let error = error.iter();
            (quote!(#call<#result #(, #error)*>), quote!(call))
        }
    }
}

fn encode(argument: &Argument, scene: &Scene<'_>) -> TokenStream {
    let (request, encoded) = (local("request"), local("encoded"));
    let Argument { ident, name, form, .. } = argument;
    let call = match form {
        Form::Str => return quote!(#request.encoder().str(#ident);),
        Form::Bytes => return quote!(#request.encoder().bin(#ident);),
        Form::Owned(ty) => {
            let value = scene.value(ty);
            quote!(#value::encode(&#ident, #request.encoder()))
        }
        Form::Borrowed(ty) => {
            let value = scene.value(ty);
            quote!(#value::encode(#ident, #request.encoder()))
        }
        Form::Slice(ty) => {
            let value = scene.value(ty);
            quote!(#value::encode_slice(#ident, #request.encoder()))
        }
    };
    quote! {
        let #encoded = #call;
        #request.encoded(#name, #encoded);
    }
}

/// A method that has an error elsewhere: callable with anything, so that its callers have none.
fn unsound(method: &Method, head: &TokenStream, scene: &Scene<'_>) -> TokenStream {
    let ident = method.ident();
    let call = scene.facade(quote!(Call));
    let anything: Vec<_> = (0..method.arity).map(|index| format_ident!("__T{index}")).collect();
    quote! {
        #head fn #ident<#(#anything,)*>(&self, #(_: #anything),*) -> #call<()> {
            ::core::unimplemented!()
        }
    }
}

/// The user's attributes that the stub's method has too: documentation, conditions, `deprecated`.
fn kept(method: &Method) -> Vec<&Attribute> {
    let kept = |attribute: &&Attribute| {
        let path = attribute.path();
        path.is_ident("doc")
            || path.is_ident("deprecated")
            || is_condition(attribute)
            || (path.is_ident("cfg_attr")
                && (mentions(attribute, "doc") || mentions(attribute, "deprecated")))
    };
    method.item.attrs.iter().filter(kept).collect()
}

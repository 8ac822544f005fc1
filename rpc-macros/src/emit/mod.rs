//! From a [`Service`] to the code that it stands for.
//!
//! Everything is named by a full path, so that no type of the user's is taken for one of `core`'s; local variables
//! have the macro's own hygiene, so that no parameter's name is in their way; and a user's type is touched through
//! `<T as Value>::…` alone, with the type's own span, so that a type that cannot cross the network is one error there.

mod description;
mod dispatcher;
mod handler;
mod service_trait;
mod streams;
mod stub;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::{
    Attribute, GenericParam, Ident, Type, TypeParamBound, WherePredicate, ext::IdentExt,
    parse_quote_spanned,
};

use crate::{ast::Service, options, parse, text::mentions};

/// The trait, the stub and the dispatcher.
pub(crate) fn service(service: &Service) -> TokenStream {
    let scene = Scene::new(service);
    let description = description::emit(&scene);
    let service_trait = service_trait::emit(&scene);
    let stub = stub::emit(&scene);
    let dispatcher = dispatcher::emit(&scene);
    quote! {
        #service_trait
        #stub
        #dispatcher
        #description
    }
}

/// A service and the names of what is made of it.
struct Scene<'a> {
    service: &'a Service,
    client: Ident,
    dispatcher: Ident,
    /// The hidden type whose constants are the methods' descriptions.
    description: Ident,
    /// The type parameter that stands for the user's implementation.
    handler: Ident,
}

impl<'a> Scene<'a> {
    fn new(service: &'a Service) -> Self {
        let ident = &service.item.ident;
        Self {
            client: parse::client(ident),
            dispatcher: format_ident!("{}Dispatcher", ident.unraw(), span = ident.span()),
            description: format_ident!("__{}Description", ident.unraw()),
            handler: unused("S", service),
            service,
        }
    }

    /// A path in the facade, under the name that the user's crate has for it.
    fn facade(&self, path: TokenStream) -> TokenStream {
        options::in_facade(&self.service.facade, &path)
    }

    /// A path in the facade's hidden module.
    fn private(&self, path: TokenStream) -> TokenStream {
        self.facade(quote!(__private::#path))
    }

    /// `<T as Value>`, for a call on it.
    fn value(&self, ty: &Type) -> TokenStream {
        let value = self.facade(quote!(Value));
        quote!(<#ty as #value>)
    }

    /// `Calc<K, V>`.
    fn applied_trait(&self) -> TokenStream {
        let (_, generics, _) = self.service.item.generics.split_for_impl();
        let ident = &self.service.item.ident;
        quote!(#ident #generics)
    }

    /// The trait's parameters as a definition has them: with defaults, without bounds.
    fn definition_parameters(&self) -> TokenStream {
        self.parameters(true, false)
    }

    /// The trait's parameters as an `impl` has them: without defaults, with bounds.
    fn impl_parameters(&self) -> TokenStream {
        self.parameters(false, true)
    }

    /// The trait's parameters alone.
    fn unbounded_parameters(&self) -> TokenStream {
        self.parameters(false, false)
    }

    fn parameters(&self, with_defaults: bool, with_bounds: bool) -> TokenStream {
        let mut parameters = self.service.item.generics.params.clone();
        for parameter in &mut parameters {
            match parameter {
                GenericParam::Type(parameter) => {
                    if !with_defaults {
                        parameter.default = None;
                    }
                    if with_bounds {
                        // Where the compiler proposes another bound, it does so behind the last.
                        let written = quote!(#parameter).into_iter().last();
                        let span = written.map_or(parameter.ident.span(), |token| token.span());
                        parameter.bounds.extend(anywhere(span));
                    } else {
                        parameter.colon_token = None;
                        parameter.bounds.clear();
                    }
                }
                GenericParam::Const(parameter) if !with_defaults => parameter.default = None,
                GenericParam::Const(_) | GenericParam::Lifetime(_) => {}
            }
        }
        quote!(#parameters)
    }

    /// The trait's parameters as arguments, each with a comma behind it.
    fn arguments(&self) -> TokenStream {
        self.service
            .item
            .generics
            .params
            .iter()
            .map(|parameter| match parameter {
                GenericParam::Type(parameter) => parameter.ident.to_token_stream(),
                GenericParam::Const(parameter) => parameter.ident.to_token_stream(),
                GenericParam::Lifetime(parameter) => parameter.lifetime.to_token_stream(),
            })
            .map(|argument| quote!(#argument,))
            .collect()
    }

    /// The trait's own conditions, without those on `Self`, which hold for the implementation alone.
    fn predicates(&self) -> Vec<&WherePredicate> {
        let clause = &self.service.item.generics.where_clause;
        clause
            .iter()
            .flat_map(|clause| &clause.predicates)
            .filter(|predicate| !mentions(predicate.to_token_stream(), "Self"))
            .collect()
    }

    /// The field that holds the type parameters, its type and its value; nothing where there are none.
    fn marker(&self) -> Option<(TokenStream, TokenStream)> {
        let types: Vec<TokenStream> = self
            .service
            .item
            .generics
            .params
            .iter()
            .filter_map(|parameter| match parameter {
                GenericParam::Type(parameter) => Some(parameter.ident.to_token_stream()),
                // An error, which nothing is to follow.
                GenericParam::Lifetime(parameter) => {
                    let lifetime = &parameter.lifetime;
                    Some(quote!(&#lifetime ()))
                }
                GenericParam::Const(_) => None,
            })
            .collect();
        (!types.is_empty()).then(|| {
            (
                quote!(marker: ::core::marker::PhantomData<fn() -> (#(#types,)*)>,),
                quote!(marker: ::core::marker::PhantomData,),
            )
        })
    }
}

/// What a type parameter must be beside what the trait says: its values are held by tasks.
fn anywhere(span: Span) -> [TypeParamBound; 3] {
    [
        parse_quote_spanned!(span=> ::core::marker::Send),
        parse_quote_spanned!(span=> ::core::marker::Sync),
        parse_quote_spanned!(span=> 'static),
    ]
}

/// A name that does not occur in the trait.
fn unused(name: &str, service: &Service) -> Ident {
    let mut tokens = service.item.to_token_stream();
    tokens.extend(service.methods.iter().map(|method| method.item.to_token_stream()));
    let name = if mentions(tokens, name) { format!("__{name}") } else { name.to_owned() };
    Ident::new(&name, Span::call_site())
}

/// A local variable that no name of the user's can meet.
fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// What generated code need not answer for: lints about how code is written, which its author did not write.
fn lenient() -> TokenStream {
    quote! {
        #[allow(
            dead_code,
            deprecated,
            non_snake_case,
            unused_qualifications,
            clippy::all,
            clippy::pedantic
        )]
    }
}

/// The documentation of an item.
fn docs(attributes: &[Attribute]) -> Vec<&Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("doc")).collect()
}

//! The hidden function that runs one method: decodes its arguments, calls it, encodes its result.
//!
//! Each method has its own, so that a slot of a session is as large as its own method's future. The arguments are
//! decoded in a block of their own, so that their reader is gone before the first `await` and takes no room in
//! that future.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Ident, Type, ext::IdentExt, parse_quote_spanned, spanned::Spanned};

use super::{Scene, local, streams};
use crate::{
    ast::{Argument, Form, Method, Parameter, Run},
    options::Substitute,
    parse::is_unit,
};

/// The name of the hidden function that runs a method.
pub(super) fn name_of(method: &Method) -> Ident {
    format_ident!("__run_{}", method.ident().unraw())
}

pub(super) fn emit(method: &Method, scene: &Scene<'_>) -> TokenStream {
    let conditions = method.conditions();
    let function = name_of(method);
    let (handler, applied) = (&scene.handler, scene.applied_trait());
    let [request_type, answer] = ["Request", "Answer"]
        .map(|name| format_ident!("{name}"))
        .map(|name| scene.private(quote!(#name)));
    let (service, request) = (local("service"), local("request"));
    let ident = method.ident();
    let asynchronous = (method.run != Run::Blocking).then(|| quote!(async));
    let awaited = method.is_async().then(|| quote!(.await));
    let taking = method.takes().map(|taken| streams::taking(taken, scene));
    let mutable = taking.is_some().then(|| quote!(mut));
    let decoding = decoding(method, scene);
    let passed = method.parameters.iter().map(|parameter| match parameter {
        Parameter::Context => quote!(#request.context()),
        Parameter::Stream(taken) => streams::variable(taken).to_token_stream(),
        Parameter::Argument(argument) => {
            let variable = variable(argument);
            match argument.form {
                Form::Owned(_) | Form::Str | Form::Bytes => quote!(#variable),
                Form::Borrowed(_) | Form::Slice(_) => quote!(&#variable),
            }
        }
    });
    let call = quote!(<#handler as #applied>::#ident(#service, #(#passed),*) #awaited);
    let ending = ending(method, &call, scene);
    quote! {
        #(#conditions)*
        #asynchronous fn #function(#service: &#handler, #mutable #request: #request_type) -> #answer {
            #taking
            #decoding
            #ending
        }
    }
}

/// Calls the method and makes its result the answer.
fn ending(method: &Method, call: &TokenStream, scene: &Scene<'_>) -> TokenStream {
    if let Some(streamed) = &method.streams {
        return streams::ending(method, streamed, call, scene);
    }
    let (request, result) = (local("request"), local("result"));
    let Some(error) = &method.error else {
        let answer = answer(&method.result, &result, scene);
        return if is_unit(&method.result) {
            quote!(#call; #answer)
        } else {
            quote!(let #result = #call; #answer)
        };
    };
    let (value, failure) = (local("value"), local("failure"));
    let answer = answer(&method.result, &value, scene);
    let success = if is_unit(&method.result) { quote!(()) } else { quote!(#value) };
    let failure_trait = scene.facade(quote!(Failure));
    quote! {
        let #result = #call;
        match #result {
            ::core::result::Result::Ok(#success) => #answer,
            ::core::result::Result::Err(#failure) => {
                let #failure = <#error as #failure_trait>::into_error(#failure, #request.structs());
                #request.fail(#failure)
            }
        }
    }
}

/// Makes the result in a variable the answer.
fn answer(ty: &Type, result: &Ident, scene: &Scene<'_>) -> TokenStream {
    let (request, encoder) = (local("request"), local("encoder"));
    if is_unit(ty) {
        return quote!(#request.done());
    }
    let value = scene.value(ty);
    quote!(#request.answer_with(|#encoder| #value::encode(&#result, #encoder)))
}

/// The variable that holds an argument.
fn variable(argument: &Argument) -> Ident {
    local(&format!("argument_{}", argument.name))
}

fn decoding(method: &Method, scene: &Scene<'_>) -> Option<TokenStream> {
    let variables: Vec<Ident> = method.arguments().map(variable).collect();
    if variables.is_empty() {
        return None;
    }
    let (request, arguments) = (local("request"), local("arguments"));
    let (value, failure) = (local("value"), local("failure"));
    let decoded = method.arguments().map(|argument| {
        let variable = variable(argument);
        let decoded = decode(argument, scene);
        quote! {
            #variable = match #decoded {
                ::core::result::Result::Ok(#value) => #value,
                ::core::result::Result::Err(#failure) => return #request.refuse(#failure),
            };
        }
    });
    Some(quote! {
        #(let #variables;)*
        {
            let mut #arguments = #request.arguments();
            #(#decoded)*
        }
    })
}

/// An expression of type `Result<T, Error>`.
fn decode(argument: &Argument, scene: &Scene<'_>) -> TokenStream {
    let (arguments, encoded) = (local("arguments"), local("encoded"));
    let name = &argument.name;
    let taken = quote!(#arguments.take(#name));
    let default = argument.default.as_ref().map(|(_, substitute)| substitute);
    match (&argument.form, default) {
        (Form::Str, None) => quote!(#taken.str()),
        (Form::Bytes, None) => quote!(#taken.bin()),
        (Form::Owned(ty) | Form::Borrowed(ty), None) => {
            let value = scene.value(ty);
            quote!(#value::decode(#taken))
        }
        (Form::Slice(ty), None) => {
            let value = scene.value(ty);
            quote!(#value::decode_vec(#taken))
        }
        (Form::Owned(ty) | Form::Borrowed(ty), Some(substitute)) => {
            let value = scene.value(ty);
            let default = match substitute {
                Substitute::Default => {
                    quote_spanned!(ty.span()=> || <#ty as ::core::default::Default>::default())
                }
                Substitute::Expression(expression) => quote!(|| -> #ty { #expression }),
            };
            quote!(#value::decode_or_else(#taken, #default))
        }
        (Form::Str, Some(substitute)) => {
            let default = otherwise(substitute, &argument.ty, &quote!(""));
            or_else(&taken, &default, &quote!(#encoded.str()))
        }
        (Form::Bytes, Some(substitute)) => {
            let default = otherwise(substitute, &argument.ty, &quote!(&[]));
            or_else(&taken, &default, &quote!(#encoded.bin()))
        }
        (Form::Slice(ty), Some(substitute)) => {
            let list = parse_quote_spanned!(ty.span()=> ::std::vec::Vec<#ty>);
            let default = otherwise(substitute, &list, &quote!(::std::vec::Vec::new()));
            let value = scene.value(ty);
            or_else(&taken, &default, &quote!(#value::decode_vec(#encoded)))
        }
    }
}

/// What stands in for an argument, with the type that it must have.
fn otherwise(substitute: &Substitute, ty: &Type, default: &TokenStream) -> TokenStream {
    let expression = match substitute {
        Substitute::Default => default.clone(),
        Substitute::Expression(expression) => quote!(#expression),
    };
    let value = local("value");
    quote!({
        let #value: #ty = #expression;
        #value
    })
}

fn or_else(taken: &TokenStream, default: &TokenStream, decoded: &TokenStream) -> TokenStream {
    let encoded = local("encoded");
    quote!({
        let #encoded = #taken;
        if #encoded.is_missing() {
            ::core::result::Result::Ok(#default)
        } else {
            #decoded
        }
    })
}

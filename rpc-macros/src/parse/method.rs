//! One method of the trait: its signature, its options, its parameters.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{
    Attribute, FnArg, GenericParam, Ident, Pat, PatType, Receiver, ReceiverKind, Safety, Signature,
    TraitItemFn, Type, ext::IdentExt,
};

use super::types;
use crate::{
    ast::{Argument, Method, Parameter, Run, mentions},
    errors::Errors,
    options::{self, MethodOptions, ParameterOptions},
};

/// What a stub has itself, so that no method can be called like it.
const OF_THE_STUB: [&str; 5] = ["new", "connect", "local", "channel", "clone"];

/// Reads a method; `client` is the name of the stub.
pub(crate) fn method(
    mut item: TraitItemFn,
    client: &Ident,
    spawn: bool,
    errors: &Errors,
) -> Method {
    let before = errors.count();
    let options = MethodOptions::read(&item.attrs, errors);
    item.attrs.retain(|attribute| {
        let hidden = attribute.path().is_ident("cfg_attr") && mentions(attribute, "rpc");
        if hidden {
            errors.on(
                attribute,
                "`rpc` options cannot depend on `cfg_attr`: write the method twice, each under its own `#[cfg]`",
            );
        }
        !hidden && !options::is_ours(attribute)
    });
    let name = name(&item.sig.ident, &options, client, errors);
    qualifiers(&item.sig, &options, errors);
    generics(&item.sig, errors);
    receiver(&item.sig, errors);
    let (parameters, arity) = parameters(&mut item, errors);
    let (result, error) = types::returned(&item.sig.output, errors);
    if options.oneway.is_some() && (error.is_some() || !types::is_unit(&result)) {
        errors.on(
            &item.sig.output,
            "nothing comes back from a one-way call: return nothing, or drop `oneway`",
        );
    }
    if let (Some(_), Some(span)) = (options.blocking, options.spawn) {
        errors.at(
            span,
            "a blocking method runs on threads of its own already: drop `spawn`",
        );
    }
    let run = match (options.blocking, spawn || options.spawn.is_some()) {
        (Some(_), _) => Run::Blocking,
        (None, true) => Run::Spawn,
        (None, false) => Run::Inline,
    };
    Method {
        sound: errors.count() == before,
        hides: is_of_the_stub(&item.sig.ident),
        item,
        name,
        oneway: options.oneway.is_some(),
        idempotent: options.idempotent.is_some(),
        run,
        parameters,
        arity,
        result,
        error,
    }
}

fn is_of_the_stub(ident: &Ident) -> bool {
    OF_THE_STUB.iter().any(|name| ident == name)
}

fn name(ident: &Ident, options: &MethodOptions, client: &Ident, errors: &Errors) -> String {
    let rust = ident.unraw().to_string();
    if is_of_the_stub(ident) {
        errors.on(
            ident,
            format!(
                "`{client}` has a `{rust}` of its own: give the method another name, and `#[rpc(name = \"{rust}\")]` if it is to be called so on the wire"
            ),
        );
    }
    let Some(literal) = &options.name else {
        return rust;
    };
    let name = literal.value();
    if name.is_empty() {
        errors.on(literal, "a method's name cannot be empty");
    } else if name.contains('.') {
        errors.on(
            literal,
            "a method's name cannot contain `.`, which ends the service's name",
        );
    }
    name
}

fn qualifiers(signature: &Signature, options: &MethodOptions, errors: &Errors) {
    if let Some(token) = &signature.constness {
        errors.on(token, "a remote method cannot be `const`: write `async fn`");
    }
    if let Safety::Unsafe(token) = &signature.safety {
        errors.on(
            token,
            "a caller on another machine cannot keep the promise that `unsafe` asks for: drop it",
        );
    }
    if let Some(abi) = &signature.abi {
        errors.on(abi, "a remote method has no ABI: drop `extern`");
    }
    if let Some(variadic) = &signature.variadic {
        errors.on(variadic, "a remote method has a fixed list of parameters");
    }
    match (&signature.asyncness, options.blocking) {
        (Some(token), Some(_)) => {
            errors.on(
                token,
                "a blocking method is a plain `fn`: drop `async`, or drop `blocking`",
            );
        }
        (None, None) if !types::is_impl_return(&signature.output) => errors.on(
            signature.fn_token,
            "a remote method is `async fn`; one that blocks its thread is `#[rpc(blocking)] fn`",
        ),
        _ => {}
    }
}

fn generics(signature: &Signature, errors: &Errors) {
    for parameter in &signature.generics.params {
        match parameter {
            GenericParam::Lifetime(lifetime) => errors.on(
                lifetime,
                "a remote method has no lifetimes: arguments are borrowed as `&T`, results are owned",
            ),
            GenericParam::Type(_) | GenericParam::Const(_) => errors.on(
                parameter,
                "a remote method cannot be generic, the server would not know for which type it was called: make the trait generic, or name the type",
            ),
        }
    }
    if let (true, Some(clause)) = (
        signature.generics.params.is_empty(),
        &signature.generics.where_clause,
    ) {
        errors.on(
            clause,
            "a remote method has no `where`: move the bounds to the trait",
        );
    }
}

fn receiver(signature: &Signature, errors: &Errors) {
    let Some(FnArg::Receiver(receiver)) = signature.inputs.first() else {
        errors.on(
            &signature.ident,
            format!(
                "a remote method is called on a server: write `fn {}(&self, …)`",
                signature.ident
            ),
        );
        return;
    };
    let Receiver {
        mutability,
        self_token,
        kind,
        ..
    } = receiver;
    match kind {
        // A named lifetime is declared somewhere, and reported there.
        ReceiverKind::Reference(_, Some(lifetime), None)
            if lifetime.ident != "static" && lifetime.ident != "_" => {}
        ReceiverKind::Reference(_, None, None) => {}
        ReceiverKind::Reference(_, _, Some(token)) => errors.on(
            token,
            "calls run at the same time, so they share the server: write `&self`, and keep what changes in a `Mutex` or an atomic",
        ),
        ReceiverKind::Reference(_, Some(lifetime), None) => {
            errors.on(lifetime, "a remote method has no lifetimes: write `&self`");
        }
        ReceiverKind::Value => {
            let message = "a call cannot use up the server: write `&self`";
            match mutability {
                Some(token) => errors.at(token.span, message),
                None => errors.at(self_token.span, message),
            }
        }
        ReceiverKind::Typed(_, ty) => {
            errors.on(ty, "a call borrows the server: write `&self`");
        }
        // A form of `self` that is newer than this macro.
        _ => errors.on(receiver, "a call borrows the server: write `&self`"),
    }
}

/// Reads the parameters behind `&self`; gives those that are good, and how many the stub has.
///
/// A parameter that is no plain name gets `_` in its place where the method has no body, so that the compiler has
/// nothing to add.
fn parameters(item: &mut TraitItemFn, errors: &Errors) -> (Vec<Parameter>, usize) {
    let bodiless = item.default.is_none();
    let mut parameters: Vec<Parameter> = Vec::new();
    let mut arity = 0;
    let mut has_context = false;
    for input in &mut item.sig.inputs {
        let FnArg::Typed(typed) = input else { continue };
        let options = ParameterOptions::read(&typed.attrs, errors);
        typed.attrs.retain(|attribute| !options::is_ours(attribute));
        conditions(&typed.attrs, errors);
        if options.context.is_some() || types::is_context(&typed.ty) {
            context(typed, &options, has_context, errors);
            has_context = true;
            parameters.push(Parameter::Context);
            continue;
        }
        arity += 1;
        match plain(&typed.pat, &parameters) {
            Ok(ident) => parameters.push(Parameter::Argument(Box::new(Argument {
                name: ident.unraw().to_string(),
                ident: ident.clone(),
                form: types::form(&typed.ty, errors),
                ty: (*typed.ty).clone(),
                default: options.default,
            }))),
            Err((tokens, message)) => {
                errors.on(tokens, message);
                types::form(&typed.ty, errors);
                if bodiless {
                    *typed.pat = syn::parse_quote!(_);
                }
            }
        }
    }
    trailing(&parameters, errors);
    (parameters, arity)
}

fn conditions(attributes: &[Attribute], errors: &Errors) {
    for attribute in attributes {
        if attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr") {
            errors.on(
                attribute,
                "both ends must agree on the parameters: write the method twice, each under its own `#[cfg]`",
            );
        }
    }
}

fn context(typed: &PatType, options: &ParameterOptions, second: bool, errors: &Errors) {
    let lent = match types::bare(&typed.ty) {
        Type::Reference(reference) => {
            let nested = matches!(types::bare(&reference.elem), Type::Reference(_));
            reference.lifetime.is_none() && reference.mutability.is_none() && !nested
        }
        _ => false,
    };
    if second {
        errors.on(typed, "a call has one context: drop this parameter");
    } else if !lent {
        errors.on(
            &typed.ty,
            "the context is lent to the call: write `&Context`",
        );
    }
    if let Some((span, _)) = &options.default {
        errors.at(*span, "the context is always there: drop `default`");
    }
}

/// The name of a parameter that is nothing but a name, or what is wrong, and where.
fn plain<'a>(pattern: &'a Pat, earlier: &[Parameter]) -> Result<&'a Ident, (TokenStream, String)> {
    match pattern {
        Pat::Ident(found) if found.by_ref.is_none() && found.subpat.is_none() => {
            if let Some(token) = &found.mutability {
                let message = "`mut` is no part of an interface: write it in the implementation";
                return Err((token.to_token_stream(), message.to_owned()));
            }
            let name = found.ident.unraw();
            let is_twin = |other: &Parameter| matches!(other, Parameter::Argument(other) if name == *other.name);
            if earlier.iter().any(is_twin) {
                let message = format!("two parameters are called `{name}`");
                return Err((found.to_token_stream(), message));
            }
            Ok(&found.ident)
        }
        Pat::Wild(_) => Err((
            pattern.to_token_stream(),
            "a parameter needs a name: it is the argument's name on the wire".to_owned(),
        )),
        _ => Err((
            pattern.to_token_stream(),
            "a parameter is a name: take the value apart in the implementation".to_owned(),
        )),
    }
}

/// A caller can only leave out what nothing follows.
fn trailing(parameters: &[Parameter], errors: &Errors) {
    let mut required: Option<&Argument> = None;
    for parameter in parameters.iter().rev() {
        let Parameter::Argument(argument) = parameter else {
            continue;
        };
        match (&argument.default, required) {
            (None, _) => required = Some(argument),
            (Some((span, _)), Some(behind)) => errors.at(
                *span,
                format!(
                    "only trailing arguments can be left out: move `{}` behind `{}`, or give `{}` a default too",
                    argument.name, behind.name, behind.name
                ),
            ),
            (Some(_), None) => {}
        }
    }
}

//! One method of the trait: its options, and everything of its signature but the parameters.

use syn::{
    FnArg, GenericParam, Ident, Receiver, ReceiverKind, Safety, Signature, TraitItemFn,
    ext::IdentExt,
};

use super::{
    parameters, streams,
    types::{self, Returned},
};
use crate::{
    ast::{Method, Parameter, Run, Streams, mentions},
    errors::Errors,
    options::{self, MethodOptions, ServiceOptions},
};

/// What a stub has itself, so that no method can be called like it.
const OF_THE_STUB: [&str; 6] = ["new", "connect", "local", "channel", "clone", "DESCRIPTION"];

/// Reads a method; `client` is the name of the stub.
pub(crate) fn method(
    mut item: TraitItemFn,
    client: &Ident,
    service: &ServiceOptions,
    errors: &Errors,
) -> Method {
    let before = errors.count();
    let mut options = MethodOptions::read(&item.attrs, errors);
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
    qualifiers(&item.sig, errors);
    generics(&item.sig, errors);
    receiver(&item.sig, errors);
    let (parameters, arity) = parameters::parameters(&mut item, errors);
    let returned = types::returned(&item.sig.output, errors);
    let takes = parameters.iter().any(|parameter| matches!(parameter, Parameter::Stream(_)));
    combinations(&item.sig, &options, &returned, takes, errors);
    let Returned { result, error, streams } = returned;
    let streams = streams
        .map(|streams| Streams { newest: options.drop_oldest.map(|(_, count)| count), ..streams });
    let mut requires = service.requires.clone();
    let of_method = options.requires.take().unwrap_or_default();
    requires.extend(of_method.into_iter().filter(|more| !service.requires.contains(more)));
    let spawn = service.spawn.or(options.spawn);
    let run = match (options.blocking, spawn.is_some()) {
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
        requires,
        parameters,
        arity,
        result,
        error,
        streams,
    }
}

/// Finds options that do not go with each other, or with what the method takes and returns.
fn combinations(
    signature: &Signature,
    options: &MethodOptions,
    returned: &Returned,
    takes: bool,
    errors: &Errors,
) {
    let streams = returned.streams.is_some() || streams::is_shown(&signature.output);
    let nothing = returned.error.is_none() && !streams && types::is_unit(&returned.result);
    match options.oneway {
        Some(_) if !nothing => errors.on(
            &signature.output,
            "nothing comes back from a one-way call: return nothing, or drop `oneway`",
        ),
        Some(span) if takes => errors.at(
            span,
            "a stream is sent as the server asks for it, and nothing comes back from a one-way call: drop `oneway`",
        ),
        _ => {}
    }
    match options.blocking {
        Some(span) if streams || takes => errors.at(
            span,
            "a stream is awaited, and a blocking method cannot await: drop `blocking`, and leave what blocks to `tokio::task::spawn_blocking`",
        ),
        Some(_) => blocking(signature, options, errors),
        None => asynchronous(signature, streams, errors),
    }
    if let (Some(span), true) = (options.idempotent, takes) {
        errors.at(
            span,
            "the items of a stream are not kept, so they cannot be sent again: drop `idempotent`",
        );
    }
    if let (Some((span, _)), false) = (options.drop_oldest, streams) {
        errors.at(
            span,
            "items are dropped from a stream that is returned: write `impl Stream<Item = T>` as the result, or drop `drop_oldest`",
        );
    }
}

fn blocking(signature: &Signature, options: &MethodOptions, errors: &Errors) {
    if let Some(token) = &signature.asyncness {
        errors.on(token, "a blocking method is a plain `fn`: drop `async`, or drop `blocking`");
    }
    if let Some(span) = options.spawn {
        errors.at(span, "a blocking method runs on threads of its own already: drop `spawn`");
    }
}

/// Finds a method that ought to be `async`, unless something else is wrong with what it returns.
fn asynchronous(signature: &Signature, streams: bool, errors: &Errors) {
    let output = &signature.output;
    if signature.asyncness.is_some() || types::is_future_returned(output) {
        return;
    }
    if !streams {
        errors.on(
            signature.fn_token,
            "a remote method is `async fn`, or `fn … -> impl Stream<Item = T>`; one that blocks its thread is `#[rpc(blocking)] fn`",
        );
    } else if streams::is_fallible(output) {
        errors.on(
            signature.fn_token,
            "a method that may fail before it has a stream is awaited: write `async fn`",
        );
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
        errors.on(literal, "a method's name cannot contain `.`, which ends the service's name");
    }
    name
}

fn qualifiers(signature: &Signature, errors: &Errors) {
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
    if let (true, Some(clause)) =
        (signature.generics.params.is_empty(), &signature.generics.where_clause)
    {
        errors.on(clause, "a remote method has no `where`: move the bounds to the trait");
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
    let Receiver { mutability, self_token, kind, .. } = receiver;
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

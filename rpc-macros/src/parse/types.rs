//! Which types a signature may name, as far as tokens show it.
//!
//! Whether a type can be serialized is for the compiler to say. What is found here is what it would answer with a
//! page about lifetimes, or not at all: borrowed data, trait objects, `Option<Option<_>>`.

use syn::{
    GenericArgument, Path, PathArguments, PathSegment, ReturnType, Type, TypeParamBound,
    TypeReference,
};

use crate::{ast::Form, errors::Errors};

const ARGUMENT: &str = "an argument";
const STREAMS: &str = "streams are not supported yet";

/// How a parameter of this type takes its value.
pub(crate) fn form(ty: &Type, errors: &Errors) -> Form {
    let Type::Reference(reference) = bare(ty) else {
        owned(ty, ARGUMENT, errors);
        return Form::Owned(ty.clone());
    };
    references(reference, errors);
    match bare(&reference.elem) {
        Type::Slice(slice) if is_word(&slice.elem, "u8") => Form::Bytes,
        Type::Slice(slice) => {
            owned(&slice.elem, ARGUMENT, errors);
            Form::Slice((*slice.elem).clone())
        }
        elem if is_word(elem, "str") => Form::Str,
        elem => {
            owned(elem, ARGUMENT, errors);
            Form::Borrowed(elem.clone())
        }
    }
}

/// What a parameter's own `&` may not be; a lifetime with a name is reported where it is declared.
fn references(reference: &TypeReference, errors: &Errors) {
    if let Some(lifetime) = reference
        .lifetime
        .as_ref()
        .filter(|lifetime| lifetime.ident == "static" || lifetime.ident == "_")
    {
        errors.on(
            lifetime,
            format!("an argument lives as long as its call: write `&` without `{lifetime}`"),
        );
    }
    if let Some(token) = &reference.mutability {
        errors.on(
            token,
            "what the server writes here would not come back: take `&T` or `T`, and return the new value",
        );
    }
}

/// The types of the result and of the error that a method returns.
pub(crate) fn returned(output: &ReturnType, errors: &Errors) -> (Type, Option<Type>) {
    let ReturnType::Type(_, ty) = output else {
        return (syn::parse_quote!(()), None);
    };
    let Some(segment) = last_segment(ty).filter(|segment| segment.ident == "Result") else {
        owned(ty, "a result", errors);
        return ((**ty).clone(), None);
    };
    let arguments: Vec<&Type> = type_arguments(segment).collect();
    let [result, error] = arguments[..] else {
        errors.on(
            ty,
            "write both types of the `Result`: the caller must know what the error is, as in `Result<T, MyError>` or `Result<T, rpc::Error>`",
        );
        return ((**ty).clone(), None);
    };
    owned(result, "a result", errors);
    owned(error, "an error", errors);
    (result.clone(), Some(error.clone()))
}

/// Finds what a value cannot be; `role` is what the value is here.
///
/// Behind another type's `<…>` some of it is fine: `Box<[T]>`, `Arc<str>`, `PhantomData<fn() -> T>`.
fn owned(ty: &Type, role: &str, errors: &Errors) {
    match bare(ty) {
        Type::TraitObject(object) => errors.on(
            object,
            format!("both ends must know which type {role} is: name it in place of `dyn`"),
        ),
        Type::FnPtr(_) | Type::Ptr(_) => {
            errors.on(ty, "an address means nothing on the other end: send a value");
        }
        Type::Slice(slice) => {
            let elem = crate::text::of_type(&slice.elem);
            errors.on(ty, format!("a slice has no size: write `Vec<{elem}>`"));
        }
        ty if is_word(ty, "str") => {
            errors.on(ty, "`str` has no size: write `&str` for an argument, `String` elsewhere");
        }
        Type::Never(_) => errors.on(ty, "a call must end: return a value"),
        ty => inside(ty, role, errors),
    }
}

/// Finds what cannot be anywhere in a value.
fn inside(ty: &Type, role: &str, errors: &Errors) {
    match ty {
        Type::Reference(reference) if role == ARGUMENT => errors.on(
            reference,
            "only a whole argument can be borrowed (`&str`, `&[u8]`, `&[T]`, `&T`): own the data in here, as in `Vec<String>`",
        ),
        Type::Reference(reference) => errors.on(
            reference,
            format!("{role} must own its data: write `String` for `&str`, `Vec<T>` for `&[T]`"),
        ),
        Type::ImplTrait(it) if it.bounds.iter().any(is_stream) => errors.on(it, STREAMS),
        Type::ImplTrait(it) if it.bounds.iter().any(is_future) => {
            errors.on(it, "write `async fn` and return what the future gives");
        }
        Type::ImplTrait(it) => errors.on(
            it,
            format!("both ends must know which type {role} is: name it in place of `impl`"),
        ),
        Type::Infer(_) => errors.on(ty, "write the type: it is part of the interface"),
        Type::Array(array) => inside(&array.elem, role, errors),
        Type::Slice(slice) => inside(&slice.elem, role, errors),
        Type::Group(group) => inside(&group.elem, role, errors),
        Type::Paren(paren) => inside(&paren.elem, role, errors),
        Type::Tuple(tuple) => tuple.elems.iter().for_each(|elem| inside(elem, role, errors)),
        Type::Path(path) => inside_path(ty, &path.path, role, errors),
        // A macro's type is not known yet, and what `syn` does not know the compiler does.
        _ => {}
    }
}

fn inside_path(ty: &Type, path: &Path, role: &str, errors: &Errors) {
    if path.segments.first().is_some_and(|segment| segment.ident == "Self") {
        errors.on(ty, "`Self` is the server's type, which the client does not have: name the type");
        return;
    }
    let Some(last) = path.segments.last() else {
        return;
    };
    if last.ident == "Streaming" {
        errors.on(ty, STREAMS);
        return;
    }
    if last.ident == "Option" && !option(ty, last, errors) {
        return;
    }
    for segment in &path.segments {
        let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
            continue;
        };
        for argument in &arguments.args {
            match argument {
                GenericArgument::Type(ty) => inside(ty, role, errors),
                GenericArgument::Lifetime(lifetime) if lifetime.ident == "_" => errors.on(
                    lifetime,
                    format!(
                        "{role} must own its data: use a type without a lifetime, or `'static`"
                    ),
                ),
                _ => {}
            }
        }
    }
}

/// Whether an `Option` tells its `None` from everything else that may be in it.
fn option(ty: &Type, segment: &PathSegment, errors: &Errors) -> bool {
    let Some(inner) = type_arguments(segment).next() else {
        return true;
    };
    let twin = match bare(inner) {
        Type::Tuple(tuple) if tuple.elems.is_empty() => "Some(())",
        inner if last_segment(inner).is_some_and(|segment| segment.ident == "Option") => {
            "Some(None)"
        }
        _ => return true,
    };
    let instead =
        if twin == "Some(())" { "`bool`" } else { "one `Option`, or an enum of your own" };
    errors.on(ty, format!("`{twin}` would arrive as `None`: use {instead}"));
    false
}

/// Whether a parameter of this type is the context: `&Context` by its last path segment.
pub(crate) fn is_context(ty: &Type) -> bool {
    match bare(ty) {
        Type::Reference(reference) => is_context(&reference.elem),
        ty => last_segment(ty).is_some_and(|segment| {
            segment.ident == "Context" && matches!(segment.arguments, PathArguments::None)
        }),
    }
}

/// Whether a method's return type says itself what is wrong with the method when it is not `async`.
pub(crate) fn is_impl_return(output: &ReturnType) -> bool {
    matches!(output, ReturnType::Type(_, ty) if matches!(bare(ty), Type::ImplTrait(it)
        if it.bounds.iter().any(|bound| is_stream(bound) || is_future(bound))))
}

/// Whether a type is `()`.
pub(crate) fn is_unit(ty: &Type) -> bool {
    matches!(bare(ty), Type::Tuple(tuple) if tuple.elems.is_empty())
}

/// A type without the parentheses around it, written or not.
pub(crate) fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        ty => ty,
    }
}

fn is_stream(bound: &TypeParamBound) -> bool {
    is_bound(bound, "Stream")
}

fn is_future(bound: &TypeParamBound) -> bool {
    is_bound(bound, "Future")
}

fn is_bound(bound: &TypeParamBound, name: &str) -> bool {
    match bound {
        TypeParamBound::Trait(bound) => {
            bound.path.segments.last().is_some_and(|segment| segment.ident == name)
        }
        _ => false,
    }
}

fn is_word(ty: &Type, word: &str) -> bool {
    matches!(bare(ty), Type::Path(path) if path.qself.is_none() && path.path.is_ident(word))
}

fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match bare(ty) {
        Type::Path(path) if path.qself.is_none() => path.path.segments.last(),
        _ => None,
    }
}

fn type_arguments(segment: &PathSegment) -> impl Iterator<Item = &Type> {
    let arguments = match &segment.arguments {
        PathArguments::AngleBracketed(arguments) => Some(&arguments.args),
        _ => None,
    };
    arguments.into_iter().flatten().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

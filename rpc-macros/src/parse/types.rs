//! Which types a signature may name, as far as tokens show it.
//!
//! Whether a type can be serialized is for the compiler to say. What is found here is what it would answer with a
//! page about lifetimes, or not at all: borrowed data, trait objects, `Option<Option<_>>`.

use std::fmt::{self, Display};

use syn::{
    GenericArgument, Path, PathArguments, PathSegment, ReturnType, Type, TypeParamBound,
    TypeReference,
};

use super::streams;
use crate::{
    ast::{Form, Streams},
    errors::Errors,
};

/// What a value is for its method.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Argument,
    Result,
    /// Of a stream, in either direction.
    Item,
    Error,
}

impl Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Argument => "an argument",
            Self::Result => "a result",
            Self::Item => "an item",
            Self::Error => "an error",
        })
    }
}

/// How a parameter of this type takes its value.
pub(super) fn form(ty: &Type, errors: &Errors) -> Form {
    let Type::Reference(reference) = bare(ty) else {
        owned(ty, Role::Argument, errors);
        return Form::Owned(ty.clone());
    };
    if let Some(found) = streams::found(&reference.elem) {
        errors.on(ty, found.as_part(Role::Argument));
        return Form::Owned(ty.clone());
    }
    references(reference, errors);
    match bare(&reference.elem) {
        Type::Slice(slice) if is_word(&slice.elem, "u8") => Form::Bytes,
        Type::Slice(slice) => {
            owned(&slice.elem, Role::Argument, errors);
            Form::Slice((*slice.elem).clone())
        }
        elem if is_word(elem, "str") => Form::Str,
        elem => {
            owned(elem, Role::Argument, errors);
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

/// What a method returns.
pub(super) struct Returned {
    /// The type of the result, or of its items.
    pub(super) result: Type,
    pub(super) error: Option<Type>,
    pub(super) streams: Option<Streams>,
}

/// The types of the result and of the error that a method returns.
pub(super) fn returned(output: &ReturnType, errors: &Errors) -> Returned {
    let ReturnType::Type(_, ty) = output else {
        return Returned { result: syn::parse_quote!(()), error: None, streams: None };
    };
    let Some((result, error)) = parts(ty, errors) else {
        return Returned { result: (**ty).clone(), error: None, streams: None };
    };
    let (result, streams) = match streams::result(result, errors) {
        Some((item, streams)) => (item, Some(streams)),
        None => {
            owned(result, Role::Result, errors);
            (result.clone(), None)
        }
    };
    if let Some(error) = error {
        owned(error, Role::Error, errors);
    }
    Returned { result, error: error.cloned(), streams }
}

/// The type of a value that may be an error in its place, and the type of that error.
pub(super) fn fallible(ty: &Type, role: Role, errors: &Errors) -> (Type, Option<Type>) {
    let Some((value, error)) = parts(ty, errors) else {
        return (ty.clone(), None);
    };
    owned(value, role, errors);
    if let Some(error) = error {
        owned(error, Role::Error, errors);
    }
    (value.clone(), error.cloned())
}

/// The two types of a `Result`, or the whole of what is none; nothing where one of the two is not written.
fn parts<'a>(ty: &'a Type, errors: &Errors) -> Option<(&'a Type, Option<&'a Type>)> {
    let Some(segment) = last_segment(ty).filter(|segment| segment.ident == "Result") else {
        return Some((ty, None));
    };
    let arguments: Vec<&Type> = type_arguments(segment).collect();
    let [value, error] = arguments[..] else {
        errors.on(
            ty,
            "write both types of the `Result`: the caller must know what the error is, as in `Result<T, MyError>` or `Result<T, rpc::Error>`",
        );
        return None;
    };
    Some((value, Some(error)))
}

/// Finds what a value cannot be; `role` is what the value is here.
///
/// Behind another type's `<…>` some of it is fine: `Box<[T]>`, `Arc<str>`, `PhantomData<fn() -> T>`.
pub(super) fn owned(ty: &Type, role: Role, errors: &Errors) {
    if let Some(found) = streams::found(ty) {
        errors.on(ty, found.as_whole(role));
        return;
    }
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
fn inside(ty: &Type, role: Role, errors: &Errors) {
    if let Some(found) = streams::found(ty) {
        errors.on(ty, found.as_part(role));
        return;
    }
    match ty {
        Type::Reference(reference) if role == Role::Argument => errors.on(
            reference,
            "only a whole argument can be borrowed (`&str`, `&[u8]`, `&[T]`, `&T`): own the data in here, as in `Vec<String>`",
        ),
        Type::Reference(reference) => errors.on(
            reference,
            format!("{role} must own its data: write `String` for `&str`, `Vec<T>` for `&[T]`"),
        ),
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

fn inside_path(ty: &Type, path: &Path, role: Role, errors: &Errors) {
    if path.segments.first().is_some_and(|segment| segment.ident == "Self") {
        errors.on(ty, "`Self` is the server's type, which the client does not have: name the type");
        return;
    }
    let Some(last) = path.segments.last() else {
        return;
    };
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
pub(super) fn is_context(ty: &Type) -> bool {
    match bare(ty) {
        Type::Reference(reference) => is_context(&reference.elem),
        ty => last_segment(ty).is_some_and(|segment| {
            segment.ident == "Context" && matches!(segment.arguments, PathArguments::None)
        }),
    }
}

/// Whether a method returns a future that it made by hand, which is an error of its own.
pub(super) fn is_future_returned(output: &ReturnType) -> bool {
    matches!(output, ReturnType::Type(_, ty) if matches!(bare(ty), Type::ImplTrait(it)
        if it.bounds.iter().any(is_future)))
}

/// Whether a type is `()`.
pub(crate) fn is_unit(ty: &Type) -> bool {
    matches!(bare(ty), Type::Tuple(tuple) if tuple.elems.is_empty())
}

/// A type without the parentheses around it, written or not.
pub(super) fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        ty => ty,
    }
}

fn is_future(bound: &TypeParamBound) -> bool {
    match bound {
        TypeParamBound::Trait(bound) => {
            bound.path.segments.last().is_some_and(|segment| segment.ident == "Future")
        }
        _ => false,
    }
}

fn is_word(ty: &Type, word: &str) -> bool {
    matches!(bare(ty), Type::Path(path) if path.qself.is_none() && path.path.is_ident(word))
}

pub(super) fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match bare(ty) {
        Type::Path(path) if path.qself.is_none() => path.path.segments.last(),
        _ => None,
    }
}

pub(super) fn type_arguments(segment: &PathSegment) -> impl Iterator<Item = &Type> {
    let arguments = match &segment.arguments {
        PathArguments::AngleBracketed(arguments) => Some(&arguments.args),
        _ => None,
    };
    arguments.into_iter().flatten().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

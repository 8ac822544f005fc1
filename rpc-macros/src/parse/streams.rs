//! Streams in a signature: where one may stand, and what to write where another form of it was written.
//!
//! A result is `impl Stream<Item = T>`, alone or as the `T` of a `Result`; a parameter is `Streaming<T>`, alone. Whatever else is a
//! stream by its tokens, or holds one, gets an error that says so.

use syn::{
    AngleBracketedGenericArguments, GenericArgument, PathArguments, PathSegment, ReturnType, Type,
    TypeParamBound, spanned::Spanned,
};

use super::types::{self, Role, bare, last_segment, type_arguments};
use crate::{ast::Streams, errors::Errors, text};

/// A type that is a stream, however it was written.
pub(super) struct Found<'a> {
    form: Form,
    /// The type of its items, where it is said.
    item: Option<&'a Type>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `impl Stream<…>`.
    Opaque,
    /// `Streaming<…>`.
    Streaming,
    /// `dyn Stream<…>`, in a `Box` and a `Pin` or not, and the names that others gave it.
    Boxed,
}

/// What kind of stream a type is, if it is one.
pub(super) fn found(ty: &Type) -> Option<Found<'_>> {
    match bare(ty) {
        Type::ImplTrait(it) => {
            stream_bound(&it.bounds).map(|bound| Found { form: Form::Opaque, item: item_of(bound) })
        }
        Type::TraitObject(object) => stream_bound(&object.bounds)
            .map(|bound| Found { form: Form::Boxed, item: item_of(bound) }),
        ty => {
            let segment = last_segment(ty)?;
            let first = type_arguments(segment).next();
            match segment.ident.to_string().as_str() {
                "Streaming" => Some(Found { form: Form::Streaming, item: first }),
                "BoxStream" | "LocalBoxStream" => Some(Found { form: Form::Boxed, item: first }),
                "Box" | "Pin" => first
                    .and_then(found)
                    .filter(|inner| inner.form == Form::Boxed)
                    .map(|inner| Found { form: Form::Boxed, ..inner }),
                _ => None,
            }
        }
    }
}

impl Found<'_> {
    /// What to write in its place, where it is the whole of a value with this role.
    pub(super) fn as_whole(&self, role: Role) -> String {
        let item = self.item();
        match role {
            Role::Argument => {
                format!("write `Streaming<{item}>`: it stands for any stream that the caller gives")
            }
            Role::Result => {
                format!("write `impl Stream<Item = {item}>`: the caller gets a `Streaming` of it")
            }
            Role::Item | Role::Error => self.as_part(role),
        }
    }

    /// What to write in its place, where it is inside of a value with this role.
    pub(super) fn as_part(&self, role: Role) -> String {
        let item = self.item();
        match role {
            Role::Argument => {
                format!("a stream is a whole parameter, by value: write `Streaming<{item}>`")
            }
            Role::Result => format!(
                "a stream is a whole result: write `impl Stream<Item = {item}>`, or `Result<impl Stream<Item = {item}>, E>` in an `async fn`"
            ),
            Role::Item => {
                "an item is a value, and a stream is not: send the items of both as one enum"
                    .to_owned()
            }
            Role::Error => "an error is a value, and a stream is not".to_owned(),
        }
    }

    fn item(&self) -> String {
        self.item.map_or_else(|| "T".to_owned(), text::of_type)
    }
}

/// The type of the items of a parameter that is `Streaming<T>`, if it is one and whatever is wrong with it.
pub(super) fn parameter<'a>(ty: &'a Type, errors: &Errors) -> Option<&'a Type> {
    let segment = last_segment(ty).filter(|segment| segment.ident == "Streaming")?;
    let mut arguments = type_arguments(segment);
    let Some(item) = arguments.next() else {
        errors.on(ty, "say what the items are: `Streaming<T>`");
        return Some(ty);
    };
    if let Some(error) = arguments.next() {
        errors.on(
            error,
            "what a caller sends are values: write the type of the items alone, an enum where an item may be an error",
        );
    }
    types::owned(item, Role::Item, errors);
    Some(item)
}

/// The stream that a result is, and the type of its items.
pub(super) fn result(ty: &Type, errors: &Errors) -> Option<(Type, Streams)> {
    let Type::ImplTrait(it) = bare(ty) else {
        return None;
    };
    let item = item_of(stream_bound(&it.bounds)?);
    let streams = |error| Streams { span: it.span(), error, newest: None };
    let Some(item) = item else {
        errors.on(it, "say what the items are: `impl Stream<Item = T>`");
        return Some((syn::parse_quote!(()), streams(None)));
    };
    let (item, error) = types::fallible(item, Role::Item, errors);
    Some((item, streams(error)))
}

/// Whether a method returns `Result<impl Stream<…>, E>`.
pub(super) fn is_fallible(output: &ReturnType) -> bool {
    let ReturnType::Type(_, ty) = output else {
        return false;
    };
    last_segment(ty)
        .filter(|segment| segment.ident == "Result")
        .and_then(|segment| type_arguments(segment).next())
        .and_then(found)
        .is_some_and(|found| found.form == Form::Opaque)
}

/// Whether there is a stream anywhere in what a method returns.
pub(super) fn is_shown(output: &ReturnType) -> bool {
    matches!(output, ReturnType::Type(_, ty) if is_in(ty))
}

fn is_in(ty: &Type) -> bool {
    let in_path = |segment: &PathSegment| type_arguments(segment).any(is_in);
    found(ty).is_some()
        || match bare(ty) {
            Type::Reference(reference) => is_in(&reference.elem),
            Type::Array(array) => is_in(&array.elem),
            Type::Slice(slice) => is_in(&slice.elem),
            Type::Tuple(tuple) => tuple.elems.iter().any(is_in),
            Type::Path(path) => path.path.segments.iter().any(in_path),
            _ => false,
        }
}

/// The bound that says `Stream`, by its last path segment.
fn stream_bound<'a>(
    bounds: impl IntoIterator<Item = &'a TypeParamBound>,
) -> Option<&'a PathSegment> {
    bounds.into_iter().find_map(|bound| match bound {
        TypeParamBound::Trait(bound) => {
            bound.path.segments.last().filter(|segment| segment.ident == "Stream")
        }
        _ => None,
    })
}

/// The `T` of `Stream<Item = T>`.
fn item_of(bound: &PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(AngleBracketedGenericArguments { args, .. }) =
        &bound.arguments
    else {
        return None;
    };
    args.iter().find_map(|argument| match argument {
        GenericArgument::AssocType(binding) if binding.ident == "Item" => Some(&binding.ty),
        _ => None,
    })
}

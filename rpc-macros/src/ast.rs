//! A service as the parser understood it, and as everything that is emitted sees it.
//!
//! What stands in here was checked. A method that has an error is kept, so that the trait and the stub have it and
//! nobody who uses it gets an error that follows from the first; [`Method::sound`] says which ones those are.

use proc_macro2::Span;
use syn::{Attribute, Ident, ItemTrait, Path, TraitItem, TraitItemFn, Type};

use crate::{options::Substitute, text};

/// The whole service.
pub(crate) struct Service {
    /// The trait without its items.
    pub(crate) item: ItemTrait,
    /// The name in front of the dot of `Calc.add`.
    pub(crate) name: String,
    /// How the user's crate knows the facade.
    pub(crate) facade: Path,
    /// Whether nothing is wrong with the trait's own line.
    pub(crate) sound: bool,
    /// The methods, in order.
    pub(crate) methods: Vec<Method>,
    /// Items that a service cannot have, each with an error of its own.
    pub(crate) others: Vec<TraitItem>,
}

/// One method.
pub(crate) struct Method {
    /// The method without `#[rpc(…)]` on it and on its parameters.
    pub(crate) item: TraitItemFn,
    /// Whether nothing is wrong with it.
    pub(crate) sound: bool,
    /// Whether it has the name of something that the stub has itself.
    pub(crate) hides: bool,
    /// The name behind the dot of `Calc.add`.
    pub(crate) name: String,
    pub(crate) oneway: bool,
    pub(crate) idempotent: bool,
    pub(crate) run: Run,
    /// What a caller needs, in the words of the program.
    pub(crate) requires: Vec<String>,
    /// The parameters behind `&self` that nothing is wrong with.
    pub(crate) parameters: Vec<Parameter>,
    /// How many arguments the stub takes, those included that something is wrong with.
    pub(crate) arity: usize,
    /// The type of the result, or of its items where it is a stream; `()` where there is none.
    pub(crate) result: Type,
    /// The `E` of `Result<T, E>`.
    pub(crate) error: Option<Type>,
    /// What there is to say of a result that is a stream.
    pub(crate) streams: Option<Streams>,
}

impl Method {
    /// Its name in Rust.
    pub(crate) fn ident(&self) -> &Ident {
        &self.item.sig.ident
    }

    /// The attributes that decide whether the method exists.
    pub(crate) fn conditions(&self) -> impl Iterator<Item = &Attribute> {
        self.item.attrs.iter().filter(|attribute| is_condition(attribute))
    }

    /// The parameters that are on the wire.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = &Argument> {
        self.parameters.iter().filter_map(|parameter| match parameter {
            Parameter::Argument(argument) => Some(&**argument),
            Parameter::Context | Parameter::Stream(_) => None,
        })
    }

    /// The stream that the caller sends.
    pub(crate) fn takes(&self) -> Option<&Taken> {
        self.parameters.iter().find_map(|parameter| match parameter {
            Parameter::Stream(taken) => Some(&**taken),
            Parameter::Context | Parameter::Argument(_) => None,
        })
    }

    /// Whether it is an `async fn`.
    pub(crate) fn is_async(&self) -> bool {
        self.item.sig.asyncness.is_some()
    }
}

/// Whether an attribute decides if the item that it stands on exists.
pub(crate) fn is_condition(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg")
        || (attribute.path().is_ident("cfg_attr") && mentions(attribute, "cfg"))
}

/// Whether an attribute with a list has this word in it, as `cfg_attr` does for what it may stand for.
pub(crate) fn mentions(attribute: &Attribute, word: &str) -> bool {
    matches!(&attribute.meta, syn::Meta::List(list) if text::mentions(list.tokens.clone(), word))
}

/// Where a handler runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Run {
    Inline,
    Spawn,
    Blocking,
}

/// A parameter behind `&self`.
pub(crate) enum Parameter {
    /// The context of the call, which is neither on the wire nor in the stub.
    Context,
    /// The stream that the caller sends, which has no place among the arguments on the wire.
    Stream(Box<Taken>),
    Argument(Box<Argument>),
}

impl Parameter {
    /// Its name on the wire, if it has one.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Context => None,
            Self::Stream(taken) => Some(&taken.name),
            Self::Argument(argument) => Some(&argument.name),
        }
    }
}

/// A parameter that is a stream.
pub(crate) struct Taken {
    pub(crate) ident: Ident,
    /// Its name in the description.
    pub(crate) name: String,
    /// Where `Streaming<T>` stands.
    pub(crate) span: Span,
    /// The type of its items.
    pub(crate) item: Type,
}

/// A result that is a stream.
pub(crate) struct Streams {
    /// Where `impl Stream<Item = T>` stands.
    pub(crate) span: Span,
    /// The `E` of `Item = Result<T, E>`.
    pub(crate) error: Option<Type>,
    /// How many unsent items are kept, where the producer does not wait.
    pub(crate) newest: Option<u32>,
}

/// A parameter that is on the wire.
pub(crate) struct Argument {
    pub(crate) ident: Ident,
    /// Its name on the wire.
    pub(crate) name: String,
    /// Its type as the trait has it.
    pub(crate) ty: Type,
    pub(crate) form: Form,
    /// What stands in for it where the caller left it out.
    pub(crate) default: Option<(Span, Substitute)>,
}

/// How a parameter takes its value.
pub(crate) enum Form {
    /// `T`.
    Owned(Type),
    /// `&T`.
    Borrowed(Type),
    /// `&[T]`, of this `T`.
    Slice(Type),
    /// `&str`.
    Str,
    /// `&[u8]`.
    Bytes,
}

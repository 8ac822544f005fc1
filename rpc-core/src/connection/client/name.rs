//! A method's full name on its way out: mostly a literal's, of a stub or of its caller.
//!
//! As large as a `&str`, which a `Cow` is not: a call is moved about, and a stub's call does not pay for names that are made at run time.

use std::{borrow::Cow, ops::Deref, sync::Arc};

/// The full name of a method that is called.
#[derive(Clone, Debug)]
pub struct MethodName(Name);

#[derive(Clone, Debug)]
enum Name {
    Static(&'static str),
    /// Shared, so that who calls it again and again makes it once; a pointer to a `String` fits into what a `&str` takes.
    Owned(Arc<String>),
}

impl Deref for MethodName {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        match &self.0 {
            Name::Static(name) => name,
            Name::Owned(name) => name,
        }
    }
}

impl Default for MethodName {
    fn default() -> Self {
        Self::from("")
    }
}

impl From<&'static str> for MethodName {
    #[inline]
    fn from(name: &'static str) -> Self {
        Self(Name::Static(name))
    }
}

impl From<Cow<'static, str>> for MethodName {
    fn from(name: Cow<'static, str>) -> Self {
        match name {
            Cow::Borrowed(name) => Self::from(name),
            Cow::Owned(name) => Self(Name::Owned(Arc::new(name))),
        }
    }
}

const _: () = assert!(size_of::<MethodName>() == size_of::<&str>());

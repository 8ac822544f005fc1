//! Values by their type: at most one of each.
//!
//! Few, set once and read often: a row that is searched from its front. What has no place here is the choice of whoever fills it: the state of
//! a server is one map for all of its connections.

use std::{
    any::{Any, TypeId, type_name},
    fmt,
};

/// Values of different types, each found by its type.
///
/// ```
/// use rpc_core::TypeMap;
///
/// struct Db(&'static str);
///
/// let mut values = TypeMap::new();
/// assert!(values.insert(Db("here")).is_none());
/// assert_eq!(values.get::<Db>().map(|db| db.0), Some("here"));
/// assert!(values.get::<String>().is_none());
/// ```
#[derive(Default)]
pub struct TypeMap {
    entries: Vec<Entry>,
}

struct Entry {
    id: TypeId,
    name: &'static str,
    value: Box<dyn Any + Send + Sync>,
}

impl TypeMap {
    /// No values.
    pub const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// Sets the value of its type; the one that was there before comes back.
    pub fn insert<T: Send + Sync + 'static>(&mut self, value: T) -> Option<T> {
        let (id, name) = (TypeId::of::<T>(), type_name::<T>());
        match self.entries.iter_mut().find(|entry| entry.id == id) {
            Some(entry) => {
                let before = std::mem::replace(&mut entry.value, Box::new(value));
                before.downcast().ok().map(|before| *before)
            }
            None => {
                self.entries.push(Entry { id, name, value: Box::new(value) });
                None
            }
        }
    }

    /// The value of this type.
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<&T> {
        let id = TypeId::of::<T>();
        self.entries.iter().find(|entry| entry.id == id)?.value.downcast_ref()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl fmt::Debug for TypeMap {
    // Values may be secrets, and need not be `Debug`: only their types are shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.entries.iter().map(|entry| entry.name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::TypeMap;

    #[test]
    fn each_type_has_one_value() {
        let mut values = TypeMap::new();
        assert!(values.is_empty() && values.get::<u8>().is_none());
        assert_eq!(values.insert(1_u8), None);
        assert_eq!(values.insert("text"), None);
        assert_eq!(values.insert(Arc::new(7_u8)), None);
        assert_eq!(values.insert(2_u8), Some(1), "the one before comes back");
        assert_eq!(values.get::<u8>(), Some(&2));
        assert_eq!(values.get::<&str>(), Some(&"text"));
        assert_eq!(values.get::<Arc<u8>>().map(|shared| **shared), Some(7));
        assert_eq!(values.get::<String>(), None);
    }

    #[test]
    fn values_are_not_shown() {
        let mut values = TypeMap::new();
        values.insert(String::from("secret"));
        assert_eq!(format!("{values:?}"), "{\"alloc::string::String\"}");
    }
}

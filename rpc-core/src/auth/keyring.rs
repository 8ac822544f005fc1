//! The keys that a server knows, which may change while it runs.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use super::Key;
use crate::Error;

type Keys = HashMap<Arc<str>, Key>;

/// The keys that a server accepts, by their ids. A clone is a handle to the same ring: what one replaces, all see.
///
/// To rotate a key without an interruption: let the server know the new one beside the old one, give the new one to the clients, then
/// [`replace`](Self::replace) the keys by the new one alone.
///
/// A ring without keys accepts nobody.
#[derive(Clone, Default)]
pub struct Keyring(Arc<RwLock<Keys>>);

impl Keyring {
    /// A ring of these keys.
    ///
    /// # Errors
    ///
    /// `already_exists` where two have one id.
    pub fn new(keys: impl IntoIterator<Item = Key>) -> Result<Self, Error> {
        Ok(Self(Arc::new(RwLock::new(by_id(keys)?))))
    }

    /// Puts these keys in the place of all that were there.
    ///
    /// Challenges that begin from now on are held against them. Connections that were opened with a key that is gone live on: what ends
    /// them is their age (`max_connection_age` on the server) or the server's end.
    ///
    /// # Errors
    ///
    /// `already_exists` where two have one id; the ring stays as it was.
    pub fn replace(&self, keys: impl IntoIterator<Item = Key>) -> Result<(), Error> {
        let keys = by_id(keys)?;
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *current, keys);
        drop(current);
        drop(before);
        Ok(())
    }

    /// The ids of its keys, in order.
    pub fn ids(&self) -> Vec<String> {
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut ids: Vec<_> = keys.keys().map(|id| id.to_string()).collect();
        ids.sort();
        ids
    }

    pub(super) fn get(&self, id: &str) -> Option<Key> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }
}

fn by_id(keys: impl IntoIterator<Item = Key>) -> Result<Keys, Error> {
    let mut by_id = Keys::new();
    for key in keys {
        if let Some(before) = by_id.insert(key.shared_id(), key) {
            return Err(Error::already_exists(format!(
                "two keys have the id \"{}\"; give each one its own",
                before.id()
            )));
        }
    }
    Ok(by_id)
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keyring").field(&self.ids()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, Keyring};
    use crate::Code;

    fn key(id: &str) -> Key {
        Key::new(id, [7; 32]).expect("a key")
    }

    #[test]
    fn a_clone_is_the_same_ring() {
        let ring = Keyring::new([key("a")]).expect("one key");
        ring.clone().replace([key("b"), key("c")]).expect("two keys");
        assert!(ring.get("a").is_none() && ring.get("b").is_some());
        assert_eq!(format!("{ring:?}"), r#"Keyring(["b", "c"])"#);
    }

    #[test]
    fn an_id_stands_for_one_key() {
        let ring = Keyring::new([key("a")]).expect("one key");
        let error = ring.replace([key("b"), key("b")]).expect_err("two with one id");
        assert_eq!(error.kind(), Code::AlreadyExists);
        assert_eq!(ring.ids(), ["a"], "it stays as it was");
        assert!(Keyring::new([key("b"), key("b")]).is_err());
    }
}

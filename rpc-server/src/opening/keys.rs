//! Which keys a server asks its clients for.

use rpc_core::{
    Error,
    auth::{Key, Keyring},
    limits::LEAST_SECRET,
};

/// What the program said.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(crate) keys: Vec<Key>,
    pub(crate) ring: Option<Keyring>,
}

/// What a running server holds its clients against.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    pub(crate) ring: Keyring,
    /// What stands in for a key that is not known: drawn when the server starts, and told nobody.
    pub(crate) decoy: Key,
}

impl Asked {
    /// The keys of a server that starts; `None` where it asks for none.
    ///
    /// # Errors
    ///
    /// `already_exists` where two keys have one id, `invalid_argument` where they come from both sides, `internal` where the system has no
    /// random bytes.
    pub(crate) fn begin(self) -> Result<Option<Keys>, Error> {
        let ring = match (self.keys.is_empty(), self.ring) {
            (true, None) => return Ok(None),
            (true, Some(ring)) => ring,
            (false, None) => Keyring::new(self.keys)?,
            (false, Some(_)) => {
                return Err(Error::invalid_argument(
                    "the server has keys from `key` and a ring from `keys`; put all of them into the ring",
                ));
            }
        };
        let decoy = Key::new("decoy", random::<LEAST_SECRET>()?)?;
        Ok(Some(Keys { ring, decoy }))
    }
}

/// Random bytes of the system.
///
/// # Errors
///
/// `internal` where it has none.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) => Err(Error::internal(format!("the system has no random bytes: {error}"))),
    }
}

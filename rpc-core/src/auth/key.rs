//! A key: an id that names it on the wire, and a secret that never goes there.
//!
//! What is kept of the secret is the state of an HMAC that was begun with it. So whatever the secret's length, a proof takes the same
//! work; and the state is overwritten when the last clone of the key is dropped.

use std::{fmt, io::Read, path::Path, sync::Arc};

use hmac::{Hmac, KeyInit};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{
    Error,
    limits::{LEAST_SECRET, MAX_KEY_FILE, MAX_KEY_ID},
};

/// A secret that a client and a server share, under a name.
///
/// It is a key, not a password: at least 32 bytes that were drawn at random, such as `openssl rand -hex 32` makes. Whoever connects to a
/// server sees what the secret makes of bytes that are known, and can try passwords against that at leisure; 32 random bytes cannot be
/// guessed.
///
/// Cheap to clone. `Debug` shows the id alone.
///
/// ```
/// # use rpc_core::auth::Key;
/// # fn example(random: [u8; 32]) -> Result<(), rpc_core::Error> {
/// let key = Key::new("worker-7", random)?;
/// assert_eq!(format!("{key:?}"), r#"Key { id: "worker-7", .. }"#);
/// # Ok(())
/// # }
/// # example([7; 32])?;
/// # Ok::<_, rpc_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Key(Arc<Shared>);

struct Shared {
    id: Arc<str>,
    mac: Hmac<Sha256>,
}

impl Key {
    /// A key with this id, of 1 to 64 bytes, and this secret, of at least 32.
    ///
    /// The id is no secret: it is sent before anything is proved, and stands in logs.
    ///
    /// # Errors
    ///
    /// `invalid_argument` for an id or a secret of another length.
    pub fn new(id: impl AsRef<str>, secret: impl AsRef<[u8]>) -> Result<Self, Error> {
        let (id, secret) = (id.as_ref(), secret.as_ref());
        if id.is_empty() || id.len() > MAX_KEY_ID {
            return Err(Error::invalid_argument(format!(
                "a key's id has from 1 to {MAX_KEY_ID} bytes, this one {}",
                id.len()
            )));
        }
        if secret.len() < LEAST_SECRET {
            return Err(Error::invalid_argument(format!(
                "the secret of key \"{id}\" has {} bytes, fewer than {LEAST_SECRET}: it is to be a key, drawn at random, not a password; `openssl rand -hex {LEAST_SECRET}` makes one",
                secret.len()
            )));
        }
        let mac = Hmac::new_from_slice(secret).expect("HMAC takes keys of any length");
        Ok(Self(Arc::new(Shared { id: id.into(), mac })))
    }

    /// A key whose secret is written in hexadecimal digits, with or without white space around them: at least 64 digits.
    ///
    /// # Errors
    ///
    /// `invalid_argument` for what is not hexadecimal, and those of [`new`](Self::new). No error shows the text.
    pub fn from_hex(id: impl AsRef<str>, digits: impl AsRef<str>) -> Result<Self, Error> {
        let id = id.as_ref();
        let wrong = |what: &str| {
            Error::invalid_argument(format!(
                "the secret of key \"{id}\" {what}; it is written in pairs of hexadecimal digits, such as `openssl rand -hex {LEAST_SECRET}` makes"
            ))
        };
        let (pairs, rest) = digits.as_ref().trim_ascii().as_bytes().as_chunks::<2>();
        let mut secret = Zeroizing::new(Vec::with_capacity(pairs.len()));
        for [high, low] in pairs {
            let (Some(high), Some(low)) = (digit(*high), digit(*low)) else {
                return Err(wrong("has something in it that is no hexadecimal digit"));
            };
            secret.push(high << 4 | low);
        }
        if !rest.is_empty() {
            return Err(wrong("has an odd number of digits"));
        }
        Self::new(id, &*secret)
    }

    /// The same, read from a file of at most 4 KiB. Reading blocks.
    ///
    /// ```text
    /// openssl rand -hex 32 > worker-7.key
    /// chmod 600 worker-7.key
    /// ```
    ///
    /// # Errors
    ///
    /// `not_found` or `unavailable` where the file cannot be read, and those of [`from_hex`](Self::from_hex).
    pub fn from_hex_file(id: impl AsRef<str>, path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        // Room for all of it: a text that grew would leave its beginnings behind.
        let mut text = Zeroizing::new(String::with_capacity(MAX_KEY_FILE + 1));
        let limit = u64::try_from(MAX_KEY_FILE).map_or(u64::MAX, |limit| limit + 1);
        let read = std::fs::File::open(path)
            .and_then(|file| file.take(limit).read_to_string(&mut text))
            .map_err(|error| {
                let message = format!("cannot read the key file {}: {error}", path.display());
                let error_of = match error.kind() {
                    std::io::ErrorKind::NotFound => Error::not_found,
                    std::io::ErrorKind::InvalidData => Error::invalid_argument,
                    _ => Error::unavailable,
                };
                error_of(message).with_source(error)
            })?;
        if read > MAX_KEY_FILE {
            return Err(Error::invalid_argument(format!(
                "the key file {} has more than {MAX_KEY_FILE} bytes",
                path.display()
            )));
        }
        Self::from_hex(id, &*text)
    }

    /// Its name.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The same, to be kept.
    pub(super) fn shared_id(&self) -> Arc<str> {
        Arc::clone(&self.0.id)
    }

    /// An HMAC that was begun with the secret.
    pub(super) fn mac(&self) -> Hmac<Sha256> {
        self.0.mac.clone()
    }
}

fn digit(text: u8) -> Option<u8> {
    match text {
        b'0'..=b'9' => Some(text - b'0'),
        b'a'..=b'f' => Some(text - b'a' + 10),
        b'A'..=b'F' => Some(text - b'A' + 10),
        _ => None,
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::Key;
    use crate::Code;

    const DIGITS: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    #[test]
    fn what_is_kept_of_a_secret_is_overwritten() {
        // An HMAC of SHA-256 consists of two of these.
        fn assert_overwritten<T: zeroize::ZeroizeOnDrop>() {}
        assert_overwritten::<<sha2::Sha256 as hmac::EagerHash>::Core>();
    }

    #[test]
    fn ids_and_secrets_have_their_lengths() {
        for (id, secret, what) in [
            ("", 32, "a key's id has from 1 to 64 bytes, this one 0"),
            (&*"x".repeat(65), 32, "this one 65"),
            (
                "a",
                31,
                "31 bytes, fewer than 32: it is to be a key, drawn at random, not a password",
            ),
        ] {
            let error = Key::new(id, vec![7; secret]).expect_err(what);
            assert_eq!(error.kind(), Code::InvalidArgument);
            assert!(error.message().contains(what), "{error}");
        }
        assert!(Key::new("x".repeat(64), [7; 32]).is_ok());
    }

    #[test]
    fn hexadecimal_is_read_in_either_case() {
        let same = |digits: &str| {
            use hmac::Mac;
            let key = Key::from_hex("a", digits).expect(digits);
            key.mac().finalize().into_bytes()
        };
        let plain: Vec<u8> = (0..32).collect();
        let expected = {
            use hmac::Mac;
            Key::new("a", plain).expect("a key").mac().finalize().into_bytes()
        };
        assert_eq!(same(DIGITS), expected);
        assert_eq!(same(&format!(" {}\r\n", DIGITS.to_uppercase())), expected);
    }

    #[test]
    fn what_is_wrong_with_digits_is_said_without_them() {
        for (digits, what) in [
            (format!("{DIGITS}0"), "odd number"),
            (DIGITS.replace("1f", "1g"), "no hexadecimal digit"),
            (DIGITS[2..].to_owned(), "31 bytes"),
        ] {
            let error = Key::from_hex("a", &digits).expect_err(what);
            assert!(error.message().contains(what), "{error}");
            assert!(!format!("{error:?}").contains(&DIGITS[10..20]), "{error:?}");
        }
    }

    #[test]
    fn a_file_holds_a_key() {
        let path = std::env::temp_dir().join(format!("rpc-key-{}", std::process::id()));
        let missing = Key::from_hex_file("a", &path).expect_err("there is no such file");
        assert_eq!(missing.kind(), Code::NotFound);
        std::fs::write(&path, format!("{DIGITS}\n")).expect("it can be written");
        assert_eq!(Key::from_hex_file("a", &path).expect("a key").id(), "a");
        std::fs::write(&path, "00".repeat(2049)).expect("it can be written");
        let large = Key::from_hex_file("a", &path).expect_err("it is too large");
        assert!(large.message().contains("more than 4096 bytes"), "{large}");
        std::fs::remove_file(&path).expect("it is there");
    }
}

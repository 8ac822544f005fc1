//! The names of methods that are closures, and of types for a person.

use rpc_core::{Error, limits::MAX_METHOD_NAME};

/// What begins the names of this project's own services.
const RESERVED: &str = "rpc.";

/// A name that a closure may have.
#[derive(Debug)]
pub(super) struct Name(String);

impl Name {
    /// # Errors
    ///
    /// `invalid_argument`, which names it and says why it cannot be one (PROTOCOL 4.2).
    pub(super) fn new(name: String) -> Result<Self, Error> {
        let why = if name.is_empty() {
            "it is empty".to_owned()
        } else if name.len() > MAX_METHOD_NAME {
            format!("it has {} bytes, and a name has at most {MAX_METHOD_NAME}", name.len())
        } else if name.starts_with(RESERVED) {
            format!("names that begin with \"{RESERVED}\" are reserved")
        } else if name.starts_with('.') || name.ends_with('.') {
            "there must be a name before and behind its dot".to_owned()
        } else {
            return Ok(Self(name));
        };
        let shown: String = name.chars().take(MAX_METHOD_NAME / 4).collect();
        Err(Error::invalid_argument(format!("\"{shown}\" cannot be the name of a method: {why}")))
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

/// The service that a method's full name says, if it says one.
pub(super) fn service(name: &str) -> Option<&str> {
    name.rsplit_once('.').map(|(service, _)| service)
}

/// The name of a type without the paths in it.
pub(super) fn short<T>() -> String {
    shortened(std::any::type_name::<T>())
}

fn shortened(name: &str) -> String {
    let mut short = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(character) = rest.chars().next() {
        if character.is_alphanumeric() || character == '_' {
            let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
            let (path, behind) = rest.split_at(rest.find(|c| !is_part(c)).unwrap_or(rest.len()));
            short.push_str(path.rsplit("::").next().unwrap_or(path));
            rest = behind;
        } else {
            short.push(character);
            rest = &rest[character.len_utf8()..];
        }
    }
    short
}

/// The two types in a `Result<T, E>` that was shortened.
pub(super) fn of_result(name: &str) -> Option<(&str, &str)> {
    let types = name.strip_prefix("Result<")?.strip_suffix('>')?;
    let mut depth = 0_u32;
    let comma = types.find(|c| {
        match c {
            '<' | '(' | '[' => depth += 1,
            '>' | ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    })?;
    Some((&types[..comma], types[comma + 1..].trim_start()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::{Name, of_result, service, short};

    #[test]
    fn a_name_says_what_is_wrong_with_it() {
        for (name, why) in [
            ("", "it is empty"),
            ("rpc.Reflection.list", "names that begin with \"rpc.\" are reserved"),
            (".add", "there must be a name before and behind its dot"),
            ("Calc.", "there must be a name before and behind its dot"),
        ] {
            let error = Name::new(name.to_owned()).expect_err("it is no name");
            let expected = format!("\"{name}\" cannot be the name of a method: {why}");
            assert_eq!(error.message(), expected);
        }
        let error = Name::new("n".repeat(256)).expect_err("it is too long");
        assert!(error.message().ends_with("it has 256 bytes, and a name has at most 255"));
        for name in ["add", "Calc.add", "lab.Calc.add", "rpc", "rpcs.add"] {
            assert_eq!(Name::new(name.to_owned()).expect("it is a name").into_string(), name);
        }
        assert_eq!((service("add"), service("lab.Calc.add")), (None, Some("lab.Calc")));
    }

    #[test]
    fn a_type_is_named_without_paths() {
        assert_eq!(short::<i64>(), "i64");
        assert_eq!(short::<HashMap<String, Option<Vec<u8>>>>(), "HashMap<String, Option<Vec<u8>>>");
        assert_eq!(short::<(String, [u8; 3])>(), "(String, [u8; 3])");
        assert_eq!(short::<()>(), "()");
        let result = short::<Result<HashMap<u8, (u8, u8)>, String>>();
        assert_eq!(of_result(&result), Some(("HashMap<u8, (u8, u8)>", "String")));
        assert_eq!(of_result("Option<u8>"), None);
    }
}

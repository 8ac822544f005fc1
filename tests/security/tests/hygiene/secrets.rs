//! A secret, and every form in which text could hold a piece of it.

use std::fmt::Write;

/// So many bytes of a secret in a row are no accident.
const PIECE: usize = 10;

/// What must not be shown.
pub(crate) struct Secret {
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
    pieces: Vec<String>,
}

impl Secret {
    /// Bytes that are secret.
    pub(crate) fn new(name: &'static str, bytes: &[u8]) -> Self {
        let pieces = bytes.windows(PIECE).flat_map(forms).chain(base64_pieces(bytes)).collect();
        Self { name, bytes: bytes.to_vec(), pieces }
    }

    /// 32 bytes that look like chance, and are always the same for a name.
    pub(crate) fn drawn(name: &'static str) -> Self {
        Self::new(name, &rpc_security_tests::sha256(name.as_bytes()))
    }

    /// A text of 64 such digits.
    pub(crate) fn text(name: &'static str) -> Self {
        let digits = hex(&rpc_security_tests::sha256(name.as_bytes()), "").to_lowercase();
        Self::new(name, digits.as_bytes())
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes).expect("it was made as a text")
    }

    /// A piece of it that stands in the text, if one does.
    pub(crate) fn found_in<'a>(&'a self, text: &str) -> Option<&'a str> {
        self.pieces.iter().map(String::as_str).find(|piece| text.contains(piece))
    }
}

/// How a piece may be written: as it is, escaped, in hexadecimal digits, or as a list of numbers.
pub(crate) fn forms(piece: &[u8]) -> Vec<String> {
    let mut forms = vec![
        piece.escape_ascii().to_string(),
        hex(piece, ""),
        hex(piece, "").to_uppercase(),
        hex(piece, ":"),
        hex(piece, " "),
        hex(piece, ", 0x"),
        format!("{piece:?}").trim_matches(['[', ']']).to_owned(),
        format!("{piece:02x?}").trim_matches(['[', ']']).to_owned(),
        format!("{piece:?}").trim_matches(['[', ']']).replace(' ', ""),
        format!("{piece:#?}").trim_matches(['[', ']', '\n', ',']).to_owned(),
    ];
    // What is no text comes through lossily, and would be found in anything that is lossy as well.
    if let Ok(text) = std::str::from_utf8(piece) {
        forms.push(text.to_owned());
    }
    forms
}

fn hex(bytes: &[u8], between: &str) -> String {
    let digits: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.join(between)
}

/// What base64 makes of the bytes, wherever in a text of it they begin, in pieces.
fn base64_pieces(bytes: &[u8]) -> Vec<String> {
    let mut pieces = Vec::new();
    for start in 0..3.min(bytes.len()) {
        let whole = bytes[start..].as_chunks::<3>().0.as_flattened();
        let text = base64(whole);
        for piece in text.as_bytes().windows(2 * PIECE) {
            let piece = String::from_utf8_lossy(piece).into_owned();
            pieces.push(piece.replace('+', "-").replace('/', "_"));
            pieces.push(piece);
        }
    }
    pieces
}

/// Whole groups of three bytes, in the alphabet of RFC 4648, section 4.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for [a, b, c] in bytes.as_chunks::<3>().0 {
        let group = u32::from_be_bytes([0, *a, *b, *c]);
        for shift in [18, 12, 6, 0] {
            let digit = DIGITS[(group >> shift & 63) as usize];
            write!(text, "{}", char::from(digit)).expect("a string takes everything");
        }
    }
    text
}

#[test]
fn base64_is_that_of_the_rfc() {
    assert_eq!(base64(b"foobar"), "Zm9vYmFy");
    assert_eq!(base64(&[0xfb, 0xff, 0xbf]), "+/+/");
}

#[test]
fn a_piece_is_found_in_every_form() {
    let secret = Secret::drawn("a control");
    let bytes = &secret.bytes;
    for shown in [
        format!("{bytes:?}"),
        format!("{bytes:#?}"),
        format!("{bytes:02x?}"),
        format!("{:?}", rpc::Bytes::from(bytes.clone())),
        format!("{}", bytes.escape_ascii()),
        hex(bytes, ""),
        format!("xx{}", hex(&bytes[3..20], ":")),
        format!("xx{}", base64(&bytes[..30])),
        // In the midst of something else.
        base64(&[b"0123456", &bytes[..20]].concat()),
        format!("{:?}", &bytes[5..15]),
    ] {
        assert!(secret.found_in(&shown).is_some(), "{shown}");
    }
    let text = Secret::text("a control");
    for shown in [
        text.as_str().to_owned(),
        format!("Bearer {}…", &text.as_str()[..10]),
        format!("{:?}", text.bytes),
    ] {
        assert!(text.found_in(&shown).is_some(), "{shown}");
    }
    let other = Secret::drawn("another");
    let shown = format!("{:?} {}", other.bytes, hex(&other.bytes, ""));
    assert!(secret.found_in(&shown).is_none() && text.found_in(&shown).is_none());
}

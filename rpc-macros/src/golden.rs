//! Expansions beside their traits, for a reader of a change to see what it does to the emitted code.
//!
//! `tests/expand/*.rs` hold a trait each, `*.expanded.rs` what becomes of it; `BLESS=1 cargo test -p rpc-macros` writes
//! those anew.

use std::{fs, path::Path};

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{File, Item, Meta};

const AT_LEAST: usize = 5;

#[test]
fn expansions_are_what_was_committed() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/expand");
    let mut seen = 0;
    for entry in fs::read_dir(directory).expect("the directory is part of the repository") {
        let input = entry.expect("the directory can be read").path();
        if input.to_string_lossy().ends_with(".expanded.rs") {
            continue;
        }
        let output = input.with_extension("expanded.rs");
        let expanded = expanded(&fs::read_to_string(&input).expect("the trait can be read"));
        if std::env::var_os("BLESS").is_some() {
            fs::write(&output, &expanded).expect("the expansion can be written");
        }
        let committed = fs::read_to_string(&output).unwrap_or_default();
        assert_eq!(committed, expanded, "{} differs: BLESS=1 writes it anew", output.display());
        seen += 1;
    }
    assert!(seen >= AT_LEAST, "{seen} traits, {AT_LEAST} expected");
}

#[test]
fn the_stub_and_its_local_constructor_depend_on_the_facade() {
    let expansion = crate::expand(
        quote!(),
        quote!(
            trait Calc {
                async fn add(&self);
            }
        ),
    )
    .to_string();
    assert!(expansion.contains(":: rpc :: __client ! {"));
    assert!(expansion.contains(":: rpc :: __local ! {"));
    let (_, behind) = expansion.split_once(":: rpc :: __client ! {").expect("it was found above");
    assert!(behind.contains("struct CalcClient"));
}

/// The trait in `source` expanded, and formatted where the formatter can see it.
fn expanded(source: &str) -> String {
    let source: File = syn::parse_str(source).expect("the trait parses");
    let Some(Item::Trait(mut item)) = source.items.into_iter().next() else {
        unreachable!("the file begins with a trait")
    };
    let place = item.attrs.iter().position(|attribute| {
        attribute.path().segments.last().is_some_and(|last| last.ident == "service")
    });
    let attribute = item.attrs.remove(place.expect("the trait is a service"));
    let arguments = match attribute.meta {
        Meta::List(list) => list.tokens,
        _ => TokenStream::new(),
    };
    let file: File = syn::parse2(crate::expand(arguments, item.into_token_stream()))
        .expect("the expansion is a list of items");
    let mut text = String::new();
    for item in file.items {
        // What is in a macro's braces is not formatted, so the stub stands without the macro here.
        let items = match item {
            Item::Macro(item) if item.mac.path.segments.last().is_some_and(is_for_clients) => {
                text.push_str("// Where the facade has a client:\n\n");
                let inner: File =
                    syn::parse2(item.mac.tokens).expect("the stub is a list of items");
                inner.items
            }
            item => vec![item],
        };
        let file = File { shebang: None, frontmatter: None, attrs: Vec::new(), items };
        text.push_str(&prettyplease::unparse(&file));
        text.push('\n');
    }
    text
}

fn is_for_clients(segment: &syn::PathSegment) -> bool {
    segment.ident == "__client"
}

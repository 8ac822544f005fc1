//! What only shows when a service is looked at as a whole: its names on the wire.

use syn::LitStr;

use crate::{
    ast::{Method, Service},
    errors::Errors,
};

/// The longest `Service.method` that goes over the wire, in bytes (`rpc_core::limits` has the same bound).
const MAX_NAME: usize = 255;

/// Checks the service's name and the names of its methods; `literal` is where the service's was written.
///
/// A method that has the Rust name of an earlier one goes, so that the compiler does not find it again.
pub(crate) fn names(service: &mut Service, literal: Option<&LitStr>, errors: &Errors) {
    if let Some(literal) = literal {
        if service.name.is_empty() {
            errors.on(literal, "a service's name cannot be empty");
        } else if service.name.starts_with("rpc.") {
            errors.on(
                literal,
                "names that begin with `rpc.` are kept for the framework",
            );
        }
    }
    let room = MAX_NAME.saturating_sub(service.name.len() + 1);
    let mut accepted: Vec<Method> = Vec::new();
    for mut method in std::mem::take(&mut service.methods) {
        if method.name.len() > room {
            errors.on(
                method.ident(),
                format!(
                    "`{}.{}` is longer than the {MAX_NAME} bytes that a name may have",
                    service.name, method.name
                ),
            );
        }
        if let Some(other) = accepted.iter().find(|other| clash(other, &method)) {
            let twin = other.ident() == method.ident();
            let message = if twin {
                format!("there is a method `{}` already", method.ident())
            } else {
                format!(
                    "`{}` is called `{}` on the wire already: give one of the two another `#[rpc(name = \"…\")]`",
                    other.ident(),
                    method.name
                )
            };
            errors.on(method.ident(), message);
            if twin {
                continue;
            }
            method.sound = false;
        }
        accepted.push(method);
    }
    service.methods = accepted;
}

/// Whether two methods have one name; of two under `#[cfg]` only one may exist, which the compiler decides.
fn clash(one: &Method, other: &Method) -> bool {
    let conditional = one.conditions().next().is_some() && other.conditions().next().is_some();
    !conditional && (one.name == other.name || one.ident() == other.ident())
}

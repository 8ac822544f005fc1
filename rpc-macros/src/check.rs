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
            errors.on(literal, "names that begin with `rpc.` are kept for the framework");
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

#[cfg(test)]
mod tests {
    use proc_macro2::TokenStream;
    use quote::quote;

    use super::*;
    use crate::parse;

    fn messages(arguments: TokenStream, item: TokenStream) -> Vec<String> {
        let errors = Errors::default();
        parse::service(arguments, item, &errors).expect("the item is a trait");
        errors.messages()
    }

    #[test]
    fn methods_that_exclude_each_other_may_share_a_name() {
        let found = messages(
            quote!(),
            quote! {
                trait Calc {
                    #[cfg(unix)]
                    async fn add(&self, a: i64);
                    #[cfg(not(unix))]
                    async fn add(&self, a: u64);
                    #[cfg(unix)]
                    #[rpc(name = "add")]
                    async fn plus(&self);
                }
            },
        );
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn a_method_that_is_always_there_shares_its_name_with_none() {
        let found = messages(
            quote!(),
            quote! {
                trait Calc {
                    async fn r#type(&self);
                    #[cfg(unix)]
                    #[rpc(name = "type")]
                    async fn kind(&self);
                }
            },
        );
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("`r#type` is called `type` on the wire already"));
    }

    #[test]
    fn what_the_stub_has_is_no_name_of_a_method() {
        let item = quote!(
            trait Calc {
                async fn DESCRIPTION(&self);
                async fn description(&self);
            }
        );
        let found = messages(quote!(), item);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("`CalcClient` has a `DESCRIPTION` of its own"), "{found:?}");
    }

    #[test]
    fn a_name_counts_with_its_service_and_its_dot() {
        let name = "s".repeat(MAX_NAME - "add".len() - 1);
        let item = quote!(
            trait Calc {
                async fn add(&self);
            }
        );
        assert!(messages(quote!(name = #name), item.clone()).is_empty());
        let longer = format!("{name}s");
        assert_eq!(messages(quote!(name = #longer), item).len(), 1);
    }
}

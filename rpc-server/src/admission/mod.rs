//! Who may connect, as far as the system tells it: by the client's address, how many of its connections there are, or its process's user.
//!
//! Asked once for each connection, when it is accepted. An address that is denied is closed without a word; a process that is not admitted,
//! or an address that has too many, is told (see [`connections`](crate::connections)).

mod address_rules;

use std::panic::{AssertUnwindSafe, catch_unwind};

use rpc_core::{Credentials, Error, discard};

pub use self::address_rules::AddressRules;
use crate::trace;

type Rule = Box<dyn Fn(&Credentials) -> bool + Send + Sync>;

/// What a server asks of those who connect.
#[derive(Default)]
pub(crate) struct Admission {
    pub(crate) addresses: AddressRules,
    /// Connections that one address may have.
    pub(crate) max_per_address: Option<usize>,
    /// Which processes may connect to a Unix socket; without it, those that its file's permissions let.
    pub(crate) unix_peers: Option<Rule>,
}

impl Admission {
    /// Finds a rule that nobody would be asked by: who moves a server from a Unix socket to TCP would open it to everybody.
    ///
    /// # Errors
    ///
    /// `invalid_argument`, which names the setter.
    pub(crate) fn check(&self, is_unix: bool) -> Result<(), Error> {
        if self.unix_peers.is_some() && !is_unix {
            return Err(Error::invalid_argument(
                "`allow_unix_peers` was set on a server that listens on TCP, where clients have no credentials: it would admit everybody; leave it out, and say who may connect with `addresses`, `tls` or `key`",
            ));
        }
        Ok(())
    }

    /// Why a process at the other end of a Unix socket is not served.
    pub(crate) fn objection(&self, credentials: &Credentials) -> Option<Error> {
        let rule = self.unix_peers.as_ref()?;
        // A rule that panics has not said yes. It is the user's, and is not called from within anything that it could leave half done.
        let asked = catch_unwind(AssertUnwindSafe(|| rule(credentials)));
        let is_allowed = asked.unwrap_or_else(|payload| {
            trace::rule_panicked(credentials);
            discard(payload);
            false
        });
        (!is_allowed).then(|| {
            let Credentials { uid, gid, .. } = credentials;
            Error::permission_denied(format!(
                "the server admits no process of uid {uid}, gid {gid} to this Unix socket; its `allow_unix_peers` decides"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use rpc_core::Code;

    use super::{Admission, Credentials};

    fn admission(rule: impl Fn(&Credentials) -> bool + Send + Sync + 'static) -> Admission {
        Admission { unix_peers: Some(Box::new(rule)), ..Admission::default() }
    }

    #[test]
    fn the_rule_decides_and_a_panic_does_not_admit() {
        let (mine, other) = (Credentials::new(7, 7, Some(1)), Credentials::new(8, 7, Some(2)));
        assert!(Admission::default().objection(&other).is_none(), "there is no rule");
        let admission = admission(|credentials| match credentials.uid {
            7 => true,
            8 => false,
            _ => unreachable!("the rule does not know it"),
        });
        assert!(admission.objection(&mine).is_none());
        for stranger in [other, Credentials::new(9, 7, None)] {
            let error = admission.objection(&stranger).expect("it is not admitted");
            assert_eq!(error.kind(), Code::PermissionDenied);
            assert!(!error.is_retryable());
            assert!(error.message().contains(&format!("uid {}, gid 7", stranger.uid)), "{error}");
        }
    }

    #[test]
    fn what_a_rule_panics_with_may_panic_in_turn() {
        struct Bomb;

        impl Drop for Bomb {
            fn drop(&mut self) {
                unreachable!("its destructor has a mistake");
            }
        }

        let admission = admission(|_| std::panic::resume_unwind(Box::new(Bomb)));
        let stranger = Credentials::new(9, 7, None);
        assert!(admission.objection(&stranger).is_some(), "the server goes on, and admits nobody");
    }
}

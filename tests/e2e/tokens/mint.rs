//! The two ends of a token: a [`Mint`] that makes them, one number after the other, and a [`Lock`] that one of them fits.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rpc::{Channel, Error, Server, Token, TokenSource};
use tokio::sync::watch;

use crate::support::{Network, Place, Served};

/// A source that numbers its tokens, and gives them when it is open.
#[derive(Clone)]
pub(super) struct Mint {
    count: watch::Sender<u32>,
    is_open: watch::Sender<bool>,
}

impl Mint {
    pub(super) fn new() -> Self {
        Self { count: watch::Sender::new(0), is_open: watch::Sender::new(true) }
    }

    pub(super) fn closed() -> Self {
        let mint = Self::new();
        mint.close();
        mint
    }

    pub(super) fn open(&self) {
        self.is_open.send_replace(true);
    }

    pub(super) fn close(&self) {
        self.is_open.send_replace(false);
    }

    /// How often it was asked.
    pub(super) fn count(&self) -> u32 {
        *self.count.borrow()
    }

    /// Waits until it was asked so often.
    pub(super) async fn asked(&self, times: u32) {
        let mut count = self.count.subscribe();
        count.wait_for(|count| *count >= times).await.expect("the mint lives");
    }

    pub(super) fn source(&self) -> impl TokenSource + use<> {
        self.source_of(|token| token)
    }

    pub(super) fn source_for(&self, lifetime: Duration) -> impl TokenSource + use<> {
        self.source_of(move |token| token.expires_in(lifetime))
    }

    fn source_of<F>(&self, finish: F) -> impl TokenSource + use<F>
    where
        F: Fn(Token) -> Token + Clone + Send + Sync + 'static,
    {
        let mint = self.clone();
        move || {
            let (mint, finish) = (mint.clone(), finish.clone());
            mint.count.send_modify(|count| *count += 1);
            let number = mint.count();
            async move {
                let mut is_open = mint.is_open.subscribe();
                is_open.wait_for(|is_open| *is_open).await.expect("the mint lives");
                Ok(finish(Token::new(format!("token-{number}"))))
            }
        }
    }
}

/// A server that admits who shows the token that fits.
pub(super) struct Lock {
    pub(super) served: Served,
    state: Arc<Mutex<State>>,
}

struct State {
    fits: String,
    shown: Vec<String>,
}

impl Lock {
    /// `token-1` fits at first.
    pub(super) async fn serve(network: Network) -> Self {
        let place = Place::new(network);
        let address = place.address();
        Self::at(place, &address).await
    }

    pub(super) async fn at(place: Place, address: &str) -> Self {
        let state = State { fits: "token-1".to_owned(), shown: Vec::new() };
        let state = Arc::new(Mutex::new(state));
        let hook_state = Arc::clone(&state);
        let options = move |server: Server| {
            server.keepalive_idle(Duration::MAX).authorize(move |ctx, _| {
                let mut state = hook_state.lock().unwrap_or_else(PoisonError::into_inner);
                let token = ctx.metadata().bearer().unwrap_or_default();
                state.shown.push(token.to_owned());
                if token == state.fits {
                    return Ok(());
                }
                Err(Error::unauthenticated(format!("{token} does not fit")))
            })
        };
        Self { served: Served::at(place, address, options).await, state }
    }

    /// What fits from now on.
    pub(super) fn fits(&self, token: &str) {
        token.clone_into(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner).fits);
    }

    /// What was shown since this asked last, right or wrong.
    pub(super) fn shown(&mut self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner).shown)
    }

    /// A channel with this source.
    pub(super) async fn connect(&self, source: impl TokenSource) -> Channel {
        let builder = Channel::builder(&self.served.address).keepalive_idle(Duration::MAX);
        builder.token(source).connect().await.expect("it listens")
    }
}

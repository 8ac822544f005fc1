//! A service that says what it sees, panics and fails, with secrets in all of it.

use std::{any::Any, fmt, sync::Arc};

use rpc::{Context, Error, Stream, StreamExt, description::Method, stream};

use crate::secrets::Secret;

/// What nobody is to see.
pub(crate) struct Secrets {
    pub(crate) key: Secret,
    pub(crate) another_key: Secret,
    pub(crate) server_key: Secret,
    pub(crate) client_key: Secret,
    pub(crate) token: Secret,
    pub(crate) stale_token: Secret,
    pub(crate) metadata: Secret,
    pub(crate) response: Secret,
    pub(crate) extension: Secret,
    pub(crate) panic: Secret,
    pub(crate) source: Secret,
    pub(crate) argument: Secret,
    pub(crate) result: Secret,
}

impl Secrets {
    pub(crate) fn all(&self) -> [&Secret; 13] {
        [
            &self.key,
            &self.another_key,
            &self.server_key,
            &self.client_key,
            &self.token,
            &self.stale_token,
            &self.metadata,
            &self.response,
            &self.extension,
            &self.panic,
            &self.source,
            &self.argument,
            &self.result,
        ]
    }

    /// An error whose source says more than its message.
    pub(crate) fn failure(&self) -> Error {
        let why = format!("the password of the database is {}", self.source.as_str());
        Error::failed_precondition("it cannot be done").with_source(why)
    }

    pub(crate) fn panic(&self) -> ! {
        unreachable!("{}", self.panic.as_str())
    }

    /// Whether this is what [`panic`](Self::panic) panics with.
    pub(crate) fn is_panic(&self, payload: &(dyn Any + Send)) -> bool {
        payload.downcast_ref::<String>().is_some_and(|text| text.contains(self.panic.as_str()))
    }
}

/// What a hook knows of a caller.
#[derive(Debug)]
pub(crate) struct Extension(#[expect(dead_code, reason = "it is there to be shown")] String);

#[rpc::service(requires = "a token")]
pub(crate) trait Safe {
    /// What a handler can show of its call.
    async fn show(&self, ctx: &Context) -> Vec<String>;
    async fn number(&self, number: u32) -> u32;
    async fn text(&self) -> String;
    async fn panics(&self, ctx: &Context);
    #[rpc(spawn)]
    async fn panics_spawned(&self);
    #[rpc(blocking)]
    fn panics_blocking(&self);
    fn panics_streaming(&self) -> impl Stream<Item = u32>;
    async fn fails(&self, ctx: &Context) -> Result<u32, Error>;
    fn fails_streaming(&self) -> impl Stream<Item = Result<u32, Error>>;
    async fn has_no_state(&self, ctx: &Context) -> Result<u32, Error>;
    async fn hook_panics(&self);
    async fn hook_fails(&self);
    async fn waiting_hook_panics(&self);
    async fn waiting_hook_fails(&self);
}

pub(crate) struct MySafe(pub(crate) Arc<Secrets>);

impl fmt::Debug for MySafe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the service is its program's")
    }
}

impl MySafe {
    fn respond(&self, ctx: &Context) {
        ctx.set_response_metadata("x-session", self.0.response.as_str());
        ctx.set_response_metadata_bin("x-bytes", &self.0.response.bytes);
    }
}

/// What is not given to the server.
struct State;

impl Safe for MySafe {
    async fn show(&self, ctx: &Context) -> Vec<String> {
        assert!(ctx.extension::<Extension>().is_some(), "the hook has attached it");
        assert_eq!(ctx.metadata().get("x-session"), Some(self.0.metadata.as_str()));
        self.respond(ctx);
        vec![
            format!("{ctx:?} {ctx:#?}"),
            format!("{:?} {:#?}", ctx.metadata(), ctx.metadata()),
            format!("{:?} {}", ctx.peer(), ctx.peer()),
            format!("{:?} {:?}", ctx.certificate(), ctx.key_id()),
        ]
    }

    async fn number(&self, number: u32) -> u32 {
        number
    }

    async fn text(&self) -> String {
        self.0.result.as_str().to_owned()
    }

    async fn panics(&self, ctx: &Context) {
        self.respond(ctx);
        self.0.panic()
    }

    async fn panics_spawned(&self) {
        self.0.panic()
    }

    fn panics_blocking(&self) {
        self.0.panic()
    }

    fn panics_streaming(&self) -> impl Stream<Item = u32> {
        let secrets = Arc::clone(&self.0);
        stream::iter(0..3).inspect(move |number| {
            if *number > 0 {
                secrets.panic();
            }
        })
    }

    async fn fails(&self, ctx: &Context) -> Result<u32, Error> {
        self.respond(ctx);
        Err(self.0.failure())
    }

    fn fails_streaming(&self) -> impl Stream<Item = Result<u32, Error>> {
        stream::iter([Ok(1), Err(self.0.failure())])
    }

    async fn has_no_state(&self, ctx: &Context) -> Result<u32, Error> {
        ctx.state::<State>().map(|_| 0)
    }

    async fn hook_panics(&self) {}

    async fn hook_fails(&self) {}

    async fn waiting_hook_panics(&self) {}

    async fn waiting_hook_fails(&self) {}
}

/// Admits who has the token, and attaches what is secret.
pub(crate) fn hook(
    secrets: &Secrets,
    ctx: &Context,
    method: &'static Method,
) -> Result<Extension, Error> {
    match (method.name, ctx.metadata().bearer()) {
        ("hook_panics", _) => secrets.panic(),
        ("hook_fails", _) => Err(secrets.failure()),
        (_, Some(token)) if token == secrets.token.as_str() => {
            Ok(Extension(secrets.extension.as_str().to_owned()))
        }
        _ => Err(Error::unauthenticated("send a bearer token that holds")),
    }
}

/// The same, later.
pub(crate) async fn waiting_hook(secrets: Arc<Secrets>, method: &str) -> Result<(), Error> {
    tokio::task::yield_now().await;
    match method {
        "waiting_hook_panics" => secrets.panic(),
        "waiting_hook_fails" => Err(secrets.failure()),
        _ => Ok(()),
    }
}

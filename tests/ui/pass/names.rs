//! Names that are keywords, or that the generated code might have used itself.
#![deny(warnings)]
#![allow(dead_code, non_camel_case_types)]

/// Everything that is usually in scope is something else here.
mod shadowed {
    pub struct Result;
    pub struct Option;
    pub struct Some;
    pub struct Ok;
    pub struct Err;
    pub struct Vec;
    pub struct Box;
    pub struct Arc;
    pub struct PhantomData;
    pub trait Send {}
    pub trait Sync {}
    pub trait Future {}
    pub trait Clone {}
    pub trait Debug {}
    pub trait Default {}
    pub trait AsRef {}
    pub mod std {}
    pub mod core {}
    pub mod rpc {}
    pub type u32 = ();
    pub type usize = ();
    pub type str = ();

    #[derive(::serde::Serialize, ::serde::Deserialize)]
    pub struct String;
    #[derive(::serde::Serialize, ::serde::Deserialize)]
    pub struct S;
    #[derive(::serde::Serialize, ::serde::Deserialize)]
    pub struct Request;
    #[derive(::serde::Serialize, ::serde::Deserialize)]
    pub struct Call;

    #[::rpc::service]
    pub trait Odd {
        async fn request(&self, request: Request, arguments: S, encoded: i64, value: i64) -> String;
        async fn service(&self, service: S, result: i64, channel: i64, self_: i64) -> Call;
        async fn session(&self, #[rpc(default = 1)] error: i64, #[rpc(default)] failure: i64);
        async fn blocking(&self, encoder: &[i64], method: &i64) -> S;
        async fn description(&self, argument_a: i64, a: i64);
        async fn r#type(&self, r#fn: i64, r#match: &[i64]) -> i64;
        async fn fmt(&self);
        async fn from_arc(&self);
        #[rpc(name = "new")]
        async fn make(&self);
        #[rpc(blocking)]
        fn r#loop(&self, request: i64, service: i64) -> i64;
    }
}

mod raw {
    #[rpc::service]
    pub trait r#Move {
        async fn r#async(&self, r#ref: &str) -> bool;
    }
}

struct Server;

impl raw::r#Move for Server {
    async fn r#async(&self, r#ref: &str) -> bool {
        r#ref.is_empty()
    }
}

fn main() {
    let dispatcher = raw::MoveDispatcher::new(Server);
    let service = rpc::__private::Dispatcher::description(&dispatcher);
    assert_eq!(service.name, "Move");
    assert_eq!(service.methods[0].name, "async");
    assert_eq!(service.methods[0].arguments[0].name, "ref");
}

//! What `#[rpc::service]` makes, at work: each form of argument and result, over a channel to this process.
//!
//! A trait with the name of another and fewer parameters stands for a caller of another version.

mod calc;
mod streams;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, mpsc},
    thread::{self, ThreadId},
};

use rpc::{CallError, Code, Context, Context as Call, Dispatcher};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Person {
    name: String,
    age: u8,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
enum Problem {
    #[error("there are no {0}")]
    None(String),
}

#[rpc::service]
trait Forms {
    async fn owned(&self, person: Person, number: u16) -> Person;
    async fn borrowed(&self, person: &Person, name: &str, data: &[u8], list: &[Person])
    -> Vec<u64>;
    async fn bytes(&self, data: Vec<u8>) -> Vec<u8>;
    async fn nothing(&self);
    async fn fails(&self, how: Option<String>) -> Result<u8, Problem>;
    async fn fails_flat(&self, ctx: &Context) -> Result<(), rpc::Error>;
    #[rpc(oneway)]
    async fn note(&self, #[rpc(context)] call: &Call, line: &str);
    #[rpc(spawn)]
    async fn spawned(&self, name: &str) -> String {
        format!("hello {name}")
    }
    #[rpc(name = "other")]
    async fn r#type(&self, r#fn: i8) -> i8;
    #[cfg(any())]
    async fn gone(&self);
    #[rpc(blocking)]
    fn blocking(&self, ctx: &Context, name: &str) -> Result<String, Problem>;
    #[rpc(blocking)]
    fn elsewhere(&self) -> bool;
}

struct Server {
    notes: mpsc::SyncSender<String>,
    home: ThreadId,
}

impl Forms for Server {
    async fn owned(&self, person: Person, number: u16) -> Person {
        tokio::task::yield_now().await;
        Person { age: person.age + u8::try_from(number).unwrap_or(0), ..person }
    }

    async fn borrowed(
        &self,
        person: &Person,
        name: &str,
        data: &[u8],
        list: &[Person],
    ) -> Vec<u64> {
        tokio::task::yield_now().await;
        let lengths = [person.name.len(), name.len(), data.len(), list.len()];
        lengths.map(|length| length as u64).to_vec()
    }

    async fn bytes(&self, data: Vec<u8>) -> Vec<u8> {
        data
    }

    async fn nothing(&self) {}

    async fn fails(&self, how: Option<String>) -> Result<u8, Problem> {
        how.map_or(Ok(1), |how| Err(Problem::None(how)))
    }

    async fn fails_flat(&self, ctx: &Context) -> Result<(), rpc::Error> {
        let who = ctx.metadata().get("who").unwrap_or_default().to_owned();
        Err(rpc::Error::permission_denied(who))
    }

    async fn note(&self, call: &Call, line: &str) {
        let _ = self.notes.send(format!("{}: {line}", call.method()));
    }

    async fn r#type(&self, r#fn: i8) -> i8 {
        -r#fn
    }

    fn blocking(&self, ctx: &Context, name: &str) -> Result<String, Problem> {
        if ctx.is_cancelled() {
            Err(Problem::None("callers".to_owned()))
        } else {
            Ok(name.to_uppercase())
        }
    }

    fn elsewhere(&self) -> bool {
        thread::current().id() != self.home
    }
}

fn server() -> (Server, mpsc::Receiver<String>) {
    let (notes, taken) = mpsc::sync_channel(8);
    (Server { notes, home: thread::current().id() }, taken)
}

fn person() -> Person {
    Person { name: "Ada".to_owned(), age: 36 }
}

#[tokio::test]
async fn every_form_of_argument_arrives() {
    let client = FormsClient::local(server().0);
    assert_eq!(client.owned(person(), 4).await.expect("it answers").age, 40);
    let lengths = client.borrowed(&person(), "four", b"12345", &[person()]).await;
    assert_eq!(lengths.expect("it answers"), [3, 4, 5, 1]);
    assert_eq!(client.bytes(vec![1, 200]).await.expect("it answers"), [1, 200]);
    client.nothing().await.expect("it answers");
    assert_eq!(client.r#type(5).await.expect("it answers"), -5);
}

#[tokio::test]
async fn errors_are_typed_or_flat_as_the_trait_says() {
    let client = FormsClient::local(server().0);
    assert_eq!(client.fails(None).await.expect("it answers"), 1);
    let failed = client.fails(Some("left".to_owned())).await;
    let Err(CallError::App(problem)) = failed else { unreachable!("{failed:?}") };
    assert_eq!(problem, Problem::None("left".to_owned()));
    let error = client.fails_flat().metadata("who", "me").await.expect_err("it refuses");
    assert_eq!((error.kind(), error.message()), (Code::PermissionDenied, "me"));
}

#[tokio::test]
async fn a_one_way_call_runs_and_has_a_context() {
    let (server, notes) = server();
    let client = FormsClient::local(server);
    client.note("first").await.expect("it is accepted");
    client.nothing().await.expect("it answers");
    assert_eq!(notes.try_recv().as_deref(), Ok("Forms.note: first"));
}

#[tokio::test]
async fn spawned_and_blocking_methods_answer_and_the_latter_elsewhere() {
    let client = FormsClient::local(server().0);
    assert_eq!(client.spawned("you").await.expect("it answers"), "hello you");
    assert_eq!(client.blocking("loud").await.expect("it answers"), "LOUD");
    assert!(client.elsewhere().await.expect("it answers"));
}

#[rpc::service]
trait Search {
    #[expect(clippy::too_many_arguments, reason = "one for each form that has a default")]
    async fn find(
        &self,
        key: &str,
        #[rpc(default)] limit: Option<u32>,
        ctx: &Context,
        #[rpc(default = 7)] page: u32,
        #[rpc(default = "en")] language: &str,
        #[rpc(default)] extra: &[u8],
        #[rpc(default = vec![1, 2])] list: &[u64],
        #[rpc(default = person())] like: &Person,
    ) -> String;
}

struct Index;

impl Search for Index {
    async fn find(
        &self,
        key: &str,
        limit: Option<u32>,
        _ctx: &Context,
        page: u32,
        language: &str,
        extra: &[u8],
        list: &[u64],
        like: &Person,
    ) -> String {
        tokio::task::yield_now().await;
        format!("{key} {limit:?} {page} {language} {extra:?} {list:?} {}", like.name)
    }
}

/// A caller of an older version, of a newer one, of a wrong one, and of one that never was.
mod versions {
    #[rpc::service(name = "Search")]
    pub(crate) trait Older {
        async fn find(&self, key: &str, limit: Option<u32>, page: u32) -> String;
    }

    #[rpc::service(name = "Search")]
    pub(crate) trait Newer {
        #[expect(clippy::too_many_arguments, reason = "one for each form that has a default")]
        async fn find(
            &self,
            key: &str,
            limit: Option<u32>,
            page: u32,
            language: &str,
            extra: &[u8],
            list: &[u64],
            like: super::Person,
            more: bool,
        ) -> String;
    }

    #[rpc::service(name = "Search")]
    pub(crate) trait Wrong {
        async fn find(&self) -> String;
    }

    #[rpc::service(name = "Search")]
    pub(crate) trait Mistyped {
        async fn find(&self, key: u32) -> String;
    }
}

#[tokio::test]
async fn what_a_caller_leaves_out_has_its_default() {
    let channel = rpc::__private::local(SearchDispatcher::new(Index));
    let found = versions::OlderClient::new(channel.clone()).find("k", Some(1), 2).await;
    assert_eq!(found.expect("it answers"), "k Some(1) 2 en [] [1, 2] Ada");
    let newer = versions::NewerClient::new(channel);
    let found =
        newer.find("k", None, 3, "de", b"x", &[], Person { name: "Bo".to_owned(), age: 1 }, true);
    assert_eq!(found.await.expect("it answers"), "k None 3 de [120] [] Bo");
}

#[tokio::test]
async fn a_missing_and_a_wrong_argument_are_refused_by_name() {
    let channel = rpc::__private::local(SearchDispatcher::new(Index));
    let missing = versions::WrongClient::new(channel.clone()).find().await.expect_err("it refuses");
    assert_eq!(missing.kind(), Code::InvalidArgument);
    assert_eq!(missing.message(), "missing argument \"key\"");
    assert!(missing.is_not_started());
    let wrong = versions::MistypedClient::new(channel).find(5).await.expect_err("it refuses");
    assert_eq!(wrong.kind(), Code::InvalidArgument);
    assert!(wrong.message().contains("argument \"key\" (position 1) does not decode"), "{wrong}");
}

#[rpc::service]
trait Store<K, V = String>: std::fmt::Debug
where
    K: Serialize + DeserializeOwned + Ord + Send + 'static,
    V: Serialize + DeserializeOwned + Clone + Send + 'static,
{
    async fn put(&self, key: K, value: V) -> Option<V>;
    async fn get(&self, key: &K) -> Option<V>;
}

#[derive(Debug, Default)]
struct Memory(Mutex<BTreeMap<u64, String>>);

impl Store<u64> for Memory {
    async fn put(&self, key: u64, value: String) -> Option<String> {
        self.0.lock().ok()?.insert(key, value)
    }

    async fn get(&self, key: &u64) -> Option<String> {
        self.0.lock().ok()?.get(key).cloned()
    }
}

#[tokio::test]
async fn a_generic_service_is_shared_through_an_arc() {
    let memory = Arc::new(Memory::default());
    let dispatcher = StoreDispatcher::from_arc(memory.clone());
    assert_eq!(dispatcher.description().methods[0].arguments[1].ty, "V");
    let client = StoreClient::<u64>::new(rpc::__private::local(dispatcher));
    assert_eq!(client.put(1, "one".to_owned()).await.expect("it answers"), None);
    assert_eq!(client.get(&1).await.expect("it answers").as_deref(), Some("one"));
    assert_eq!(memory.get(&1).await.as_deref(), Some("one"));
}

#[tokio::test]
async fn stubs_are_shared_and_calls_run_at_once() {
    let client = FormsClient::local(server().0);
    let spawned = {
        let name = "borrowed".to_owned();
        tokio::spawn(client.clone().spawned(&name))
    };
    let (one, two) =
        tokio::try_join!(client.r#type(1), client.bytes(vec![2])).expect("both answer");
    assert_eq!((one, two), (-1, vec![2]));
    assert_eq!(spawned.await.expect("no panic").expect("it answers"), "hello borrowed");
    assert!(format!("{client:?}").starts_with("FormsClient { channel: "));
}

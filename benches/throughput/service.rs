//! The benchmark's service, with its dispatcher written by hand: what `#[rpc::service]` emits, in the open.

use std::sync::{Arc, LazyLock};

use rpc::{
    __private::{Answer, Argument, Dispatcher, Method, Pace, Request, Service, Session, slots},
    Stream, Value, stream,
};

use crate::allocations;

/// The methods of the service.
pub(crate) struct Bench;

impl Bench {
    async fn ping(&self, data: &[u8]) -> Vec<u8> {
        data.to_vec()
    }

    async fn echo(&self, number: u64) -> u64 {
        number
    }

    async fn yielding(&self, number: u64) -> u64 {
        tokio::task::yield_now().await;
        number
    }

    async fn borrowed(&self, name: &str, data: &[u8]) -> u64 {
        tokio::task::yield_now().await;
        (name.len() + data.len()) as u64
    }

    async fn allocations(&self) -> u64 {
        allocations::count()
    }

    fn numbers(&self) -> impl Stream<Item = u64> {
        stream::repeat(7)
    }
}

pub(crate) static PING: Method =
    Method::new("ping", "").arguments(&[Argument::new("data", "&[u8]")]);
pub(crate) static ECHO: Method =
    Method::new("echo", "").arguments(&[Argument::new("number", "u64")]);
pub(crate) static YIELDING: Method =
    Method::new("yielding", "").arguments(&[Argument::new("number", "u64")]);
pub(crate) static BORROWED: Method = Method::new("borrowed", "")
    .arguments(&[Argument::new("name", "&str"), Argument::new("data", "&[u8]")]);
pub(crate) static ALLOCATIONS: Method = Method::new("allocations", "");
static NUMBERS: Method = Method::new("numbers", "").streams(Pace::Waits, None);
static METHODS: LazyLock<[Method; 6]> =
    LazyLock::new(|| [PING, ECHO, YIELDING, BORROWED, ALLOCATIONS, NUMBERS]);
static SERVICE: LazyLock<Service> = LazyLock::new(|| Service::new("Bench", "", &*METHODS));

/// The dispatcher trait's implementation for [`Bench`].
pub(crate) struct BenchDispatcher(pub(crate) Arc<Bench>);

impl Dispatcher for BenchDispatcher {
    fn description(&self) -> &'static Service {
        &SERVICE
    }

    fn session(&self, method: u32) -> Box<dyn Session + '_> {
        let service = &*self.0;
        match SERVICE.methods[method as usize].name {
            "ping" => slots(move |request| ping(service, request)),
            "echo" => slots(move |request| echo(service, request)),
            "yielding" => slots(move |request| yielding(service, request)),
            "borrowed" => slots(move |request| borrowed(service, request)),
            "numbers" => slots(move |request| numbers(service, request)),
            _ => slots(move |request| allocations(service, request)),
        }
    }
}

async fn ping(service: &Bench, request: Request) -> Answer {
    let data = match request.arguments().take("data").bin() {
        Ok(data) => data,
        Err(error) => return request.refuse(error),
    };
    let result = service.ping(data).await;
    request.answer::<Vec<u8>>(&result)
}

async fn echo(service: &Bench, request: Request) -> Answer {
    let number = match <u64 as Value>::decode(request.arguments().take("number")) {
        Ok(number) => number,
        Err(error) => return request.refuse(error),
    };
    let result = service.echo(number).await;
    request.answer::<u64>(&result)
}

async fn yielding(service: &Bench, request: Request) -> Answer {
    let number = match <u64 as Value>::decode(request.arguments().take("number")) {
        Ok(number) => number,
        Err(error) => return request.refuse(error),
    };
    let result = service.yielding(number).await;
    request.answer::<u64>(&result)
}

async fn borrowed(service: &Bench, request: Request) -> Answer {
    let mut arguments = request.arguments();
    let name = match arguments.take("name").str() {
        Ok(name) => name,
        Err(error) => return request.refuse(error),
    };
    let data = match arguments.take("data").bin() {
        Ok(data) => data,
        Err(error) => return request.refuse(error),
    };
    let result = service.borrowed(name, data).await;
    request.answer::<u64>(&result)
}

async fn allocations(service: &Bench, request: Request) -> Answer {
    let result = service.allocations().await;
    request.answer::<u64>(&result)
}

async fn numbers(service: &Bench, request: Request) -> Answer {
    let items = service.numbers();
    match request.stream(items, |item, encoder| <u64 as Value>::encode(&item, encoder)).await {
        Ok(()) => request.done(),
        Err(error) => request.fail(error),
    }
}

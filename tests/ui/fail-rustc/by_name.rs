//! What a call by name needs: a tuple, values that serde can carry, and the type of what comes back.

use rpc::{Channel, stream};

struct Job;

#[derive(serde::Serialize)]
struct Sum {
    a: i64,
}

async fn what_is_no_tuple(channel: Channel) {
    let _ = channel.call::<i64>("Calc.negate", 5).await;
    let _ = channel.call::<i64>("Calc.greet", "bob").await;
    let _ = channel.call::<i64>("Calc.sum", [1, 2]).await;
    let _ = channel.call::<i64>("Calc.sum", Sum { a: 1 }).await;
    let _ = channel.notify("Calc.log", "x").await;
}

async fn what_cannot_be_sent(channel: Channel) {
    let _ = channel.call::<i64>("Calc.run", (1, Job)).await;
    let _ = channel.call::<i64>("Calc.run", rpc::Named(Job)).await;
    let _ = channel.call::<i64>("Calc.run", ()).sending(stream::iter([Job])).await;
}

async fn nine_arguments(channel: Channel) {
    let _ = channel.stream::<i64>("Calc.count", (1, 2, 3, 4, 5, 6, 7, 8, 9));
}

async fn what_cannot_come_back(channel: Channel) {
    let _ = channel.call::<Job>("Calc.job", ()).await;
    let _ = channel.call::<i64>("Calc.job", ()).app_error::<Job>().await;
}

async fn without_a_type(channel: Channel) {
    let _ = channel.call("Calc.clear", ()).await;
}

fn a_name_that_is_gone(channel: &Channel) {
    let name = String::from("Calc.add");
    let _ = channel.call::<i64>(&name[..], (1, 2));
}

fn main() {}

//! Parameters that are not a name, and names that are not one parameter's.

#[rpc::service]
pub trait Calc {
    async fn pair(&self, (a, b): (i64, i64)) -> i64;
    async fn changed(&self, mut a: i64) -> i64;
    async fn unnamed(&self, _: i64) -> i64;
    async fn by_ref(&self, ref a: i64) -> i64;
    async fn twins(&self, a: i64, a: i64) -> i64;
    async fn gap(&self, #[rpc(default)] a: i64, b: i64) -> i64;
    async fn conditional(&self, #[cfg(unix)] a: i64) -> i64;
    async fn with_a_body(&self, mut a: i64) -> i64 {
        a += 1;
        a
    }
}

struct Server;

impl Calc for Server {
    async fn pair(&self, (a, b): (i64, i64)) -> i64 {
        a + b
    }

    async fn changed(&self, mut a: i64) -> i64 {
        a += 1;
        a
    }

    async fn unnamed(&self, _: i64) -> i64 {
        1
    }

    async fn by_ref(&self, a: i64) -> i64 {
        a
    }

    async fn twins(&self, a: i64, b: i64) -> i64 {
        a + b
    }

    async fn gap(&self, a: i64, b: i64) -> i64 {
        a + b
    }

    async fn conditional(&self, a: i64) -> i64 {
        a
    }
}

fn main() {
    let client = CalcClient::local(Server);
    let _ = client.pair((1, 2));
    let _ = client.twins(1, 2);
}

#[rpc::service]
trait Mistakes {
    async fn exclusive(&mut self, ctx: &Context, (a, b): (i64, i64), c: i64) -> i64;
    async fn new(&self) -> i64;
    async fn sound(&self) -> i64;
}

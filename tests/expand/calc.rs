/// Arithmetic over the network.
#[rpc::service]
pub trait Calc {
    /// Adds two numbers.
    async fn add(&self, a: i64, b: i64) -> i64;
    async fn divide(&self, a: i64, b: i64) -> Result<i64, MathError>;
    async fn greet(&self, name: &str, tags: &[String], data: &[u8], like: &Person) -> String;
    async fn whoami(&self, ctx: &Context) -> Result<(), rpc::Error>;
    #[rpc(oneway)]
    async fn log(&self, line: &str);
}

#[rpc::service]
pub trait Feed {
    fn count(&self, to: u64) -> impl Stream<Item = u64>;
    fn lines(&self, ctx: &Context, path: &str) -> impl Stream<Item = Result<String, ReadError>>;
    async fn later(&self) -> impl Stream<Item = Result<u64, rpc::Error>>;
    async fn history(&self, since: u64) -> Result<impl Stream<Item = String>, MathError> {
        Err(MathError::Lost)
    }
    async fn sum(&self, numbers: Streaming<i64>) -> Result<i64, rpc::Error>;
    async fn join(&self, before: &str, parts: rpc::Streaming<Vec<u8>>, after: &str);
    fn running_sum(&self, numbers: Streaming<i64>) -> impl Stream<Item = i64>;
    #[rpc(drop_oldest = 16)]
    async fn prices(&self, of: Streaming<String>) -> Result<impl Stream<Item = Result<f64, ReadError>> + Unpin, MathError>;
}

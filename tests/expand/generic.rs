#[rpc::service]
pub trait Store<K: Value, V = String, const N: usize = 4>: Debug
where
    V: Value,
    Self: Sized,
{
    async fn get(&self, key: &K) -> Option<V>;
}

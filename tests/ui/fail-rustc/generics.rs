//! A type parameter with bounds that do not make it a value.

#[rpc::service]
pub trait Store<K: Ord> {
    async fn get(&self, key: &K) -> i64;
}

fn main() {}

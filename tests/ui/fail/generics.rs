//! Type parameters that no value could be of.

#[rpc::service]
pub trait Store<K, V, M> {
    async fn get(&self, key: &K) -> Option<V>;
    async fn len(&self) -> u64;
}

struct Empty;

impl Store<u64, String, ()> for Empty {
    async fn get(&self, _key: &u64) -> Option<String> {
        None
    }

    async fn len(&self) -> u64 {
        0
    }
}

fn main() {
    let _: StoreClient<u64, String, ()> = StoreClient::local(Empty);
}

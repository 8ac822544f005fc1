//! A generic service, with bounds, defaults and a constant.
#![deny(warnings)]

use serde::{Serialize, de::DeserializeOwned};
use std::{collections::HashMap, hash::Hash, sync::Mutex};

#[rpc::service]
pub trait Store<K: Hash + Eq, V = String, const N: usize = 4>
where
    K: Serialize + DeserializeOwned + Send + 'static,
    V: Serialize + DeserializeOwned + Send + 'static,
{
    async fn get(&self, key: &K) -> Option<V>;
    async fn put(&self, key: K, value: V) -> Result<(), rpc::Error>;
    async fn all(&self, keys: &[K]) -> Vec<V>;
}

struct Memory<K, V>(Mutex<HashMap<K, V>>);

impl<K, V> Store<K, V> for Memory<K, V>
where
    K: Serialize + DeserializeOwned + Hash + Eq + Send + Sync + 'static,
    V: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
{
    async fn get(&self, key: &K) -> Option<V> {
        self.0.lock().ok()?.get(key).cloned()
    }

    async fn put(&self, key: K, value: V) -> Result<(), rpc::Error> {
        let mut entries = self.0.lock().map_err(|_| rpc::Error::internal("poisoned"))?;
        entries.insert(key, value);
        Ok(())
    }

    async fn all(&self, keys: &[K]) -> Vec<V> {
        let Ok(entries) = self.0.lock() else { return Vec::new() };
        keys.iter().filter_map(|key| entries.get(key).cloned()).collect()
    }
}

async fn client(store: StoreClient<u64>) -> Result<Option<String>, rpc::Error> {
    store.clone().put(1, "one".to_owned()).await?;
    store.all(&[1, 2]).await?;
    store.get(&1).await
}

fn is_static<T: Clone + std::fmt::Debug + Send + Sync + 'static>(_: T) {}

fn main() {
    let memory = Memory::<u64, String>(Mutex::default());
    is_static(StoreDispatcher::<_, _, _, 4>::new(memory));
    let _ = |memory: Memory<u64, String>| is_static(StoreClient::<_, _, 4>::local(memory));
    let _ = client;
}

//! Types that cannot cross the network: one error for each, at the type.

use std::{collections::HashMap, rc::Rc};

pub struct Job;

#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct NoDisplay;

#[derive(Debug)]
pub struct NoSerde;

impl std::fmt::Display for NoSerde {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no serde")
    }
}

#[rpc::service]
pub trait Calc {
    async fn argument(&self, job: Job);
    async fn borrowed(&self, job: &Job);
    async fn list(&self, jobs: &[Job]);
    async fn nested(&self, jobs: HashMap<String, Vec<Job>>);
    async fn result(&self) -> Option<Job>;
    async fn success(&self) -> Result<Job, rpc::Error>;
    async fn no_display(&self) -> Result<i64, NoDisplay>;
    async fn no_serde(&self) -> Result<i64, NoSerde>;
    async fn object(&self) -> Result<i64, Box<dyn std::error::Error>>;
    async fn not_send(&self, job: Rc<i64>);
    #[rpc(blocking)]
    fn blocking(&self, job: Job) -> Job;
}

fn main() {}

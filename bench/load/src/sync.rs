//! The bodies of `POST /api/sync`, as far as these volunteers need them. They deliberately do not
//! reuse the protocol's types: a field that is renamed by mistake then breaks the benchmark, and
//! not only clients.

use serde::{Deserialize, Serialize};

#[derive(Serialize)]
pub(crate) struct Request<'a> {
    pub(crate) token: &'a str,
    pub(crate) seq: u64,
    /// Jobs held in addition to those in `done`: none, because a turn finishes all jobs it was
    /// granted.
    pub(crate) holding: [&'a str; 0],
    pub(crate) done: &'a [Done],
    pub(crate) want: u32,
}

#[derive(Serialize)]
pub(crate) struct Done {
    pub(crate) lease: String,
    pub(crate) data: String,
    #[serde(skip)]
    pub(crate) number: u64,
}

#[derive(Deserialize)]
pub(crate) struct Answer {
    pub(crate) jobs: Vec<Granted>,
    pub(crate) accepted: Vec<String>,
}

#[derive(Deserialize)]
pub(crate) struct Granted {
    pub(crate) number: u64,
    pub(crate) lease: String,
    pub(crate) data: String,
}

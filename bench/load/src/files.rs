//! What these volunteers read and write of the calls about files.

use serde::{Deserialize, Serialize};

use crate::sync;

/// The size that an upload is said to have.
pub(crate) const BYTES: u64 = 1_000_000;

/// A job, and the address of the first file that its input names.
pub(crate) struct Granted {
    pub(crate) lease: String,
    pub(crate) url: String,
}

impl Granted {
    pub(crate) fn read(job: sync::Granted) -> Result<Self, String> {
        let wrong = || format!("Job {} names no file: {}", job.number, job.data);
        let json = job.data.strip_prefix("<!json!>").ok_or_else(wrong)?;
        let input: Input = serde_json::from_str(json).map_err(|_| wrong())?;
        let url = format!("/{}", input.file.url.trim_start_matches('/'));
        let lease = job.lease;
        Ok(Self { lease, url })
    }
}

#[derive(Deserialize)]
struct Input {
    file: File,
}

#[derive(Deserialize)]
struct File {
    url: String,
}

#[derive(Serialize)]
pub(crate) struct Begin<'a> {
    pub(crate) token: &'a str,
    pub(crate) lease: &'a str,
    pub(crate) bytes: u64,
}

#[derive(Deserialize)]
pub(crate) struct Begun {
    pub(crate) parts: Vec<serde_json::Value>,
}

//! A volunteer: registers once, then takes jobs and submits results, turn after turn.

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use distcompute_protocol::{CompleteJob, NewJob, NewWorker, Stage, TokenBody};
use hyper::{Method, StatusCode, body::Bytes};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    cli::Calls,
    connection::{Answer, Connection},
    files::{self, Granted},
    measure::Measure,
    record::Record,
    sync,
};

/// State shared by all volunteers.
pub(crate) struct Shared {
    pub(crate) measure: Measure,
    pub(crate) record: Record,
}

/// How volunteers behave.
pub(crate) struct Behaviour {
    pub(crate) calls: Calls,
    /// How many jobs a sync asks for.
    pub(crate) batch: u32,
    pub(crate) stage: Stage,
    /// Whether requests are repeated until a tracker answers.
    pub(crate) retries: bool,
    /// The volunteer's index; every second volunteer names the job in `completeJob`.
    pub(crate) index: usize,
}

/// A volunteer.
pub(crate) struct Volunteer {
    connection: Connection,
    shared: Rc<RefCell<Shared>>,
    behaviour: Behaviour,
    token: String,
    turns: u64,
    /// The sequence number of the last sync.
    seq: u64,
    /// Results to submit with the next sync.
    done: Vec<sync::Done>,
    /// The job whose files are asked for.
    granted: Option<Granted>,
}

impl Volunteer {
    pub(crate) fn new(
        connection: Connection,
        shared: Rc<RefCell<Shared>>,
        behaviour: Behaviour,
    ) -> Self {
        Self {
            connection,
            shared,
            behaviour,
            token: String::new(),
            turns: 0,
            seq: 0,
            done: Vec::new(),
            granted: None,
        }
    }

    /// Opens the connection and registers.
    pub(crate) async fn register(&mut self) -> Result<(), String> {
        let path = format!("/api/new?nickname=load&stage={}", self.behaviour.stage);
        let answer = self.request(Method::GET, &path, Bytes::new()).await?;
        let worker: NewWorker = read(&path, answer)?;
        self.token = worker.token;
        Ok(())
    }

    /// Takes jobs and submits results. Returns whether there was anything to do.
    pub(crate) async fn turn(&mut self) -> Result<bool, String> {
        self.turns += 1;
        match self.behaviour.calls {
            Calls::Old => self.old_turn().await,
            Calls::Sync => self.sync_turn().await,
            Calls::Uploads | Calls::Files => self.files_turn().await,
        }
    }

    /// Asks for the addresses of a file.
    async fn files_turn(&mut self) -> Result<bool, String> {
        let Some(granted) = &self.granted else {
            let answer = self.sync(&[]).await?;
            let job = answer.jobs.into_iter().next();
            let job = job.ok_or("There is no job whose files could be asked for.")?;
            self.granted = Some(Granted::read(job)?);
            return Ok(true);
        };
        if self.behaviour.calls == Calls::Uploads {
            let begin = files::Begin {
                token: &self.token,
                lease: &granted.lease,
                bytes: files::BYTES,
            };
            let body = serde_json::to_vec(&begin).map_err(|error| error.to_string())?;
            let path = "/api/uploads";
            let answer = self.request(Method::POST, path, body.into()).await?;
            let begun: files::Begun = read(path, answer)?;
            if begun.parts.is_empty() {
                return Err("An upload has no address.".to_owned());
            }
        } else {
            let path = granted.url.clone();
            let (status, body) = self.request(Method::GET, &path, Bytes::new()).await?;
            if status != StatusCode::TEMPORARY_REDIRECT {
                return Err(unexpected(&path, status, &body));
            }
        }
        self.shared.borrow_mut().measure.completed(1);
        Ok(true)
    }

    async fn old_turn(&mut self) -> Result<bool, String> {
        let token = TokenBody {
            token: self.token.clone(),
        };
        let answer = self.post("/api/newJob", &token).await?;
        if answer.0 == StatusCode::FORBIDDEN {
            return Ok(false);
        }
        let job: NewJob = read("/api/newJob", answer)?;
        let done = CompleteJob {
            token: token.token,
            number: (self.behaviour.index % 2 == 1).then_some(job.number),
            data: self.output(job.number),
        };
        let (status, body) = self.post("/api/completeJob", &done).await?;
        if status != StatusCode::OK {
            return Err(unexpected("/api/completeJob", status, &body));
        }
        self.taken(job.number, &done.data)?;
        Ok(true)
    }

    async fn sync(&mut self, done: &[sync::Done]) -> Result<sync::Answer, String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_millis());
        self.seq = u64::try_from(now).unwrap_or(u64::MAX).max(self.seq + 1);
        let request = serde_json::to_vec(&sync::Request {
            token: &self.token,
            seq: self.seq,
            holding: [],
            done,
            want: self.behaviour.batch,
        });
        let request = request.map_err(|error| error.to_string())?;
        let answer = self.request(Method::POST, "/api/sync", request.into());
        read("/api/sync", answer.await?)
    }

    async fn sync_turn(&mut self) -> Result<bool, String> {
        let done = std::mem::take(&mut self.done);
        let answer = self.sync(&done).await?;
        for result in &done {
            if !answer.accepted.contains(&result.lease) {
                return Err(format!(
                    "The result of job {} was not taken.",
                    result.number
                ));
            }
            self.taken(result.number, &result.data)?;
        }
        let outputs = answer.jobs.into_iter().map(|job| sync::Done {
            data: self.output(job.number),
            lease: job.lease,
            number: job.number,
        });
        self.done = outputs.collect();
        Ok(!(done.is_empty() && self.done.is_empty()))
    }

    fn taken(&self, number: u64, data: &str) -> Result<(), String> {
        let mut shared = self.shared.borrow_mut();
        shared.measure.completed(1);
        shared.record.taken(self.behaviour.stage, number, data)
    }

    /// The output for a job; all outputs of a run are distinct.
    fn output(&self, number: u64) -> String {
        let Behaviour { stage, index, .. } = self.behaviour;
        let turn = self.turns;
        format!(r#"<!json!>{{"stage":"{stage}","job":{number},"by":{index},"turn":{turn}}}"#)
    }

    async fn post(&mut self, path: &str, body: &impl Serialize) -> Result<Answer, String> {
        let body = serde_json::to_vec(body).map_err(|error| error.to_string())?;
        self.request(Method::POST, path, body.into()).await
    }

    async fn request(&mut self, method: Method, path: &str, body: Bytes) -> Result<Answer, String> {
        let since = Instant::now();
        let answer = if self.behaviour.retries {
            self.connection
                .call_until_answered(method, path, body)
                .await
        } else {
            self.connection.call(method, path, body).await?
        };
        self.shared.borrow_mut().measure.call(since.elapsed());
        Ok(answer)
    }
}

fn read<T: DeserializeOwned>(path: &str, (status, body): Answer) -> Result<T, String> {
    if status != StatusCode::OK {
        return Err(unexpected(path, status, &body));
    }
    serde_json::from_slice(&body).map_err(|error| format!("{path}: {error}"))
}

fn unexpected(path: &str, status: StatusCode, body: &Bytes) -> String {
    format!("{path}: {status} {}", String::from_utf8_lossy(body))
}

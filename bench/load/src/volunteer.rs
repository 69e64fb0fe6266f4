//! One volunteer: registered once, then turn after turn of taking jobs and handing results in.

use std::{cell::RefCell, rc::Rc, time::Instant};

use distcompute_protocol::{CompleteJob, NewJob, NewWorker, Stage, TokenBody};
use hyper::{Method, StatusCode, body::Bytes};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    cli::Calls,
    connection::{Answer, Connection},
    measure::Measure,
    record::Record,
};

/// What all volunteers share.
pub(crate) struct Crowd {
    pub(crate) measure: Measure,
    pub(crate) record: Record,
}

/// One of them.
pub(crate) struct Volunteer {
    connection: Connection,
    crowd: Rc<RefCell<Crowd>>,
    calls: Calls,
    stage: Stage,
    /// Whether requests are repeated until a tracker answers them.
    insists: bool,
    /// Which of them this is; every second one names the job in `completeJob`.
    index: usize,
    token: String,
    turns: u64,
}

impl Volunteer {
    pub(crate) fn new(
        connection: Connection,
        crowd: Rc<RefCell<Crowd>>,
        (calls, stage): (Calls, Stage),
        insists: bool,
        index: usize,
    ) -> Self {
        Self {
            connection,
            crowd,
            calls,
            stage,
            insists,
            index,
            token: String::new(),
            turns: 0,
        }
    }

    /// Opens the connection and registers.
    pub(crate) async fn register(&mut self) -> Result<(), String> {
        let path = format!("/api/new?nickname=load&stage={}", self.stage);
        let answer = self.request(Method::GET, &path, Bytes::new()).await?;
        let worker: NewWorker = self.read(&path, answer)?;
        self.token = worker.token;
        Ok(())
    }

    /// Takes jobs and hands results in. Says how many results were taken.
    pub(crate) async fn turn(&mut self) -> Result<u64, String> {
        self.turns += 1;
        match self.calls {
            Calls::Old => self.old_turn().await,
        }
    }

    async fn old_turn(&mut self) -> Result<u64, String> {
        let token = TokenBody {
            token: self.token.clone(),
        };
        let (status, body) = self.post("/api/newJob", &token).await?;
        if status == StatusCode::FORBIDDEN {
            return Ok(0);
        }
        let job: NewJob = self.read("/api/newJob", (status, body))?;
        let output = self.output(job.number);
        let done = CompleteJob {
            token: token.token,
            number: (self.index % 2 == 1).then_some(job.number),
            data: output,
        };
        let (status, body) = self.post("/api/completeJob", &done).await?;
        if status != StatusCode::OK {
            return Err(unexpected("/api/completeJob", status, &body));
        }
        let mut crowd = self.crowd.borrow_mut();
        crowd.record.taken(self.stage, job.number, &done.data)?;
        crowd.measure.completed(1);
        Ok(1)
    }

    /// What this volunteer makes of a job; no two results of a run are the same.
    fn output(&self, number: u64) -> String {
        let Self {
            stage,
            index,
            turns,
            ..
        } = self;
        format!(r#"<!json!>{{"stage":"{stage}","job":{number},"by":{index},"turn":{turns}}}"#)
    }

    async fn post(&mut self, path: &str, body: &impl Serialize) -> Result<Answer, String> {
        let body = serde_json::to_vec(body).map_err(|error| error.to_string())?;
        self.request(Method::POST, path, body.into()).await
    }

    async fn request(&mut self, method: Method, path: &str, body: Bytes) -> Result<Answer, String> {
        let since = Instant::now();
        let answer = if self.insists {
            self.connection.insist(method, path, body).await
        } else {
            self.connection.call(method, path, body).await?
        };
        self.crowd.borrow_mut().measure.call(since.elapsed());
        Ok(answer)
    }

    fn read<T: DeserializeOwned>(&self, path: &str, (status, body): Answer) -> Result<T, String> {
        if status != StatusCode::OK {
            return Err(unexpected(path, status, &body));
        }
        serde_json::from_slice(&body).map_err(|error| format!("{path}: {error}"))
    }
}

fn unexpected(path: &str, status: StatusCode, body: &Bytes) -> String {
    format!("{path}: {status} {}", String::from_utf8_lossy(body))
}

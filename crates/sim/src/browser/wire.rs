//! Translates requests and answers between the engine, which has numbers for texts, and a [`Tracker`].

use distcompute_engine::hub::action::{Granted, Parsed, Synced, TrackerResponse, Wire};
use distcompute_engine::hub::jobs::Text;
use distcompute_protocol::{Done, Failed, Invalid, Progress, SyncRequest};

use super::Browser;
use crate::tracker::{ApiRequest, ApiResponse, Content, Tracker, weigh};

impl<T: Tracker> Browser<T> {
    /// A text of a result, as a core's report brings it.
    pub fn keep(&mut self, text: String) -> Text {
        self.last_text += 1;
        let bytes = weigh(&text) as u32 + 2;
        self.texts.insert(self.last_text, text);
        Text {
            id: self.last_text,
            bytes,
        }
    }

    pub(super) fn read(&mut self, said: ApiResponse) -> TrackerResponse {
        let parsed = match said.content {
            Content::Nothing => Parsed::Nothing,
            Content::Hello(hello) => Parsed::Hello(hello),
            Content::Alive(alive) => Parsed::Alive(alive),
            Content::Job { number, data } => {
                let data = data.map(|data| self.keep(data));
                Parsed::Job { number, data }
            }
            Content::Unreadable => Parsed::Unreadable("It is no JSON.".to_owned()),
            Content::Sync(mut sync) => {
                sync.accepted.extend(std::mem::take(&mut self.dropped));
                for lease in &sync.accepted {
                    let taken = self.tracker.has_taken(lease);
                    assert!(taken, "lease {lease} is accepted and not in the tables");
                }
                let mut jobs = Vec::new();
                for job in sync.jobs {
                    let data = job.data.map(|data| self.keep(data));
                    let (number, lease, attempt) = (job.number, job.lease, job.attempt);
                    jobs.push(Granted {
                        number,
                        data,
                        lease,
                        attempt,
                    });
                }
                Parsed::Sync(Synced {
                    jobs,
                    accepted: sync.accepted,
                    rejected: sync.rejected.into_iter().map(|it| it.lease).collect(),
                    lost: sync.lost,
                    wait_ms: f64::from(sync.wait_s) * 1000.0,
                    app_version: sync.app_version,
                    left_bytes: Some(sync.left_bytes as f64),
                    limited: sync.limited,
                    paused: sync.paused,
                    unconfirmed: sync.unconfirmed,
                })
            }
        };
        TrackerResponse::Answered(said.answer, parsed)
    }

    pub(super) fn asked_by(&self, wire: &Wire) -> ApiRequest {
        let text = |text: &Text| {
            self.texts
                .get(&text.id)
                .expect("a text that is sent")
                .clone()
        };
        match wire.clone() {
            Wire::Register { stage, nickname } => ApiRequest::Register(stage, nickname),
            Wire::NewJob { token } => ApiRequest::NewJob(token),
            Wire::Complete {
                token,
                number,
                data,
            } => ApiRequest::Complete {
                token,
                number,
                data: text(&data),
            },
            Wire::Flag { token, number } => ApiRequest::Flag { token, number },
            Wire::Progress { token, .. } => ApiRequest::Progress(token),
            Wire::Validate { token } => ApiRequest::Validate(token),
            Wire::Bye { token } => ApiRequest::Bye(token),
            Wire::Sync(sync) => ApiRequest::Sync(SyncRequest {
                token: sync.token,
                seq: sync.seq,
                holding: sync.holding,
                done: sync
                    .done
                    .iter()
                    .filter(|(lease, _)| !self.dropped.contains(lease))
                    .map(|(lease, data)| Done {
                        lease: lease.clone(),
                        data: text(data),
                    })
                    .collect(),
                invalid: sync
                    .invalid
                    .into_iter()
                    .map(|(lease, reason)| Invalid { lease, reason })
                    .collect(),
                released: sync.released,
                failed: sync
                    .failed
                    .into_iter()
                    .map(|(lease, error)| Failed { lease, error })
                    .collect(),
                progress: sync
                    .progress
                    .into_iter()
                    .map(|(lease, text)| Progress { lease, text })
                    .collect(),
                want: sync.want,
                want_bytes: Some(sync.want_bytes),
                cores: Some(sync.cores),
                awaiting: sync.awaiting,
                setup_failed: sync.setup_failed,
            }),
        }
    }
}

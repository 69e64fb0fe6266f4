//! Single exchanges with a tracker, word for word: what the world's tracker would not say so.

use distcompute_client::call::Answer;
use distcompute_client::engine::{
    action::{Action, Got, Granted, Hello, Outgoing, Parsed, Sync, Synced, Wire},
    clock::Now,
    desk::{Key, Outcome, Place, Text, Ticket},
    scheduler::{Ended, Event, Inherited, Report, Scheduler, Stored},
    settings::{Limits, Settings},
};
use distcompute_protocol::Stage;

/// A hub with one core that is up, and what it has said.
struct Talk {
    hub: Scheduler,
    ms: f64,
    said: Vec<Action>,
}

impl Talk {
    fn new(stages: &[Stage]) -> Self {
        let settings = Settings {
            cores: 1,
            intensity: 10,
            ..Settings::default()
        };
        let hub = Scheduler::new(stages, "Cluster 2", settings, Limits::default());
        Self {
            hub: hub.with_keys_from(1_000),
            ms: 0.0,
            said: Vec::new(),
        }
    }

    /// The same, as a successor of `met` cores, with nothing in storage.
    fn begin(mut self, met: u32) -> Self {
        let told = false;
        let cores = (0..met).map(|core| Inherited { core, told }).collect();
        self.happens(Event::Restored {
            sessions: Vec::new(),
            jobs: Vec::new(),
            cores,
        });
        self.happens(Event::CoreHere(0));
        self
    }

    fn happens(&mut self, event: Event) {
        self.ms += 1.0;
        let now = Now {
            mono: self.ms,
            wall: 1e12 + self.ms,
        };
        self.said.extend(self.hub.handle(now, 0.5, event));
    }

    fn passes(&mut self, ms: f64) {
        self.ms += ms;
        self.happens(Event::Tick);
    }

    /// The next request, which must have been said.
    fn request(&mut self) -> Outgoing {
        let is_send = |action: &Action| matches!(action, Action::Send(_));
        let at = self.said.iter().position(is_send).expect("a request");
        match self.said.remove(at) {
            Action::Send(outgoing) => outgoing,
            _ => unreachable!("a request"),
        }
    }

    fn sync(&mut self) -> (u32, Sync) {
        let Outgoing { id, wire, .. } = self.request();
        match wire {
            Wire::Sync(sync) => (id, sync),
            other => panic!("no sync: {other:?}"),
        }
    }

    fn answers(&mut self, id: u32, parsed: Parsed) {
        let ok = Answer {
            status: 200,
            ..Answer::default()
        };
        self.happens(Event::Answered(id, Got::Answered(ok, parsed)));
    }

    fn registers(&mut self) {
        let id = self.request().id;
        let hello = Hello {
            token: "t".to_owned(),
            syncs: true,
            lease_ms: 300_000.0,
            ..Hello::default()
        };
        self.answers(id, Parsed::Hello(hello));
    }

    fn given(&mut self) -> Vec<Key> {
        let mut keys = Vec::new();
        self.said.retain(|action| match action {
            Action::Give { keys: more, .. } => {
                keys.extend(more);
                false
            }
            _ => true,
        });
        keys
    }

    fn ends(&mut self, key: Key, outcome: Outcome) {
        let ended = Ended {
            key,
            outcome,
            ms: 10.0,
            fatal: false,
        };
        let results = vec![ended];
        self.happens(Event::Report(
            0,
            Report {
                results,
                ..Report::default()
            },
        ));
    }
}

fn job(number: u64, attempt: u32, lease: &str) -> Granted {
    let data = Some(Text {
        id: u32::try_from(number).expect("small") * 100 + attempt,
        bytes: 1,
    });
    Granted {
        number,
        data,
        lease: lease.to_owned(),
        attempt,
    }
}

fn granted(jobs: Vec<Granted>) -> Parsed {
    Parsed::Sync(Synced {
        jobs,
        wait_ms: 15_000.0,
        ..Synced::default()
    })
}

#[test]
fn an_input_that_this_browser_has_flagged_is_somebody_elses_to_judge() {
    let mut talk = Talk::new(&[Stage::B]).begin(0);
    talk.happens(Event::CoreUp(0));
    talk.registers();
    let (id, _) = talk.sync();
    talk.answers(id, granted(vec![job(7, 1, "first")]));
    let key = talk.given()[0];
    talk.ends(key, Outcome::Invalid("wrong".to_owned()));
    let (id, sync) = talk.sync();
    assert_eq!(sync.invalid.len(), 1);
    // Put back, and handed to whoever asks: the same input once more.
    talk.answers(id, granted(vec![job(7, 2, "again")]));
    assert!(talk.given().is_empty());
    talk.passes(5_000.0);
    let (id, sync) = talk.sync();
    assert_eq!(sync.released, ["again"]);
    assert_eq!(sync.want, 0, "not at once");
    talk.answers(id, granted(Vec::new()));
    // Made again by the stage before: attempts count anew, and it is looked at.
    talk.passes(60_000.0);
    let (id, _) = talk.sync();
    talk.answers(id, granted(vec![job(7, 1, "remade")]));
    assert_eq!(talk.given().len(), 1);
}

#[test]
fn a_stage_that_was_dry_is_asked_when_the_one_before_has_filled_it() {
    let mut talk = Talk::new(&[Stage::B, Stage::A]).begin(0);
    talk.happens(Event::CoreUp(0));
    talk.registers();
    let (id, _) = talk.sync();
    // Nothing at stage b, so stage a is asked.
    talk.answers(id, granted(Vec::new()));
    talk.registers();
    let (id, _) = talk.sync();
    talk.answers(id, granted(vec![job(1, 1, "of a")]));
    let key = talk.given()[0];
    talk.ends(key, Outcome::Done(Text { id: 9, bytes: 1 }));
    let (id, sync) = talk.sync();
    assert_eq!(sync.done.len(), 1);
    let accepted = Synced {
        accepted: vec!["of a".to_owned()],
        wait_ms: 15_000.0,
        ..Synced::default()
    };
    talk.answers(id, Parsed::Sync(accepted));
    let (_, sync) = talk.sync();
    assert!(sync.want > 0 && sync.done.is_empty(), "b is asked at once");
}

#[test]
fn a_new_hub_takes_over_what_cores_work_on_before_it_says_what_it_holds() {
    let mut talk = Talk::new(&[Stage::A]).begin(1);
    assert!(
        !talk
            .said
            .iter()
            .any(|action| matches!(action, Action::Send(_))),
        "the tracker hears nothing before the core has spoken"
    );
    let stored = Stored {
        stage: Stage::A,
        number: 5,
        attempt: 1,
        ticket: Ticket::Lease("running".to_owned()),
        input: None,
        outcome: None,
    };
    talk.happens(Event::Met(0, Some((77, stored))));
    talk.happens(Event::CoreUp(0));
    let place = talk.hub.desk().get(77).map(|job| job.place.clone());
    assert!(
        matches!(place, Some(Place::Running { core: 0, .. })),
        "{place:?}"
    );
    talk.registers();
    talk.ends(77, Outcome::Done(Text { id: 1, bytes: 1 }));
    let (_, sync) = talk.sync();
    assert_eq!(
        sync.done,
        [("running".to_owned(), Text { id: 1, bytes: 1 })]
    );
}

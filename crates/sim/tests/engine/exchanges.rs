//! Single exchanges with a tracker, word for word: what the browser's tracker would not say so.

use distcompute_engine::client::call::Answer;
use distcompute_engine::hub::Scheduler;
use distcompute_engine::hub::action::{
    Action, Granted, Hello, Parsed, Sync, Synced, TrackerRequest, TrackerResponse, Transfer, Wire,
};
use distcompute_engine::hub::cx::Cx;
use distcompute_engine::hub::event::{Ended, Event, Inherited, Report, Stored};
use distcompute_engine::hub::jobs::{JobKey, JobState, Outcome, Text, Ticket};
use distcompute_engine::settings::{Limits, Settings};
use distcompute_engine::time::clock::Now;
use distcompute_protocol::{ErrorCode, Stage};

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

    /// The same, as a successor of `inherited` cores, with nothing in storage.
    fn begin(mut self, inherited: u32) -> Self {
        let told = false;
        let cores = (0..inherited)
            .map(|core| Inherited {
                core,
                has_progress: told,
            })
            .collect();
        self.happens(Event::Restored {
            registrations: Vec::new(),
            jobs: Vec::new(),
            cores,
        });
        self.happens(Event::CoreHere(0));
        self
    }

    fn happens(&mut self, event: Event) {
        self.ms += 1.0;
        let now = self.now();
        let mut cx = Cx::new(now, 0.5);
        self.hub.handle(&mut cx, event);
        self.said.extend(cx.out);
    }

    fn due_ms(&self) -> Option<f64> {
        let due = self.hub.next_timeout()?;
        Some(due.left_ms(self.now()))
    }

    fn passes(&mut self, ms: f64) {
        self.ms += ms;
        self.happens(Event::Tick);
    }

    /// The next request, which must have been said.
    fn request(&mut self) -> TrackerRequest {
        let is_send = |action: &Action| matches!(action, Action::Send(_));
        let at = self.said.iter().position(is_send).expect("a request");
        match self.said.remove(at) {
            Action::Send(request) => request,
            _ => unreachable!("a request"),
        }
    }

    fn sync(&mut self) -> (u32, Sync) {
        let TrackerRequest { id, wire, .. } = self.request();
        match wire {
            Wire::Sync(sync) => (id, sync),
            other => panic!("no sync: {other:?}"),
        }
    }

    fn answers(&mut self, id: u32, parsed: Parsed) {
        let body = match parsed {
            Parsed::Alive(_) => "True",
            _ => "200 OK",
        };
        let ok = Answer {
            status: 200,
            body: body.to_owned(),
            ..Answer::default()
        };
        self.happens(Event::Answered(id, TrackerResponse::Answered(ok, parsed)));
    }

    /// Something before the tracker answers in its place.
    fn is_refused(&mut self, id: u32, status: u16) {
        let answer = Answer {
            status,
            body: "<html><center>nginx</center></html>".to_owned(),
            ..Answer::default()
        };
        self.happens(Event::Answered(
            id,
            TrackerResponse::Answered(answer, Parsed::Nothing),
        ));
    }

    /// The tracker has forgotten the registration.
    fn is_unknown(&mut self, id: u32) {
        let answer = Answer {
            status: 404,
            code: Some(ErrorCode::WorkerUnknown),
            ..Answer::default()
        };
        self.happens(Event::Answered(
            id,
            TrackerResponse::Answered(answer, Parsed::Nothing),
        ));
    }

    /// The tracker has handled a later request of this token.
    fn is_superseded(&mut self, id: u32) {
        let answer = Answer {
            status: 409,
            code: Some(ErrorCode::Superseded),
            ..Answer::default()
        };
        self.happens(Event::Answered(
            id,
            TrackerResponse::Answered(answer, Parsed::Nothing),
        ));
    }

    /// The answer to a request of `up` bytes begins.
    fn begins(&mut self, id: u32, up: f64) {
        let transfer = Transfer {
            status: 200,
            up,
            down: 0.0,
            ended: false,
            written_ms: 0.0,
        };
        self.happens(Event::Transfer(id, transfer));
    }

    fn accepts(&mut self, id: u32, leases: &[&str]) {
        let synced = Synced {
            accepted: leases.iter().map(|lease| (*lease).to_owned()).collect(),
            wait_ms: 60_000.0,
            left_bytes: Some(1_000.0),
            ..Synced::default()
        };
        self.answers(id, Parsed::Sync(synced));
    }

    fn said_no_request(&self) -> bool {
        let is_send = |action: &Action| matches!(action, Action::Send(_));
        !self.said.iter().any(is_send)
    }

    /// Takes so many jobs, whose results take so many bytes.
    fn computes(&mut self, bytes: &[u32]) {
        self.happens(Event::CoreUp(0));
        self.registers();
        let (id, _) = self.sync();
        let jobs = (1..)
            .zip(bytes)
            .map(|(n, _)| job(n, 1, &format!("lease {n}")));
        self.answers(id, granted(jobs.collect()));
        for (id, bytes) in (1..).zip(bytes) {
            let keys = self
                .hub
                .table()
                .iter()
                .map(|job| job.key)
                .collect::<Vec<_>>();
            let key = keys[id as usize - 1];
            let bytes = *bytes;
            self.ends(key, Outcome::Done(Text { id, bytes }));
        }
    }

    /// A tracker that takes what a proxy before it lets pass; `refuses` says its status. What was
    /// accepted, what failed and why, and how many requests were refused.
    fn is_served(
        &mut self,
        refuses: impl Fn(&Sync) -> Option<u16>,
    ) -> (Vec<String>, Vec<(String, String)>, usize) {
        let (mut accepted, mut failed, mut refused) = (Vec::new(), Vec::new(), 0);
        for _ in 0..10_000 {
            let is_send = |action: &Action| matches!(action, Action::Send(_));
            if self.said.iter().any(is_send) {
                let (id, sync) = self.sync();
                if let Some(status) = refuses(&sync) {
                    refused += 1;
                    self.is_refused(id, status);
                    continue;
                }
                let taken: Vec<String> = sync.done.into_iter().map(|(lease, _)| lease).collect();
                accepted.extend(taken.clone());
                failed.extend(sync.failed);
                let synced = Synced {
                    accepted: taken,
                    wait_ms: 15_000.0,
                    ..Synced::default()
                };
                self.answers(id, Parsed::Sync(synced));
                continue;
            }
            let left = self.hub.table().count(|job| job.outcome().is_some());
            let Some(ms) = self.due_ms().filter(|_| left > 0) else {
                break;
            };
            self.passes(ms);
        }
        (accepted, failed, refused)
    }

    fn now(&self) -> Now {
        Now {
            mono: self.ms,
            wall: 1e12 + self.ms,
        }
    }

    /// A tracker of the first protocol with jobs without end, behind a proxy that refuses the result
    /// of job 2 with a status. How many results it took, and what became of job 2.
    fn is_served_by_calls(&mut self, status: u16) -> (usize, Vec<Wire>) {
        let (mut taken, mut after, mut workers, mut jobs) = (0, Vec::new(), 0, 0);
        let mut holder = None;
        self.happens(Event::CoreUp(0));
        for _ in 0..10_000 {
            let is_send = |action: &Action| matches!(action, Action::Send(_));
            if !self.said.iter().any(is_send) {
                for key in self.given() {
                    let bytes = if jobs == 2 { 1_500_000 } else { 10 };
                    self.ends(key, Outcome::Done(Text { id: key, bytes }));
                }
                if !self.said.iter().any(is_send) {
                    let Some(ms) = self.due_ms() else {
                        break;
                    };
                    self.passes(ms);
                }
                continue;
            }
            let TrackerRequest { id, wire, .. } = self.request();
            let token = match &wire {
                Wire::Bye { token } | Wire::Complete { token, .. } => Some(token.clone()),
                _ => None,
            };
            match &wire {
                Wire::Register { .. } => {
                    workers += 1;
                    let token = format!("worker {workers}");
                    self.answers(
                        id,
                        Parsed::Hello(Hello {
                            token,
                            ..Hello::default()
                        }),
                    );
                }
                Wire::NewJob { .. } => {
                    self.ms += 500.0;
                    jobs += 1;
                    let (number, data) = (jobs, None);
                    self.answers(id, Parsed::Job { number, data });
                }
                Wire::Complete { number: 2, .. } => {
                    holder = token;
                    self.is_refused(id, status);
                }
                Wire::Validate { .. } => self.answers(id, Parsed::Alive(true)),
                _ => {
                    taken += usize::from(matches!(wire, Wire::Complete { .. }));
                    if holder.is_some() && token == holder {
                        after.push(wire);
                        break;
                    }
                    self.answers(id, Parsed::Nothing);
                }
            }
        }
        (taken, after)
    }

    fn registers(&mut self) {
        let id = self.request().id;
        let hello = Hello {
            token: "t".to_owned(),
            syncs: true,
            files: false,
            lease_ms: 300_000.0,
            ..Hello::default()
        };
        self.answers(id, Parsed::Hello(hello));
    }

    fn given(&mut self) -> Vec<JobKey> {
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

    fn ends(&mut self, key: JobKey, outcome: Outcome) {
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
    talk.happens(Event::Resumed(0, Some((77, stored))));
    talk.happens(Event::CoreUp(0));
    let place = talk.hub.table().get(77).map(|job| job.state.clone());
    assert!(
        matches!(place, Some(JobState::Running { core: 0, .. })),
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

#[test]
fn a_result_that_a_proxy_finds_too_large_fails_with_its_sizes_and_the_others_arrive() {
    let mut talk = Talk::new(&[Stage::A]).begin(0);
    let mut sizes = vec![10_000; 20];
    sizes[7] = 1_500_000;
    talk.computes(&sizes);
    let size = |sync: &Sync| sync.done.iter().map(|(_, text)| text.bytes).sum::<u32>();
    let (accepted, failed, refused) =
        talk.is_served(|sync| (size(sync) > 1_000_000).then_some(413));
    assert_eq!(accepted.len(), 19);
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].0, "lease 8");
    let why = &failed[0].1;
    assert!(why.contains("413") && why.contains("1500 kB"), "{why}");
    assert!(refused < 20, "{refused} requests were refused");
    assert!(talk.ms < 60_000.0, "after {} ms", talk.ms);
    assert_eq!(talk.hub.status(talk.now()).jobs_failed, 1);
}

#[test]
fn a_result_that_a_proxy_refuses_again_and_again_fails_and_the_others_arrive() {
    // As a firewall does that takes one text for an attack, and a tracker that fails at one result.
    for (status, patience_ms) in [(403, 120_000.0), (400, 120_000.0), (500, 1_200_000.0)] {
        let mut talk = Talk::new(&[Stage::A]).begin(0);
        talk.computes(&[1_000; 20]);
        let has = |sync: &Sync| sync.done.iter().any(|(lease, _)| lease == "lease 8");
        let (accepted, failed, _) = talk.is_served(|sync| has(sync).then_some(status));
        assert_eq!(accepted.len(), 19, "{status}");
        assert_eq!(failed.len(), 1, "{status}");
        assert!(failed[0].1.contains(&status.to_string()), "{}", failed[0].1);
        assert!(talk.ms < patience_ms, "{status} after {} ms", talk.ms);
    }
}

#[test]
fn nothing_is_given_up_while_a_proxy_refuses_everything() {
    let mut talk = Talk::new(&[Stage::A]).begin(0);
    talk.computes(&[1_000; 20]);
    let begun = talk.ms;
    let refused = std::cell::Cell::new(0);
    let status = [401, 403, 407, 404, 451, 500, 511];
    let (accepted, failed, _) = talk.is_served(|_| {
        refused.set(refused.get() + 1);
        let at = refused.get();
        (at <= 200).then(|| status[at % status.len()])
    });
    assert_eq!((accepted.len(), failed.len()), (20, 0));
    assert!(talk.ms - begun > 1_800_000.0, "{}", talk.ms);
}

#[test]
fn in_the_first_protocol_too_a_refused_result_fails_and_the_others_arrive() {
    for (status, patience_ms) in [(413, 10_000.0), (403, 60_000.0), (502, 1_200_000.0)] {
        let mut talk = Talk::new(&[Stage::A]).begin(0);
        let (taken, after) = talk.is_served_by_calls(status);
        assert!(taken > 1, "{status}: {taken} results arrived");
        // There is no call for a failure: the worker puts its job back.
        assert!(
            matches!(after[..], [Wire::Bye { .. }]),
            "{status}: {after:?}"
        );
        assert!(talk.ms < patience_ms, "{status} after {} ms", talk.ms);
        assert_eq!(talk.hub.status(talk.now()).jobs_failed, 1);
    }
}

#[test]
fn after_each_failure_half_as_much_is_asked_for_and_it_comes_back() {
    let mut talk = Talk::new(&[Stage::A]).begin(0);
    talk.happens(Event::CoreUp(0));
    talk.registers();
    let (mut id, first) = talk.sync();
    // Nothing is known of the line yet.
    assert!((1..=65_536).contains(&first.want_bytes), "{first:?}");
    let mut lease = 0;
    let mut serves = |talk: &mut Talk, id: u32| {
        lease += 1;
        let synced = Synced {
            jobs: vec![job(lease, 1, &format!("lease {lease}"))],
            wait_ms: 15_000.0,
            left_bytes: Some(25_000.0),
            limited: false,
            ..Synced::default()
        };
        // 4 Mbit/s.
        let (up, down) = (300.0, 2_000_000.0);
        talk.happens(Event::Transfer(
            id,
            Transfer {
                status: 200,
                up,
                down: 0.0,
                ended: false,
                written_ms: 0.0,
            },
        ));
        talk.ms += 4_000.0;
        let ended = true;
        talk.happens(Event::Transfer(
            id,
            Transfer {
                status: 200,
                up,
                down,
                ended,
                written_ms: 0.0,
            },
        ));
        talk.answers(id, Parsed::Sync(synced));
        talk.ends(
            talk.hub.table().iter().last().expect("a job").key,
            Outcome::Done(Text {
                id: lease as u32,
                bytes: 2,
            }),
        );
    };
    let mut asked = Vec::new();
    for _ in 0..6 {
        serves(&mut talk, id);
        talk.passes(3_000.0);
        let sync;
        (id, sync) = talk.sync();
        asked.push(sync.want_bytes);
    }
    let most = *asked.last().expect("several");
    assert!((1_400_000..=1_500_000).contains(&most), "{asked:?}");
    for _ in 0..3 {
        talk.happens(Event::Answered(id, TrackerResponse::TimedOut));
        talk.passes(120_000.0);
        let sync;
        (id, sync) = talk.sync();
        let before = *asked.last().expect("several");
        assert!(
            sync.want <= 1_024 && sync.want_bytes * 2 <= before + 2,
            "{asked:?}"
        );
        asked.push(sync.want_bytes);
    }
    for _ in 0..3 {
        serves(&mut talk, id);
        talk.passes(3_000.0);
        let sync;
        (id, sync) = talk.sync();
        asked.push(sync.want_bytes);
    }
    assert!(*asked.last().expect("several") >= 1_400_000, "{asked:?}");
}

#[test]
fn a_setup_that_fails_in_all_cores_is_told_once_and_again_where_the_telling_failed() {
    const WHY: &str = "Error: no such model";
    let mut talk = Talk::new(&[Stage::A]).begin(0);
    talk.happens(Event::CoreBroken(0, WHY.to_owned()));
    talk.registers();
    let (id, sync) = talk.sync();
    assert_eq!(sync.setup_failed.as_deref(), Some(WHY));
    let lost = TrackerResponse::NotReached("Failed to fetch".to_owned());
    talk.happens(Event::Answered(id, lost));
    talk.passes(2_000.0);
    let (id, sync) = talk.sync();
    assert_eq!(sync.setup_failed.as_deref(), Some(WHY));
    talk.answers(id, granted(Vec::new()));
    for _ in 0..5 {
        talk.passes(70_000.0);
        talk.happens(Event::CoreBroken(0, WHY.to_owned()));
    }
    let sent = |action: &Action| matches!(action, Action::Send(_));
    assert!(!talk.said.iter().any(sent), "{:?}", talk.said);
    // Another fault is news.
    talk.happens(Event::CoreBroken(0, "Error: no memory".to_owned()));
    let (_, sync) = talk.sync();
    assert_eq!(sync.setup_failed.as_deref(), Some("Error: no memory"));
}

#[test]
fn a_setup_that_fails_is_told_again_under_another_registration_and_not_to_who_refuses_it() {
    const WHY: &str = "Error: <script> is missing";
    let broken = || {
        let mut talk = Talk::new(&[Stage::A]).begin(0);
        talk.happens(Event::CoreBroken(0, WHY.to_owned()));
        talk.registers();
        let (id, sync) = talk.sync();
        assert_eq!(sync.setup_failed.as_deref(), Some(WHY));
        (talk, id)
    };
    let (mut talk, id) = broken();
    talk.is_unknown(id);
    talk.passes(2_000.0);
    talk.registers();
    let (_, sync) = talk.sync();
    assert_eq!(sync.setup_failed.as_deref(), Some(WHY));

    let (mut talk, id) = broken();
    talk.is_refused(id, 403);
    for _ in 0..20 {
        talk.passes(70_000.0);
    }
    let again = |action: &Action| match action {
        Action::Send(request) => match &request.wire {
            Wire::Sync(sync) => sync.setup_failed.is_some(),
            _ => false,
        },
        _ => false,
    };
    assert!(!talk.said.iter().any(again), "{:?}", talk.said);
}

/// A hub whose line carries 250 bytes a millisecond with a round trip of 300 ms, which has sent the first of five
/// results and not heard of it. Each result fills a request. With the number of that request.
fn with_results_for_a_line() -> (Talk, u32) {
    const RESULT: u32 = 400_000;
    let mut talk = Talk::new(&[Stage::A]).begin(0);
    talk.happens(Event::CoreUp(0));
    talk.registers();
    let (id, _) = talk.sync();
    talk.passes(300.0);
    talk.begins(id, 300.0);
    let jobs = (1..=6).map(|n| job(n, 1, &format!("lease {n}")));
    let synced = Synced {
        jobs: jobs.collect(),
        wait_ms: 60_000.0,
        left_bytes: Some(1_000.0),
        ..Synced::default()
    };
    talk.answers(id, Parsed::Sync(synced));
    let keys: Vec<JobKey> = talk.hub.table().iter().map(|job| job.key).collect();
    let result = |id| Outcome::Done(Text { id, bytes: RESULT });
    talk.ends(keys[0], result(1));
    let (id, sync) = talk.sync();
    assert_eq!(sync.done.len(), 1);
    // Texts count twice.
    talk.passes(300.0 + f64::from(RESULT) / 2.0 / 250.0);
    talk.begins(id, f64::from(RESULT) / 2.0);
    talk.accepts(id, &["lease 1"]);
    for (n, key) in (2..).zip(&keys[1..]) {
        talk.ends(*key, result(n));
    }
    let (id, sync) = talk.sync();
    assert_eq!(leases(&sync), ["lease 2"]);
    (talk, id)
}

fn leases(sync: &Sync) -> Vec<&str> {
    sync.done.iter().map(|(lease, _)| lease.as_str()).collect()
}

#[test]
fn when_a_full_request_is_nearly_uploaded_another_one_follows() {
    let (mut talk, first) = with_results_for_a_line();
    // Its upload is likely to take 800 ms.
    talk.passes(550.0);
    assert!(talk.said_no_request());
    talk.passes(100.0);
    let (second, sync) = talk.sync();
    assert_eq!(leases(&sync), ["lease 3"]);
    assert_eq!(sync.want, 0);
    let held = sync.holding.iter().any(|lease| lease == "lease 2");
    assert!(held, "{:?}", sync.holding);
    // Not a third one.
    talk.passes(5_000.0);
    assert!(talk.said_no_request());
    talk.begins(first, 200_000.0);
    talk.accepts(first, &["lease 2"]);
    talk.begins(second, 200_000.0);
    talk.accepts(second, &["lease 3"]);
    assert_eq!(talk.hub.table().count(|job| job.outcome().is_some()), 3);
}

#[test]
fn a_request_that_another_one_has_overtaken_is_sent_again() {
    let (mut talk, first) = with_results_for_a_line();
    talk.passes(900.0);
    let (second, _) = talk.sync();
    talk.begins(second, 200_000.0);
    talk.accepts(second, &["lease 3"]);
    let (third, sync) = talk.sync();
    assert_eq!(leases(&sync)[0], "lease 4");
    talk.is_superseded(first);
    talk.begins(third, 200_000.0);
    talk.accepts(third, &["lease 4", "lease 5"]);
    let (fourth, sync) = talk.sync();
    assert_eq!(leases(&sync)[0], "lease 2");
    // The same answer to the request that was sent last means that another client uses the token.
    talk.is_superseded(fourth);
    talk.passes(60_000.0);
    assert!(talk.said_no_request());
}

#[test]
fn nothing_follows_a_request_while_the_tracker_is_away_or_a_result_is_refused() {
    let (mut talk, first) = with_results_for_a_line();
    talk.happens(Event::Answered(first, TrackerResponse::TimedOut));
    talk.passes(2_000.0);
    let (again, _) = talk.sync();
    talk.passes(9_000.0);
    assert!(talk.said_no_request());
    talk.is_refused(again, 403);
    talk.passes(3_000.0);
    let (alone, _) = talk.sync();
    talk.passes(9_000.0);
    assert!(talk.said_no_request(), "beside request {alone}");
}

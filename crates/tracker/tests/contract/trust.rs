//! Results that are checked by other volunteers.

use std::collections::BTreeSet;

use distcompute_protocol::{Done, Invalid, Stage, SyncRequest};
use distcompute_tracker::{
    clock::Clock as _,
    ledger::GrantedLease,
    operations::{
        trust::{Reverted, release, revert},
        turns::Turns,
    },
    rules::trust::{Policy, Trust},
    store::{NewWorker, ProvenKey, StoreRules, TrustRow, Which},
};

use super::{Given, NOW, RULES, asks};

const ADA: &str = "ada";
const BOB: &str = "bob";
const EVE: &str = "eve";
const OWN: &str = "own";

/// Both stages are checked like this.
pub(crate) fn rules(policy: &str) -> StoreRules {
    let policy: Policy = policy.parse().expect("a policy");
    let mut policies = [Policy::Off; 5];
    policies[..2].fill(policy);
    StoreRules {
        trust: Trust {
            policies,
            operators: vec![format!("k:{OWN}")].leak(),
            version: "1",
            audits_per_minute: 0,
        },
        ..RULES
    }
}

/// The rules without a worker of the operator's own.
pub(crate) fn without_own(policy: &str) -> StoreRules {
    let mut rules = rules(policy);
    rules.trust.operators = &[];
    rules
}

/// A volunteer with a key, at a stage.
fn new_worker(key: &str, stage: Stage) -> NewWorker {
    let token = format!("{key} {stage}");
    NewWorker {
        token: token.clone(),
        display_name: format!("name-{token}"),
        nickname: format!("The {key}"),
        address: "192.0.2.9".to_owned(),
        proven: Some(ProvenKey {
            thumbprint: key.to_owned(),
            nonce: token,
            expires_at: NOW * 2,
        }),
        browser: String::new(),
        stage,
    }
}

impl Given {
    /// Registers a volunteer with a key, at a stage. Its token is that of both.
    async fn meet(&self, key: &str, stage: Stage) {
        let worker = new_worker(key, stage);
        self.store.register(worker).await.expect("registered");
    }

    /// A sync of a volunteer at a stage. Its number is the time.
    async fn call(&self, key: &str, stage: Stage, request: SyncRequest) -> Called {
        self.clock.advance(1);
        let request = SyncRequest {
            token: format!("{key} {stage}"),
            seq: u64::try_from(self.clock.now() - NOW).expect("later"),
            cores: Some(64),
            ..request
        };
        let reply = self.sync(request).await.expect("an answer");
        Called {
            granted: reply.granted,
            accepted: reply.accepted.len(),
            unconfirmed: reply.unconfirmed,
        }
    }

    async fn ask(&self, key: &str, stage: Stage) -> Option<GrantedLease> {
        let mut called = self.call(key, stage, asks("", 0, 1)).await;
        called.granted.pop()
    }

    /// Eve finishes what comes before a job at stage b, and calls the good input of that job bad.
    async fn eve_flags(&self, number: i64) {
        let lease = loop {
            let lease = self.ask(EVE, Stage::B).await.expect("a job");
            if lease.number == number {
                break lease;
            }
            self.give(EVE, &lease, "end").await;
            if let Some(checked) = self.ask(OWN, Stage::B).await {
                self.give(OWN, &checked, "end").await;
            }
        };
        let flag = SyncRequest {
            invalid: vec![Invalid {
                lease: lease.lease,
                reason: "it looks odd".to_owned(),
            }],
            ..SyncRequest::default()
        };
        self.call(EVE, Stage::B, flag).await;
    }

    async fn give(&self, key: &str, lease: &GrantedLease, data: &str) -> Called {
        let done = super::hands_in("", 0, &lease.lease, data);
        self.call(key, lease.stage, done).await
    }

    /// Takes the next job of stage `a` and hands in an output for it. Returns the job.
    async fn work(&self, key: &str, data: &str) -> Option<i64> {
        let lease = self.ask(key, Stage::A).await?;
        assert_eq!(lease.attempt, 1, "nothing tells that it is a check");
        assert_eq!(self.give(key, &lease, data).await.accepted, 1);
        Some(lease.number)
    }

    async fn known(&self, who: &str, stage: Stage) -> TrustRow {
        let which = Which::Volunteer(who.to_owned());
        let rows = self.store.trusted(&which).await.expect("rows");
        let row = rows.into_iter().find(|row| row.stage == stage);
        row.unwrap_or_else(|| panic!("{who} is not known at {stage}"))
    }

    async fn known_or_new(&self, key: &str) -> TrustRow {
        self.work(key, "right").await.expect("a job");
        self.work(OWN, "right").await.expect("a check");
        self.known(&format!("k:{key}"), Stage::A).await
    }

    async fn done(&self, stage: Stage) -> u64 {
        self.status().await.stages[stage.index()].done
    }

    async fn waiting(&self, stage: Stage) -> u64 {
        self.status().await.stages[stage.index()].waiting
    }

    /// Lets a volunteer work, and the operator's own worker check, until it was confirmed so often. Returns the jobs
    /// whose results count on its word alone.
    async fn establish(&self, key: &str, times: u64) -> Vec<i64> {
        let mut alone = Vec::new();
        loop {
            let number = self.work(key, "right").await.expect("a job");
            if self.work(OWN, "right").await.is_none() {
                alone.push(number);
            }
            if self.known(&format!("k:{key}"), Stage::A).await.confirmed == times {
                return alone;
            }
        }
    }

    /// Lets a volunteer work until so many more of its results count on its word alone. The others are
    /// confirmed.
    async fn work_alone(&self, key: &str, results: u64) -> Vec<i64> {
        let mut alone = Vec::new();
        let before = self.known(&format!("k:{key}"), Stage::A).await.unchecked;
        for _ in 0..500 {
            let number = self.work(key, "right").await.expect("a job");
            let now = self.known(&format!("k:{key}"), Stage::A).await.unchecked;
            if now > before + alone.len() as u64 {
                alone.push(number);
            } else {
                self.work(OWN, "right").await.expect("a job to check");
            }
            if alone.len() as u64 == results {
                return alone;
            }
        }
        panic!("every result was checked");
    }

    async fn settle_all(&self) {
        while self.store.recall(128).await.expect("recalled") > 0 {}
    }
}

struct Called {
    granted: Vec<GrantedLease>,
    accepted: usize,
    unconfirmed: u64,
}

pub(crate) async fn a_newcomers_result_counts_when_the_operator_has_confirmed_it(given: &Given) {
    given.jobs(3).await;
    for key in [ADA, BOB, OWN] {
        given.meet(key, Stage::A).await;
    }
    assert!(given.ask(OWN, Stage::A).await.is_none(), "nothing to check");
    let lease = given.ask(ADA, Stage::A).await.expect("a job");
    let called = given
        .give(ADA, &lease, "<!json!>{\"x\": 1, \"y\": 2}")
        .await;
    assert_eq!((called.accepted, called.unconfirmed), (1, 1));
    assert_eq!(
        (given.done(Stage::A).await, given.waiting(Stage::A).await),
        (0, 1)
    );
    let repeated = given
        .give(ADA, &lease, "<!json!>{\"x\": 1, \"y\": 2}")
        .await;
    assert_eq!(repeated.accepted, 1, "a repeated result is accepted again");
    let credit = |ranks: Vec<distcompute_tracker::store::Rank>| {
        ranks.iter().map(|rank| rank.completed).collect::<Vec<_>>()
    };
    let ranks = given.store.leaderboard(super::all()).await.expect("ranks");
    assert_eq!(credit(ranks), [0; 0], "credit is given when it counts");
    let receipts = async || {
        let rows = async |key| given.store.counted(key, 0, 9).await.expect("rows");
        rows(ADA).await.len() + rows(BOB).await.len()
    };
    assert_eq!(receipts().await, 0, "and so are receipts");
    assert_eq!(
        given.store.results(Stage::A, 0, 9).await.expect("results"),
        []
    );
    // A newcomer does not confirm another one.
    let bobs = given.work(BOB, "<!json!>{\"x\":1,\"y\":2}").await;
    assert!(bobs.is_some_and(|number| number != lease.number));
    let checked = given.ask(OWN, Stage::A).await.expect("a job to check");
    assert_eq!(checked.attempt, 1);
    given
        .give(OWN, &checked, "<!json!>{\"y\":2,\"x\":1.0}")
        .await;
    assert_eq!(receipts().await, 1);
    assert_eq!(
        (given.done(Stage::A).await, given.waiting(Stage::A).await),
        (1, 1)
    );
    let results = given.store.results(Stage::A, 0, 9).await.expect("results");
    assert_eq!(
        results[0].data, "<!json!>{\"y\":2,\"x\":1.0}",
        "as it was written by whom is trusted the most"
    );
    let ranks = given.store.leaderboard(super::all()).await.expect("ranks");
    assert_eq!(credit(ranks), [1, 1]);
    let maker = if checked.number == lease.number {
        "k:ada"
    } else {
        "k:bob"
    };
    let known = given.known(maker, Stage::A).await;
    assert_eq!((known.confirmed, known.right, known.waiting), (1, 1, 0));
    assert!(given.ask(OWN, Stage::A).await.is_some(), "the other one's");
    assert_eq!(given.known("k:own", Stage::A).await.waiting, 0);
}

pub(crate) async fn established_volunteers_confirm_others_and_never_themselves(given: &Given) {
    given.jobs(40).await;
    for key in [ADA, BOB, EVE, OWN] {
        given.meet(key, Stage::A).await;
    }
    given.establish(ADA, 3).await;
    // Ada's own result that waits, or one of Bob's: she is only ever given Bob's.
    let number = given.work(BOB, "right").await.expect("a job");
    let bobs = given.ask(ADA, Stage::A).await.expect("a job");
    assert_eq!(bobs.number, number);
    given.give(ADA, &bobs, "right").await;
    assert_eq!(given.known("k:bob", Stage::A).await.confirmed, 1);
    assert_eq!(given.known("k:ada", Stage::A).await.confirmed, 4);
    // Bob is established with one confirmation, and is checked with a probability of one.
    let waits = given.work(BOB, "right").await.expect("a job");
    assert_eq!(given.waiting(Stage::A).await, 1);
    let other = given.ask(BOB, Stage::A).await.expect("another job");
    assert_ne!(other.number, waits);
    // A liar's result is in dispute until the operator decides; then the liar is on hold.
    let eves = given.work(EVE, "wrong").await.expect("a job");
    let mut seen = BTreeSet::new();
    while let Some(lease) = given.ask(ADA, Stage::A).await {
        seen.insert(lease.number);
        given.give(ADA, &lease, "right").await;
        if lease.number == eves {
            break;
        }
    }
    assert!(seen.contains(&eves));
    assert_eq!(given.status().await.stages[0].disputed, 1);
    let disputed = given.ask(OWN, Stage::A).await.expect("the dispute");
    assert_eq!(disputed.number, eves);
    given.give(OWN, &disputed, "right").await;
    let liar = given.known("k:eve", Stage::A).await;
    assert!(
        liar.on_hold && liar.wrong == 1 && liar.confirmed == 0,
        "{liar:?}"
    );
    assert!(given.ask(EVE, Stage::A).await.is_none(), "on hold");
    assert_eq!(given.status().await.stages[0].on_hold, 1);
}

pub(crate) async fn what_rests_on_the_word_of_one_found_wrong_is_made_again_two_stages_later(
    given: &Given,
) {
    given.jobs(600).await;
    for stage in [Stage::A, Stage::B] {
        for key in [ADA, BOB, OWN] {
            given.meet(key, stage).await;
        }
    }
    let mut alone = given.establish(ADA, 20).await;
    alone.extend(given.work_alone(ADA, 3).await);
    let count = alone.len() as u64;
    // Two of the three are closed, one waits for a check at the next stage, with those that were confirmed.
    let mut closed = BTreeSet::new();
    while closed.len() < 2 {
        let lease = given.ask(BOB, Stage::B).await.expect("a job");
        given.give(BOB, &lease, "end").await;
        if let Some(checked) = given.ask(OWN, Stage::B).await {
            given.give(OWN, &checked, "end").await;
        }
        if alone.contains(&lease.number) {
            closed.insert(lease.number);
        }
    }
    let before = given.status().await;
    let credits = given.store.leaderboard(super::all()).await.expect("ranks");
    // Now a lie of Ada's is found.
    for attempt in 0.. {
        assert!(attempt < 500, "no lie is checked");
        let known = given.known("k:ada", Stage::A).await.unchecked;
        given.work(ADA, "wrong").await.expect("a job");
        if given.known("k:ada", Stage::A).await.unchecked == known {
            break;
        }
    }
    let lies = given.known("k:ada", Stage::A).await.unchecked - count;
    given.work(OWN, "right").await.expect("the lie");
    assert!(given.known("k:ada", Stage::A).await.on_hold);
    given.settle_all().await;
    let ada = given.known("k:ada", Stage::A).await;
    assert_eq!((ada.unchecked, ada.waiting), (0, 0), "{ada:?}");
    let after = given.status().await;
    assert_eq!(after.closed, before.closed - 2);
    assert_eq!(
        after.stages[0].done,
        before.stages[0].done + 1 - count,
        "the lie was corrected"
    );
    assert_eq!(after.stages[1].done, before.stages[1].done - 2);
    let places = alone
        .iter()
        .map(|number| u64::try_from(*number).expect("a number"));
    let places = given.store.whereabouts(&places.collect::<Vec<_>>()).await;
    for place in places.expect("places") {
        assert_eq!(
            (place.stage, place.state.as_str()),
            (Stage::A, "open"),
            "{place:?}"
        );
    }
    let gone = given
        .store
        .retractions(Stage::A, 0, 99)
        .await
        .expect("a list");
    let gone: BTreeSet<i64> = gone.iter().map(|one| one.number as i64).collect();
    assert_eq!(gone.len() as u64, count + lies);
    assert!(alone.iter().all(|number| gone.contains(number)));
    let gone = given
        .store
        .retractions(Stage::B, 0, 99)
        .await
        .expect("a list");
    assert_eq!(gone.len(), 2);
    let kept = given.store.leaderboard(super::all()).await.expect("ranks");
    let bob = |ranks: &[distcompute_tracker::store::Rank]| {
        let mut ranks = ranks.iter().filter(|rank| rank.nickname == "The bob");
        ranks.next().map(|rank| rank.completed)
    };
    assert_eq!(
        bob(&kept),
        bob(&credits),
        "honest work on bad input keeps its credit"
    );
}

pub(crate) async fn a_flag_is_compared_with_the_input_that_it_calls_bad(given: &Given) {
    given.jobs(300).await;
    for stage in [Stage::A, Stage::B] {
        for key in [ADA, EVE, OWN] {
            given.meet(key, stage).await;
        }
    }
    given.establish(ADA, 20).await;
    let alone = given.work_alone(ADA, 1).await[0];
    given.eve_flags(alone).await;
    let place = given
        .store
        .whereabouts(&[alone as u64])
        .await
        .expect("places");
    assert_eq!(
        (place[0].stage, place[0].state.as_str()),
        (Stage::A, "waiting")
    );
    assert!(
        given
            .ask(EVE, Stage::A)
            .await
            .is_some_and(|lease| lease.number != alone)
    );
    let checked = given.ask(OWN, Stage::A).await.expect("a job to check");
    assert_eq!(checked.number, alone);
    given.give(OWN, &checked, "right").await;
    let place = given
        .store
        .whereabouts(&[alone as u64])
        .await
        .expect("places");
    assert_eq!(
        (place[0].stage, place[0].state.as_str()),
        (Stage::B, "open")
    );
    let eve = given.known("k:eve", Stage::B).await;
    assert!(eve.on_hold && eve.wrong == 1, "{eve:?}");
    let ada = given.known("k:ada", Stage::A).await;
    assert!(!ada.on_hold && ada.confirmed > 20, "{ada:?}");
}

pub(crate) async fn a_quorum_takes_distinct_addresses_where_there_are_no_keys(given: &Given) {
    given.jobs(2).await;
    for (token, address) in [
        ("one", "192.0.2.1"),
        ("two", "192.0.2.1"),
        ("three", "192.0.2.3"),
    ] {
        let worker = NewWorker {
            browser: String::new(),
            token: token.to_owned(),
            display_name: format!("name-{token}"),
            nickname: format!("The {token}"),
            address: address.to_owned(),
            proven: None,
            stage: Stage::A,
        };
        given.store.register(worker).await.expect("registered");
    }
    for token in ["one", "two"] {
        given.take(token).await;
        given.hand_in(token, "right").await.expect("accepted");
        given.hand_in(token, "right").await.expect("a repeated one");
    }
    assert_eq!(
        (given.done(Stage::A).await, given.waiting(Stage::A).await),
        (0, 2)
    );
    assert!(
        given.store.claim("one", "s".to_owned()).await.is_err(),
        "one and two are the same"
    );
    for left in [1, 0] {
        given.take("three").await;
        given.hand_in("three", "right").await.expect("accepted");
        assert_eq!(given.waiting(Stage::A).await, left);
    }
    assert_eq!(given.done(Stage::A).await, 2);
    let ranks = given.store.leaderboard(super::all()).await.expect("ranks");
    let credits: Vec<u64> = ranks.iter().map(|rank| rank.completed).collect();
    assert_eq!(credits, [2, 1, 1]);
}

pub(crate) async fn opinions_without_a_majority_set_a_job_aside(given: &Given) {
    given.jobs(1).await;
    let mut gave = 0;
    for key in ["a", "b", "c", "d", "e", "f"] {
        given.meet(key, Stage::A).await;
        if given.work(key, &format!("what {key} says")).await.is_some() {
            gave += 1;
        }
    }
    assert_eq!(gave, 5);
    let aside = given.store.set_aside(super::all()).await.expect("a list");
    assert_eq!(aside.len(), 1, "{aside:?}");
    assert_eq!(given.known("k:a", Stage::A).await.waiting, 0);
    let all = distcompute_tracker::store::RequeueFilter::default();
    assert_eq!(given.store.requeue(&all).await.expect("requeued"), 1);
    for key in ["a", "f"] {
        given.work(key, "the same").await.expect("a job");
    }
    assert_eq!(given.done(Stage::A).await, 1);
}

pub(crate) async fn a_volunteer_is_held_by_the_operator_and_begins_anew(given: &Given) {
    given.jobs(100).await;
    for key in [ADA, OWN] {
        given.meet(key, Stage::A).await;
    }
    given.establish(ADA, 12).await;
    given.work_alone(ADA, 2).await;
    let alone = given.known("k:ada", Stage::A).await.unchecked;
    let before = given.done(Stage::A).await;
    assert!(alone > 0 && before > alone);
    let store = given.store.as_ref();
    let done = revert(store, ADA, "me", Turns::Fair).await;
    let done = done.expect("reverted");
    assert!(done.on_hold);
    assert!(done.jobs >= alone, "{done:?}");
    given.settle_all().await;
    let left = given.done(Stage::A).await;
    assert!(left <= before - alone, "{left} of {before}");
    assert!(given.ask(ADA, Stage::A).await.is_none());
    let of_nobody = revert(store, "nobody", "me", Turns::Fair).await;
    let on_hold = Reverted {
        jobs: 0,
        on_hold: true,
    };
    assert_eq!(of_nobody.expect("reverted"), on_hold);
    assert!(release(store, ADA, "me").await.expect("released"));
    assert!(!release(store, ADA, "me").await.expect("answered"));
    let ada = given.known("k:ada", Stage::A).await;
    assert_eq!((ada.on_hold, ada.confirmed, ada.unchecked), (false, 0, 0));
    assert!(given.work(ADA, "right").await.is_some());
    assert_eq!(
        given.waiting(Stage::A).await,
        1,
        "a newcomer's result waits"
    );
}

impl Given {
    /// Lets one minute pass after the other, in which this volunteer asks for as many jobs as it may hold, and does
    /// them. Returns how many it did in each.
    async fn minutes_of(&self, key: &str, minutes: usize) -> Vec<usize> {
        let mut done = Vec::new();
        for _ in 0..minutes {
            self.clock.advance(60_000);
            let called = self.call(key, Stage::A, asks("", 0, 60)).await;
            done.push(called.granted.len());
            self.give_all(key, &called.granted).await;
        }
        done
    }

    /// Hands in outputs for all jobs that a volunteer holds.
    async fn give_all(&self, key: &str, held: &[GrantedLease]) {
        let done = held.iter().map(|lease| Done {
            lease: lease.lease.clone(),
            data: "right".to_owned(),
        });
        let request = SyncRequest {
            done: done.collect(),
            ..SyncRequest::default()
        };
        let called = self.call(key, Stage::A, request).await;
        assert_eq!(called.accepted, held.len());
    }
}

/// How many results wait for an opinion in these tests, at most as many as a volunteer may hold.
const LANE: usize = 32;

pub(crate) async fn who_confirms_whom_is_not_theirs_to_choose_and_no_job_starves(given: &Given) {
    // Of as many volunteers that could confirm, into how many parts the lane is divided.
    given.meet(OWN, Stage::A).await;
    for (others, parts) in [(0, 1), (1, 1), (4, 2), (45, 16)] {
        let key = |number: usize| format!("v{others} {number}");
        for number in 0..=others {
            given.jobs(1).await;
            given.meet(&key(number), Stage::A).await;
            given.work(&key(number), "right").await.expect("a job");
            given.work(OWN, "right").await.expect("a job to check");
        }
        given.jobs(LANE).await;
        let newcomer = format!("new {others}");
        given.meet(&newcomer, Stage::A).await;
        for _ in 0..LANE {
            given.work(&newcomer, "right").await.expect("a job");
        }
        // The others ask and get nothing, as if they did something else: results would move in the lane if they
        // took them and gave them back. Those of the last turn have gone.
        let mut minutes = 0;
        let mut done = Vec::new();
        while given.waiting(Stage::A).await > 0 {
            let most = 2 * parts + 1;
            assert!(minutes < most, "{done:?} after {minutes} minutes");
            if minutes % 8 == 0 {
                given.store.pause(&[Stage::A], "").await.expect("paused");
                for number in 1..=others {
                    given.call(&key(number), Stage::A, asks("", 0, 1)).await;
                }
                given.store.resume(&[Stage::A]).await.expect("resumed");
            }
            minutes += 1;
            done.extend(given.minutes_of(&key(0), 1).await);
        }
        let first = done.iter().find(|count| **count > 0).copied();
        let most = if parts == 1 { LANE } else { LANE * 7 / 8 };
        assert!(
            first.is_some_and(|first| first <= most),
            "{done:?} of {parts} parts"
        );
        assert_eq!(done.iter().sum::<usize>(), LANE, "{done:?}");
        given.clock.advance(660_000);
    }
}

pub(crate) async fn the_order_of_granted_jobs_does_not_tell_which_are_checks(given: &Given) {
    given.jobs(200).await;
    for key in [ADA, BOB, OWN] {
        given.meet(key, Stage::A).await;
    }
    given.establish(ADA, 1).await;
    let mut seen = BTreeSet::new();
    for _ in 0..12 {
        let checks: BTreeSet<i64> = [
            given.work(BOB, "right").await.expect("a job"),
            given.work(BOB, "right").await.expect("a job"),
        ]
        .into();
        let called = given.call(ADA, Stage::A, asks("", 0, 4)).await;
        let place = |lease: &GrantedLease| checks.contains(&lease.number);
        seen.insert(called.granted.iter().map(place).collect::<Vec<_>>());
        let ids = called.granted.iter().map(|lease| lease_id(&lease.lease));
        assert!(ids.collect::<Vec<_>>().is_sorted(), "nor do the leases");
        given.give_all(ADA, &called.granted).await;
        while given.work(OWN, "right").await.is_some() {}
    }
    assert!(seen.iter().any(|order| !order[0] || !order[1]), "{seen:?}");
}

pub(crate) async fn jobs_are_begun_in_a_random_order_that_numbers_do_not_tell(given: &Given) {
    const JOBS: usize = 300;
    given.jobs(JOBS).await;
    for key in [ADA, OWN] {
        given.meet(key, Stage::A).await;
    }
    let mut order = given.establish(ADA, 1).await;
    while order.len() < JOBS - 1 {
        let called = given.call(ADA, Stage::A, asks("", 0, 20)).await;
        assert!(!called.granted.is_empty(), "after {} jobs", order.len());
        order.extend(called.granted.iter().map(|lease| lease.number));
        given.give_all(ADA, &called.granted).await;
        while given.work(OWN, "right").await.is_some() {}
    }
    let all: BTreeSet<i64> = order.iter().copied().collect();
    assert_eq!(all.len(), order.len(), "none twice: {order:?}");
    // Of a hundred in a random order, fewer than 28 of one half come once in 100,000 times.
    for part in order.chunks(100) {
        let low = part.iter().filter(|number| **number <= 150).count();
        let half = part.len() / 2;
        assert!(
            low.abs_diff(half) < 23,
            "{low} of {}: {order:?}",
            part.len()
        );
        let ascends = |two: &&[i64]| two[0] < two[1];
        let ascending = part.windows(2).filter(ascends).count();
        assert!(ascending.abs_diff(half) < 23, "{ascending}: {order:?}");
    }
    assert_eq!(given.done(Stage::A).await, JOBS as u64);
}

fn lease_id(lease: &str) -> i64 {
    let (id, _) = lease.split_once('-').expect("two parts");
    id.parse().expect("a number")
}

pub(crate) async fn those_without_a_key_are_always_checked_and_confirm_nobody(given: &Given) {
    given.jobs(30).await;
    given.join("plain", "Ann", Stage::A).await;
    for key in [EVE, OWN] {
        given.meet(key, Stage::A).await;
    }
    for _ in 0..5 {
        given.take("plain").await;
        given.hand_in("plain", "right").await.expect("accepted");
        given.work(OWN, "right").await.expect("it was not checked");
    }
    let waits = given.work(EVE, "right").await.expect("a job");
    assert_ne!(given.take("plain").await as i64, waits);
}

pub(crate) async fn what_a_volunteer_on_hold_has_confirmed_is_looked_at_again(given: &Given) {
    given.jobs(60).await;
    for stage in [Stage::A, Stage::B] {
        for key in [ADA, BOB, EVE, OWN] {
            given.meet(key, stage).await;
        }
    }
    given.establish(ADA, 1).await;
    // Ada confirms what two newcomers say, and the next stage is done with it.
    let mut jobs = Vec::new();
    for key in [BOB, EVE] {
        let number = given.work(key, "a lie").await.expect("a job");
        while given.waiting(Stage::A).await > 0 {
            let lease = given.ask(ADA, Stage::A).await.expect("a job");
            let says = if lease.number == number {
                "a lie"
            } else {
                "right"
            };
            given.give(ADA, &lease, says).await;
        }
        jobs.push(number);
    }
    let mut closed = BTreeSet::new();
    while !jobs.iter().all(|number| closed.contains(number)) {
        let lease = given.ask(BOB, Stage::B).await.expect("a job");
        given.give(BOB, &lease, "end").await;
        closed.insert(lease.number);
        // Of a volunteer that has been confirmed, some count at once.
        if let Some(checked) = given.ask(OWN, Stage::B).await {
            given.give(OWN, &checked, "end").await;
        }
    }
    let bobs = given.known("k:bob", Stage::A).await;
    assert_eq!((bobs.confirmed, bobs.waiting), (1, 0));
    let before = given.status().await;
    let ranks = given.store.leaderboard(super::all()).await.expect("ranks");
    // One of the two is on hold already. Nothing happens to what another one has confirmed.
    given.store.hold("k:eve", true).await.expect("on hold");
    given.settle_all().await;
    assert_eq!(given.status().await.closed, before.closed);
    given.store.hold("k:ada", true).await.expect("on hold");
    given.settle_all().await;
    let numbers: Vec<u64> = jobs.iter().map(|number| *number as u64).collect();
    let places = given.store.whereabouts(&numbers).await.expect("places");
    let place = |number: u64| {
        let mut places = places.iter();
        let found = places.find(|place| place.number == number);
        found.map(|place| (place.stage, place.state.as_str()))
    };
    let found = [place(numbers[0]), place(numbers[1])];
    assert_eq!(
        found,
        [Some((Stage::A, "waiting")), Some((Stage::A, "open"))]
    );
    let bobs = given.known("k:bob", Stage::A).await;
    assert_eq!((bobs.confirmed, bobs.waiting, bobs.right), (0, 1, 0));
    for stage in [Stage::A, Stage::B] {
        let gone = given.store.retractions(stage, 0, 99).await.expect("a list");
        let gone: BTreeSet<u64> = gone.iter().map(|one| one.number).collect();
        assert!(
            numbers.iter().all(|number| gone.contains(number)),
            "{gone:?} at {stage}"
        );
    }
    let kept = given.store.leaderboard(super::all()).await.expect("ranks");
    assert_eq!(kept, ranks, "honest work on bad input keeps its credit");
    // Now somebody else looks at it.
    while given.waiting(Stage::A).await > 0 {
        given.work(OWN, "right").await.expect("a check");
    }
    assert!(given.known("k:bob", Stage::A).await.on_hold);
    given.settle_all().await;
    // What the operator's worker has confirmed stays.
    let alone = given.known("k:ada", Stage::A).await;
    assert_eq!(
        (alone.unchecked, alone.waiting, alone.right > 0),
        (0, 0, true)
    );
}

/// The rules with an audit each minute.
pub(crate) fn with_audits(policy: &str) -> StoreRules {
    let mut rules = rules(policy);
    rules.trust.audits_per_minute = 1;
    rules
}

pub(crate) async fn the_operators_worker_makes_results_again_that_count(given: &Given) {
    given.jobs(300).await;
    for stage in [Stage::A, Stage::B] {
        for key in [ADA, BOB, OWN] {
            given.meet(key, stage).await;
        }
    }
    // Results of Ada's that nobody has checked: right ones, and lies after them.
    let mut lies = BTreeSet::new();
    let mut known = given.known_or_new(ADA).await;
    while lies.len() < 3 {
        let says = if known.unchecked < 3 {
            "right"
        } else {
            "a lie"
        };
        let number = given.work(ADA, says).await.expect("a job");
        let now = given.known("k:ada", Stage::A).await;
        if now.waiting == 0 && says == "a lie" {
            lies.insert(number as u64);
        }
        if now.waiting > 0 {
            // The check finds no lie: both say the same.
            let checked = given.ask(OWN, Stage::A).await.expect("a check");
            given.give(OWN, &checked, says).await;
        }
        known = given.known("k:ada", Stage::A).await;
    }
    // All are finished, whatever stands in them.
    while let Some(lease) = given.ask(BOB, Stage::B).await {
        given.give(BOB, &lease, "end").await;
        while let Some(checked) = given.ask(OWN, Stage::B).await {
            given.give(OWN, &checked, "end").await;
        }
    }
    let before = given.status().await;
    let results = given.results(Stage::A).await;
    let right: BTreeSet<u64> = results
        .iter()
        .filter(|(_, data)| data == "right")
        .map(|(number, _)| *number)
        .collect();
    let mut minutes = 0;
    loop {
        minutes += 1;
        assert!(minutes < 100, "no lie is found");
        given.clock.advance(61_000);
        // Among some opinions from a random one on there may be no result.
        let Some(lease) = given.ask(OWN, Stage::A).await else {
            continue;
        };
        assert_eq!(lease.attempt, 1);
        // One a minute, and the job stays where it is meanwhile.
        let held = super::holds("", 0, &[&lease.lease]);
        let called = given
            .call(OWN, Stage::A, SyncRequest { want: 5, ..held })
            .await;
        assert_eq!(called.granted.len(), 0);
        assert_eq!(given.status().await.closed, before.closed);
        given.give(OWN, &lease, "right").await;
        let ada = given.known("k:ada", Stage::A).await;
        if lies.contains(&(lease.number as u64)) {
            assert!(ada.on_hold && ada.wrong == 1, "{ada:?}");
            break;
        }
        assert!(right.contains(&(lease.number as u64)), "{lease:?}");
        assert_eq!(given.status().await.closed, before.closed);
        let retracted = given.store.retractions(Stage::A, 0, 9).await;
        assert_eq!(retracted.expect("a list"), []);
        assert!(!ada.on_hold);
    }
    given.settle_all().await;
    let after = given.results(Stage::A).await;
    assert!(
        after
            .iter()
            .all(|(number, data)| data == "right" || !lies.contains(number))
    );
    assert!(given.status().await.closed < before.closed);
}

pub(crate) async fn kinds_of_browsers_that_do_not_compute_the_same_are_counted(given: &Given) {
    given.jobs(9).await;
    for (key, browser) in [
        (ADA, "Chrome on Linux"),
        (BOB, "Firefox on Windows"),
        (OWN, "Chrome on Linux"),
    ] {
        let worker = NewWorker {
            browser: browser.to_owned(),
            ..new_worker(key, Stage::A)
        };
        given.store.register(worker).await.expect("registered");
    }
    for (key, says) in [(ADA, "0.1"), (BOB, "0.2"), (BOB, "0.1")] {
        given.work(key, says).await.expect("a job");
        given.work(OWN, "0.1").await.expect("a check");
        // Its Math is to blame, not the volunteer.
        given.store.hold("k:bob", false).await.expect("not on hold");
    }
    let pairs = given.store.browser_pairs(9).await.expect("a list");
    let pairs: Vec<_> = pairs
        .iter()
        .map(|pair| {
            (
                pair.browsers.0.as_str(),
                pair.browsers.1.as_str(),
                pair.agreed,
                pair.differed,
            )
        })
        .collect();
    assert_eq!(pairs, [("Chrome on Linux", "Firefox on Windows", 1, 1)]);
}

pub(crate) async fn a_key_is_on_hold_where_it_has_handed_nothing_in(given: &Given) {
    given.jobs(9).await;
    given.meet(ADA, Stage::A).await;
    given.work(ADA, "right").await.expect("a job");
    given.meet(EVE, Stage::A).await;
    let done = revert(given.store.as_ref(), EVE, "me", Turns::Fair).await;
    assert!(done.expect("reverted").on_hold);
    assert!(given.ask(EVE, Stage::A).await.is_none());
    assert!(given.known("k:eve", Stage::B).await.on_hold);
    given.settle_all().await;
    // What is known of volunteers of whom nothing was confirmed is forgotten, and nothing else.
    given.meet(BOB, Stage::A).await;
    revert(given.store.as_ref(), BOB, "me", Turns::Fair)
        .await
        .expect("reverted");
    given.settle_all().await;
    assert!(
        release(given.store.as_ref(), BOB, "me")
            .await
            .expect("released")
    );
    given.meet(OWN, Stage::A).await;
    given.work(OWN, "right").await.expect("a check");
    let known = async |who: &str| {
        given.store.end_leases(1).await.expect("a sweep");
        let which = Which::Volunteer(who.to_owned());
        given.store.trusted(&which).await.expect("rows").len()
    };
    assert!(known("k:bob").await > 0);
    given.clock.advance(27 * 86_400_000);
    assert!(known("k:bob").await > 0);
    given.clock.advance(2 * 86_400_000);
    assert_eq!(known("k:bob").await, 0);
    assert!(known("k:eve").await > 0 && known("k:ada").await > 0);
}

pub(crate) async fn a_flag_of_a_volunteer_on_hold_voids_nothing_and_is_a_dispute(given: &Given) {
    given.jobs(400).await;
    for stage in [Stage::A, Stage::B] {
        for key in [ADA, EVE, OWN] {
            given.meet(key, stage).await;
        }
    }
    given.establish(ADA, 12).await;
    let alone = given.work_alone(ADA, 1).await[0];
    for key in ["v1", "v2", "v3", "v4"] {
        given.meet(key, Stage::A).await;
        given.establish(key, 5).await;
    }
    given.clock.advance(61_000);
    given.eve_flags(alone).await;
    given.store.hold("k:eve", true).await.expect("on hold");
    given.settle_all().await;
    let place = given
        .store
        .whereabouts(&[alone as u64])
        .await
        .expect("a place");
    assert_eq!(
        (place[0].stage, place[0].state.as_str()),
        (Stage::A, "waiting")
    );
    // With five others that can confirm, the operator's worker decides disputes alone.
    let disputed = given.ask(OWN, Stage::A).await.expect("the dispute");
    assert_eq!(disputed.number, alone);
    given.give(OWN, &disputed, "right").await;
    let ada = given.known("k:ada", Stage::A).await;
    assert!(!ada.on_hold && ada.confirmed > 5, "{ada:?}");
}

pub(crate) async fn a_job_that_waits_for_the_operators_worker_is_set_aside_when_there_is_none_any_more(
    given: &Given,
) {
    given.jobs(1).await;
    for key in ["a", "b", "c", "d", "e", "f"] {
        given.meet(key, Stage::A).await;
        given.work(key, &format!("what {key} says")).await;
    }
    given.meet(OWN, Stage::A).await;
    assert_eq!(
        given.waiting(Stage::A).await,
        1,
        "the operator's worker would decide"
    );
    let trust = rules("quorum:2").trust;
    assert_eq!(given.store.reconsider(trust).await.expect("looked at"), 0);
    let later = without_own("quorum:2");
    let reopen = given
        .reopen
        .as_ref()
        .expect("this store can be opened again");
    let store = reopen(later).await;
    assert_eq!(store.reconsider(later.trust).await.expect("looked at"), 1);
    assert_eq!(store.reconsider(later.trust).await.expect("looked at"), 0);
    store.close().await;
    let aside = given.store.set_aside(super::all()).await.expect("a list");
    assert_eq!(aside.len(), 1, "{aside:?}");
}

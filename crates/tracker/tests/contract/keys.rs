//! Volunteers with keys: nonces, nicknames and bans.

use distcompute_protocol::{ErrorCode, Stage};
use distcompute_tracker::{
    operations::bans,
    rules::{bans::Banned, link::MOST_DEVICES},
    store::{NewWorker, ProvenKey, RequeueFilter, StoreError},
};
use sha2::{Digest as _, Sha256};

use super::{Given, NOW, all, code};

const KEY: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
const OTHER: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

impl Given {
    /// Registers a worker whose token is that of its nonce.
    pub(super) async fn prove(
        &self,
        nonce: &str,
        nickname: &str,
        thumbprint: &str,
    ) -> Result<(), StoreError> {
        let worker = NewWorker {
            browser: String::new(),
            token: nonce.to_owned(),
            display_name: format!("name-{nonce}"),
            nickname: nickname.to_owned(),
            address: "192.0.2.1".to_owned(),
            proven: Some(ProvenKey {
                thumbprint: thumbprint.to_owned(),
                nonce: nonce.to_owned(),
                expires_at: NOW + 300_000,
            }),
            stage: Stage::A,
        };
        self.store.register(worker).await
    }

    /// The results and the verified results of a nickname.
    async fn credit(&self, nickname: &str) -> (u64, Option<u64>) {
        let ranks = self.store.leaderboard(all()).await.expect("ranks");
        let rank = ranks.into_iter().find(|rank| rank.nickname == nickname);
        rank.map_or((0, None), |rank| (rank.completed, rank.verified))
    }
}

pub(crate) async fn a_nonce_registers_once(given: &Given) {
    given.prove("1", "Ann", KEY).await.expect("registered");
    // At once, so that some of them meet in a group.
    let again = (0..8).map(|_| given.prove("2", "Ann", KEY));
    let again = futures_util::future::join_all(again).await;
    assert_eq!(again.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    for outcome in again.into_iter().filter(Result::is_err) {
        assert_eq!(code(outcome), ErrorCode::UseDpopNonce);
    }
    let refused = given.prove("1", "Bob", OTHER).await;
    assert_eq!(code(refused), ErrorCode::UseDpopNonce);
    let workers = given.store.workers(Stage::A, all()).await.expect("workers");
    assert_eq!(workers.len(), 2);
}

pub(crate) async fn a_nickname_is_credited_to_the_key_that_used_it_first(given: &Given) {
    given.jobs(6).await;
    given.prove("ann", "Ann", KEY).await.expect("registered");
    given.prove("eve", "Ann", OTHER).await.expect("registered");
    given
        .prove("un", "anonymous", KEY)
        .await
        .expect("registered");
    given.join("plain", "Ann", Stage::A).await;
    let work = async |token: &str| {
        given.take(token).await;
        given.hand_in(token, "result").await.expect("accepted");
    };
    work("plain").await;
    assert_eq!(given.credit("Ann").await, (1, None));
    work("ann").await;
    assert_eq!(given.credit("Ann").await, (2, Some(1)));
    work("eve").await;
    work("ann").await;
    assert_eq!(given.credit("Ann").await, (4, Some(2)));
    work("un").await;
    let rows = given.store.workers(Stage::A, all()).await.expect("workers");
    let unverified = rows.iter().filter(|row| row.unverified);
    let mut unverified: Vec<_> = unverified.map(|row| row.display_name.as_str()).collect();
    unverified.sort_unstable();
    assert_eq!(unverified, ["name-eve", "name-plain"]);
    // A key is one volunteer, whatever its nicknames.
    assert_eq!(given.status().await.volunteers, 3);
}

pub(crate) async fn the_results_of_a_key_that_count_are_listed(given: &Given) {
    given.jobs(3).await;
    given.prove("one", "Ann", KEY).await.expect("registered");
    given.prove("two", "Bob", KEY).await.expect("registered");
    given.prove("eve", "Eve", OTHER).await.expect("registered");
    given.join("plain", "Ann", Stage::A).await;
    let store = given.store.as_ref();
    let listed = async |key: &str, after: u64, limit: u32| {
        let rows = store.counted(key, after, limit).await.expect("rows");
        rows.into_iter()
            .map(|row| (row.number, row.cursor))
            .collect::<Vec<_>>()
    };
    // Job 1 is taken first and finished last: the order is that in which results count.
    given.take("one").await;
    given.take("eve").await;
    given.take("two").await;
    given.hand_in("two", "\u{1F980}").await.expect("accepted");
    given.hand_in("eve", "x").await.expect("accepted");
    assert_eq!(listed(KEY, 0, 9).await.len(), 1);
    given.hand_in("one", "first").await.expect("accepted");
    let rows = store.counted(KEY, 0, 9).await.expect("rows");
    let numbers: Vec<_> = rows.iter().map(|row| row.number).collect();
    assert_eq!(numbers, [3, 1]);
    let hash = |text: &str| Sha256::digest(text).to_vec();
    assert_eq!(
        (&rows[0].input, &rows[0].output),
        (&hash("input 3"), &hash("\u{1F980}"))
    );
    assert_eq!((rows[0].stage, rows[0].at), (Stage::A, NOW));
    assert_eq!(listed(KEY, rows[0].cursor, 9).await, [(1, rows[1].cursor)]);
    assert_eq!(listed(KEY, 0, 1).await, [(3, rows[0].cursor)]);
    assert_eq!(listed("nobody", 0, 9).await, []);
    assert_eq!(
        store.worker_key("one").await.expect("a worker"),
        Some(Some(KEY.to_owned()))
    );
    assert_eq!(
        store.worker_key("plain").await.expect("a worker"),
        Some(None)
    );
    assert_eq!(store.worker_key("nobody").await.expect("nobody"), None);
    // A result that is made again by somebody else counts no longer.
    let filter = RequeueFilter {
        numbers: vec![3],
        to: Some(Stage::A),
        ..RequeueFilter::default()
    };
    assert_eq!(store.requeue(&filter).await.expect("requeued"), 1);
    assert_eq!(listed(KEY, 0, 9).await, [(1, rows[1].cursor)]);
    assert_eq!(given.take("eve").await, 3);
    given.hand_in("eve", "again").await.expect("accepted");
    assert_eq!(listed(KEY, 0, 9).await, [(1, rows[1].cursor)]);
    assert_eq!(listed(OTHER, 0, 9).await.len(), 2);
}

fn proven(nonce: &str, thumbprint: &str) -> ProvenKey {
    ProvenKey {
        thumbprint: thumbprint.to_owned(),
        nonce: nonce.to_owned(),
        expires_at: NOW + 300_000,
    }
}

pub(crate) async fn a_linked_key_is_the_same_volunteer(given: &Given) {
    given.jobs(4).await;
    let store = given.store.as_ref();
    given.prove("old", "Ann", KEY).await.expect("registered");
    given.prove("new", "Ann", OTHER).await.expect("registered");
    for token in ["old", "new"] {
        given.take(token).await;
        given.hand_in(token, "x").await.expect("accepted");
    }
    assert_eq!(given.credit("Ann").await, (2, Some(1)));
    let offer = async |nonce: &str, key: &str, code: &str| {
        store
            .offer_link(&proven(nonce, key), code, NOW + 600_000)
            .await
    };
    let link = async |nonce: &str, key: &str, code: &str, now| {
        store.link(&proven(nonce, key), code, now).await
    };
    offer("o1", OTHER, "first").await.expect("offered");
    assert_eq!(
        code(offer("o1", OTHER, "again").await),
        ErrorCode::UseDpopNonce
    );
    // Another code of the same key takes the place of the first.
    offer("o2", OTHER, "code").await.expect("offered");
    for (wrong, now) in [("first", NOW), ("nothing", NOW), ("code", NOW + 600_000)] {
        let refused = link("l0", KEY, wrong, now).await;
        assert_eq!(code(refused), ErrorCode::LinkCodeUnknown, "{wrong}");
    }
    assert!(
        link("l1", OTHER, "code", NOW)
            .await
            .expect("an answer")
            .is_some()
    );
    assert_eq!(link("l2", KEY, "code", NOW).await.expect("linked"), None);
    // It is accepted once, and so is the nonce.
    assert_eq!(
        code(link("l3", KEY, "code", NOW).await),
        ErrorCode::LinkCodeUnknown
    );
    offer("o3", KEY, "back").await.expect("offered");
    offer("o4", &"m".repeat(43), "more").await.expect("offered");
    let repeated = link("l2", KEY, "more", NOW).await;
    assert_eq!(code(repeated), ErrorCode::UseDpopNonce);
    // A key that others are linked to is linked to none: there are no chains.
    let third = "n".repeat(43);
    assert!(
        link("l4", &third, "back", NOW)
            .await
            .expect("an answer")
            .is_some()
    );
    // Workers that are there and those that come are the same volunteer.
    given.take("new").await;
    given.hand_in("new", "x").await.expect("accepted");
    assert_eq!(given.credit("Ann").await, (3, Some(2)));
    given
        .prove("later", "Ann", OTHER)
        .await
        .expect("registered");
    assert_eq!(
        store.worker_key("later").await.expect("a worker"),
        Some(Some(KEY.to_owned()))
    );
    assert_eq!(given.status().await.volunteers, 1);
    // A ban of one is a ban of both.
    let banned = Banned::key(KEY).expect("a key");
    assert_eq!(
        bans::ban(store, &banned, "", "me").await.expect("banned"),
        3
    );
    assert_eq!(
        code(given.prove("b1", "Bob", OTHER).await),
        ErrorCode::Banned
    );
    bans::pardon(store, &banned, "me").await.expect("pardoned");
    let banned = Banned::key(OTHER).expect("a key");
    bans::ban(store, &banned, "", "me").await.expect("banned");
    assert_eq!(
        code(given.prove("b2", "Bob", OTHER).await),
        ErrorCode::Banned
    );
    given.prove("b3", "Bob", KEY).await.expect("registered");
}

pub(crate) async fn no_more_devices_are_linked_than_there_may_be(given: &Given) {
    let store = given.store.as_ref();
    for device in 0..=MOST_DEVICES {
        let (key, text) = (format!("{device:043}"), format!("code {device}"));
        let new = proven(&key, &key);
        let offered = store.offer_link(&new, &text, NOW + 1).await;
        offered.expect("offered");
        let own = proven(&format!("own {device}"), KEY);
        let refusal = store.link(&own, &text, NOW).await.expect("an answer");
        assert_eq!(refusal.is_some(), device == MOST_DEVICES, "{device}");
    }
}

pub(crate) async fn a_key_is_banned_under_any_nickname(given: &Given) {
    given.prove("ann", "Ann", KEY).await.expect("registered");
    given.prove("bob", "Bob", OTHER).await.expect("registered");
    let store = given.store.as_ref();
    let banned = Banned::key(KEY).expect("a key");
    assert_eq!(
        bans::ban(store, &banned, "", "me").await.expect("banned"),
        1
    );
    let refused = given.prove("again", "Carl", KEY).await;
    assert_eq!(code(refused), ErrorCode::Banned);
    given
        .prove("carl", "Carl", OTHER)
        .await
        .expect("registered");
    let listed = store.bans("", 10).await.expect("bans");
    assert_eq!(listed[0].name, format!("k:{KEY}"));
    assert!(bans::pardon(store, &banned, "me").await.expect("pardoned"));
    given.prove("back", "Ann", KEY).await.expect("registered");
}

//! Copies of a project, which must be the same as the original, and go on working.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use distcompute_protocol::{Done, Failed, Stage, SyncRequest};
use distcompute_tracker::{
    clock::ManualClock,
    operations::{
        copy::{Copied, Progress, copy, doubts},
        pause,
    },
    rules::bans::Banned,
    store::{
        Action, ImportPart, NewImport, Store,
        copy::{NOT_COPIED, Source, TABLES, Target},
        sqlite::{CopySource, CopyTarget, SqliteStore},
    },
};
use proptest::prelude::*;
use rusqlite::{Connection, types::Value};

use super::{Given, NOW, RULES, asks, check_counters, failures::fails_and_asks, has};

/// Texts that a copy could spoil.
const HARD: [&str; 9] = [
    "",
    "\\N",
    "a\tb\nc\rd\\e\\.\n\\.\n",
    "\u{1F980} \u{2028} \u{7f} \u{1} \u{FEFF} \u{FFFF}",
    "<!json!>{\"lone\":\"\\ud800\",\"nul\":\"\\u0000\"}",
    "<!json!>[1e400,-0.0,123456789012345678901234567890]",
    "'; drop table jobs; --",
    "e\u{301} \u{e9} \u{202e}txt",
    "0",
];

/// Lets all kinds of things happen, so that no table is empty.
pub(super) async fn everything(given: &Given) {
    let store = &given.store;
    given.jobs(1).await;
    for (token, nickname, stage) in [
        ("ann", "Ann", Stage::A),
        ("bob", "B\u{f6}b \\N", Stage::A),
        ("cleo", "anonymous", Stage::A),
        ("dora", "Dora", Stage::B),
    ] {
        given.join(token, nickname, stage).await;
    }
    // A late result that is kept while another holds the job, the only one so far.
    let first = has(given, "ann", 1, 1).await[0].lease.clone();
    given.clock.advance(2);
    store.end_leases(1).await.expect("a sweep");
    has(given, "bob", 1, 1).await;
    let late = super::hands_in("ann", 2, &first, "late \\ \t");
    given.sync(late).await.expect("kept");
    let inputs: Vec<String> = HARD.iter().map(|text| (*text).to_owned()).collect();
    store.add_jobs(&inputs).await.expect("jobs");
    store.add_jobs(&["x".repeat(3 << 20)]).await.expect("jobs");
    for (key, ends) in [(Some("a key"), true), (None, false)] {
        let new = NewImport {
            who: "me".to_owned(),
            source: "a\tfile".to_owned(),
            digest: format!("{key:?}"),
            jobs: 4,
            key: key.map(str::to_owned),
        };
        let import = store.begin_import(&new).await.expect("begun").id;
        let part = ImportPart { import, before: 0 };
        let added = store
            .add_part(part, &["1".to_owned(), "2".to_owned()])
            .await;
        added.expect("added");
        if ends {
            store.end_import(import).await.expect("ended");
        }
    }
    // Results of both stages, of which some have hard texts.
    let mut seq = 2;
    for _ in 0..5 {
        seq += 1;
        let held = has(given, "ann", seq, 2).await;
        seq += 1;
        let done = held.iter().enumerate().map(|(at, lease)| Done {
            lease: lease.lease.clone(),
            data: HARD[(at + usize::try_from(seq).expect("small")) % HARD.len()].to_owned(),
        });
        let request = SyncRequest {
            done: done.collect(),
            ..asks("ann", seq, 0)
        };
        given.sync(request).await.expect("accepted");
    }
    given.take("dora").await;
    given
        .hand_in("dora", "end \u{1F980}")
        .await
        .expect("accepted");
    given.take("dora").await;
    store
        .note_progress("dora", "50 %\t\\".to_owned())
        .await
        .expect("noted");
    // Failures, flags, and a job that is given back.
    given.take("cleo").await;
    store.flag("cleo", None).await.expect("flagged");
    let failing = has(given, "ann", seq + 1, 1).await[0].lease.clone();
    let failed = SyncRequest {
        failed: vec![Failed {
            lease: failing,
            error: "TypeError: \"x\"\n\tat y\u{0} \\".to_owned(),
        }],
        ..asks("ann", seq + 2, 1)
    };
    given.sync(failed).await.expect("noted");
    let banned = Banned::nickname("Mallory").expect("a name");
    store.ban(&banned, "junk\t\\N").await.expect("banned");
    pause::pause(store.as_ref(), Some(Stage::B), "Back on Monday \\", "me")
        .await
        .expect("paused");
    let action = Action {
        who: "me".to_owned(),
        action: "export",
        detail: "results of stage a".to_owned(),
    };
    store.note_action(&action).await.expect("noted");
}

/// All rows of a file, by table, without the line that a copy adds to the log.
pub(crate) fn rows(path: &Path) -> BTreeMap<String, Vec<Vec<Value>>> {
    let on = Connection::open(path).expect("a file");
    let mut tables = on
        .prepare("select name from sqlite_schema where type = 'table' and name not like 'sqlite_%'")
        .expect("a statement");
    let tables: Vec<String> = tables
        .query_map((), |row| row.get(0))
        .expect("tables")
        .collect::<Result<_, _>>()
        .expect("tables");
    let read = |table: String| {
        let mut statement = on
            .prepare(&format!("select * from {table}"))
            .expect("a statement");
        let columns = statement.column_count();
        let rows = statement.query_map((), |row| (0..columns).map(|at| row.get(at)).collect());
        let mut rows: Vec<Vec<Value>> =
            rows.expect("rows").collect::<Result<_, _>>().expect("rows");
        rows.retain(|row| table != "actions" || row[3] != Value::Text("copy".to_owned()));
        rows.sort_by_key(|row| format!("{row:?}"));
        (table, rows)
    };
    let found = tables.into_iter().filter(|table| table != "probe");
    found.map(read).collect()
}

pub(crate) async fn copied(mut from: Box<dyn Source>, mut to: Box<dyn Target>) -> Copied {
    let (mut all, mut done) = (0, 0);
    let copied = copy(from.as_mut(), to.as_mut(), |progress| match progress {
        Progress::Rows(rows) => all = rows,
        Progress::Done(rows) => done += rows,
        Progress::Copying(_) | Progress::Checking(_) => {}
    })
    .await
    .expect("copied");
    assert_eq!(all, done, "the bar ends at its end");
    to.finish("me", "a test").await.expect("finished");
    copied
}

pub(crate) async fn source(path: &Path) -> Box<dyn Source> {
    Box::new(CopySource::open(path).await.expect("a source"))
}

pub(crate) async fn target(path: &Path) -> Box<dyn Target> {
    Box::new(CopyTarget::create(path).await.expect("a destination"))
}

/// A project in which everything has happened, in a file that nobody has open.
pub(crate) async fn project(folder: &Path) {
    let clock = Arc::new(ManualClock::new(NOW));
    let path = folder.join("jobs.db");
    let store = SqliteStore::open(&path, true, RULES, clock.clone()).await;
    let given = Given {
        store: Arc::new(store.expect("a store")),
        clock,
        keep: Box::new(()),
        reopen: None,
    };
    everything(&given).await;
    given.store.close().await;
    let on = Connection::open(&path).expect("a file");
    on.execute_batch(
        "insert into linked_keys (key, identity, at) values ('new\\', 'old', 7);
         insert into link_codes (code, key, expires_at) values ('code', 'key', 8);
         insert into opinions (lease, number, stage, volunteer, nickname, version, answer, state)
             values (1, 1, 0, 'k:\', 'Ann', '1', 'j0', 'right');
         insert into opinion_texts (lease, data) values (1, 'a text');
         insert into trust (stage, volunteer, version, confirmed, agreed, refuted, waiting,
             unchecked, on_hold, doubted) values (0, 'k:\', '1', 1, 2, 3, 4, 5, 0, 0);
         insert into trust_version (id, version, since) values (1, '1', 9);
         insert into browser_pairs (stage, one, other, agreed, differed) values (0, 'a', 'b\', 1, 2);
         insert into lane (number, stage, version, disputed, place, volunteer, at)
             values (1000, 0, '1', 0, 5, 'k:\', 9);
         insert into retractions (cursor, stage, number, at) values (1000, 0, 1, 9);
         insert into files (hash, bytes, state, doomed_at, at) values ('sha256-0', 7, 'stored', null, 9),
             ('sha256-1', 8, 'deleting', 9, 9);
         insert into job_files (job, lease, hash, at, kept) values (1, 0, 'sha256-0', 9, 1);
         insert into tracker_keys (name, secret) values ('nonces', 'a secret');
         update workers set key = 'k' where id = (select min(id) from workers);
         update leaderboard set key = 'k', verified = 1;",
    )
    .expect("rows");
    let rows = rows(&path);
    for table in &TABLES {
        assert!(!rows[table.name].is_empty(), "{} is empty", table.name);
    }
}

/// What the copy says of a project, and that a tracker goes on with it where the other one stopped.
pub(crate) async fn it_goes_on(given: &Given, copied: &Copied) {
    assert_eq!(doubts(copied), [""; 0]);
    let status = given.status().await;
    let files = given.store.file_totals().await.expect("totals");
    assert_eq!((files.files, files.bytes), (2, 15));
    assert_eq!(status.closed, 1);
    let of = |stage, state: &str| copied.states.get(&(stage, state.to_owned())).copied();
    assert_eq!(of(0, "closed"), None);
    assert_eq!(of(1, "closed"), Some(1));
    // A reader who has read up to the last result gets the next one, and no other.
    let before = given
        .store
        .results(Stage::A, 0, 1_000)
        .await
        .expect("results");
    let cursor = before.last().expect("a result").cursor;
    // A request that is repeated is answered as before, and whoever held a job may hand it in.
    let held = has(given, "bob", 1, 1).await;
    let done = super::hands_in("bob", 2, &held[0].lease, "after the copy");
    let reply = given.sync(done).await.expect("an answer");
    assert_eq!(reply.accepted, [held[0].lease.clone()]);
    let more = given
        .store
        .results(Stage::A, cursor, 10)
        .await
        .expect("results");
    let more: Vec<_> = more.iter().map(|one| one.data.as_str()).collect();
    assert_eq!(more, ["after the copy"]);
    // Numbers and ids go on.
    let added = given
        .store
        .add_jobs(&["new".to_owned()])
        .await
        .expect("a job");
    assert_eq!(added.expect("a number").first, status.jobs + 1);
    given.join("new", "Eve", Stage::A).await;
    let new = has(given, "new", 1, 1).await;
    let id = |lease: &str| -> i64 {
        lease
            .split('-')
            .next()
            .expect("an id")
            .parse()
            .expect("an id")
    };
    assert!(id(&new[0].lease) > id(&held[0].lease));
    let key = NewImport {
        who: "me".to_owned(),
        source: String::new(),
        digest: format!("{:?}", Some("a key")),
        jobs: 4,
        key: Some("a key".to_owned()),
    };
    assert!(
        given
            .store
            .begin_import(&key)
            .await
            .expect("known")
            .is_finished
    );
    let action = Action {
        who: "me".to_owned(),
        action: "export",
        detail: String::new(),
    };
    given.store.note_action(&action).await.expect("noted");
    let unkeyed = NewImport {
        digest: "x".to_owned(),
        key: None,
        ..key
    };
    given.store.begin_import(&unkeyed).await.expect("begun");
    fails_and_asks(given, "new", 2, new, 0).await;
    assert_eq!(
        given.store.failures(1).await.expect("failures")[0].nickname,
        "Eve"
    );
    // The pause came along; only without it are all open jobs handed out.
    let paused = given.store.open_jobs(Stage::B).await.expect("open");
    assert_eq!(paused, 0);
    let resumed = pause::resume(given.store.as_ref(), Some(Stage::B), "me").await;
    assert_eq!(resumed.expect("resumed"), 1);
    check_counters(given.store.as_ref()).await;
}

/// Any inputs that jobs can have.
#[allow(dead_code)] // Copying from file to file spoils none.
pub(crate) fn any_texts() -> impl Strategy<Value = Vec<String>> {
    let text = prop_oneof![
        any::<String>(),
        "[\\\\\t\r\nN.a\u{1}\u{7f}\u{85}\u{2028}]{0,9}",
        Just("\\.".to_owned()),
    ];
    let storable = text.prop_map(|text| text.replace('\0', ""));
    prop::collection::vec(storable, 1..20)
}

#[allow(dead_code)] // The list of tables is the same for both stores; SQLite's tests check it.
pub(crate) fn every_table_and_every_column_is_copied() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("jobs.db");
    tokio::runtime::Runtime::new()
        .expect("a runtime")
        .block_on(async {
            let clock = Arc::new(ManualClock::new(NOW));
            let store = SqliteStore::open(&path, true, RULES, clock).await;
            store.expect("a store").close().await;
        });
    let on = Connection::open(&path).expect("a file");
    let mut columns = on
        .prepare(
            "select t.name, c.name from sqlite_schema t, pragma_table_info(t.name) c \
             where t.type = 'table'",
        )
        .expect("a statement");
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut read = columns.query(()).expect("columns");
    while let Some(row) = read.next().expect("a row") {
        let (table, column): (String, String) = row.try_into().expect("names");
        found.entry(table).or_default().push(column);
    }
    found.retain(|table, _| !NOT_COPIED.contains(&table.as_str()));
    same_columns(found);
}

/// Compares the columns of a database, by table, with those that are copied.
pub(crate) fn same_columns(mut found: BTreeMap<String, Vec<String>>) {
    let mut copied: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for table in &TABLES {
        let columns = table.columns.iter().map(|(name, _)| (*name).to_owned());
        copied.insert(table.name.to_owned(), columns.collect());
    }
    for columns in found.values_mut().chain(copied.values_mut()) {
        columns.sort();
    }
    assert_eq!(found, copied);
}

//! Rows of files of jobs.

use std::sync::Arc;

use distcompute_protocol::{JSON_MARK, Stage, SyncRequest};
use distcompute_tracker::store::{FileLease, FileTotals, JobFile, NewFile, Recorded};

use super::{Given, hands_in, has, holds};

const DAY: i64 = 86_400_000;
const HOUR: i64 = 3_600_000;

fn name(digit: char) -> String {
    format!("sha256-{}", digit.to_string().repeat(64))
}

fn text(digits: &[char]) -> String {
    let list: Vec<_> = digits
        .iter()
        .map(|digit| format!("{{\"$file\":\"{}\",\"bytes\":10}}", name(*digit)))
        .collect();
    format!("{JSON_MARK}[{}]", list.join(","))
}

fn file(of: FileLease, digit: char) -> NewFile {
    NewFile {
        job: of.job,
        lease: of.id,
        hash: name(digit),
        bytes: 10,
        most_of_lease: 30,
        most_files: 4,
        most: 100,
    }
}

const OWN: FileLease = FileLease {
    id: 0,
    job: 0,
    stage: Stage::A,
    may_deliver: false,
    has_delivered: false,
};

/// Stores a file.
async fn record(given: &Given, file: NewFile) -> Recorded {
    let hash = file.hash.clone();
    let asked = given.store.would_record(&file).await.expect("an answer");
    let recorded = given.store.record_file(file).await.expect("recorded");
    assert_eq!(asked, recorded);
    if recorded == Recorded::Yes {
        assert!(given.store.file_stored(&hash).await.expect("stored"));
    }
    recorded
}

async fn lease(given: &Given, of: &str) -> Option<FileLease> {
    let found = given.store.file_leases(vec!["x".to_owned(), of.to_owned()]);
    let found = found.await.expect("leases");
    found.into_iter().next().map(|(named, lease)| {
        assert_eq!(named, of);
        lease
    })
}

async fn granted(given: &Given, of: FileLease, digits: &[char]) -> Vec<String> {
    let wanted = digits.iter().map(|digit| (of.job, of.id, name(*digit)));
    let found = given.store.granted_files(wanted.collect()).await;
    let found = found
        .expect("files")
        .into_iter()
        .map(|(lease, hash, bytes)| {
            assert_eq!((lease, bytes), (of.id, 10));
            hash
        });
    found.collect()
}

/// Sweeps everything, and returns what was deleted.
async fn swept(given: &Given) -> Vec<String> {
    let mut from = None;
    loop {
        let swept = given.store.sweep_grants(from).await.expect("a sweep");
        from = swept.next;
        if from.is_none() {
            break;
        }
    }
    let deleted = given.store.begin_deletions().await.expect("deletions");
    for hash in &deleted {
        given.store.file_deleted(hash).await.expect("deleted");
    }
    deleted
}

pub(crate) async fn a_file_belongs_to_its_lease_as_long_as_that_may_deliver(given: &Given) {
    given.jobs(2).await;
    given.join("ann", "Ann", Stage::A).await;
    let named = has(given, "ann", 1, 1).await[0].lease.clone();
    let ann = lease(given, &named).await.expect("a lease");
    assert!(ann.may_deliver && !ann.has_delivered && ann.job == 1);
    assert_eq!(lease(given, &format!("{named}x")).await, None);
    let held = given.store.held_lease("ann", None).await.expect("a lease");
    assert_eq!(held, Some(ann));
    let other = given
        .store
        .held_lease("ann", Some(2))
        .await
        .expect("a lease");
    assert_eq!(other, None);
    for digit in ['1', '1', '2', '3'] {
        assert_eq!(record(given, file(ann, digit)).await, Recorded::Yes);
    }
    assert_eq!(record(given, file(ann, '4')).await, Recorded::TooLarge);
    assert_eq!(
        record(
            given,
            NewFile {
                most: 39,
                ..file(OWN, '4')
            }
        )
        .await,
        Recorded::Full
    );
    assert_eq!(
        record(
            given,
            NewFile {
                most: 40,
                ..file(OWN, '4')
            }
        )
        .await,
        Recorded::Yes
    );
    assert_eq!(granted(given, ann, &['1', '4', '5']).await, [name('1')]);
    let of = |job, digit| (job, name(digit));
    let known = vec![of(1, '1'), of(1, '4'), of(1, '5'), of(2, '1'), of(0, '4')];
    let mut known = given.store.known_files(known).await.expect("files");
    known.sort();
    assert_eq!(known, [of(0, '4'), of(1, '1')]);
    assert_eq!(
        granted(given, FileLease { id: 99, ..ann }, &['1']).await,
        [""; 0]
    );
    assert!(
        given
            .store
            .is_recorded(1, ann.id, &name('1'))
            .await
            .expect("known")
    );
    assert!(
        !given
            .store
            .is_recorded(1, ann.id, &name('4'))
            .await
            .expect("known")
    );
    let totals = given.store.file_totals().await.expect("totals");
    assert_eq!((totals.files, totals.bytes), (4, 40));
    // A lease that is held keeps its files, however old they are.
    for seq in 2..5 {
        given.clock.advance(DAY);
        given
            .sync(holds("ann", seq, &[&named]))
            .await
            .expect("an answer");
        assert_eq!(granted(given, ann, &['1']).await, [name('1')]);
        swept(given).await;
    }
    assert_eq!(granted(given, ann, &['1', '2']).await.len(), 2);
    // One that has lapsed keeps them for a day.
    given.clock.advance(1);
    assert_eq!(given.store.end_leases(0).await.expect("a sweep"), 1);
    assert!(lease(given, &named).await.expect("a lease").may_deliver);
    given.clock.advance(DAY - 1);
    assert_eq!(granted(given, ann, &['1']).await.len(), 1);
    given.clock.advance(1);
    assert_eq!(granted(given, ann, &['1']).await.len(), 0);
    assert_eq!(
        swept(given).await.len(),
        0,
        "one that was checked just now may still come"
    );
    given.clock.advance(HOUR + 1);
    swept(given).await;
    given.clock.advance(HOUR + 1);
    let mut gone = swept(given).await;
    gone.sort();
    assert_eq!(
        gone,
        [name('1'), name('2'), name('3')],
        "the owner's went before"
    );
    assert_eq!(given.store.file_totals().await.expect("totals").files, 0);
}

pub(crate) async fn what_a_text_of_a_job_names_stays_until_the_job_is_pruned(given: &Given) {
    given
        .store
        .add_jobs(&[text(&['a']), "2".to_owned()])
        .await
        .expect("jobs");
    record(given, file(OWN, 'a')).await;
    given.join("ann", "Ann", Stage::A).await;
    given.join("bob", "Bob", Stage::B).await;
    let jobs = has(given, "ann", 1, 2).await;
    let [one, two] = [&jobs[0].lease, &jobs[1].lease];
    let [first, second] = [
        lease(given, one).await.expect("a lease"),
        lease(given, two).await.expect("a lease"),
    ];
    record(given, file(first, 'b')).await;
    record(given, file(first, 'c')).await;
    record(given, file(second, 'b')).await;
    let request = SyncRequest {
        holding: vec![two.clone()],
        ..hands_in("ann", 2, one, &text(&['b']))
    };
    given.sync(request).await.expect("an answer");
    assert!(lease(given, one).await.expect("a lease").has_delivered);
    // The other lease lapses; its result comes late, while another one has the job.
    given.clock.advance(1);
    assert_eq!(given.store.end_leases(0).await.expect("a sweep"), 1);
    given.clock.advance(2 * DAY);
    assert_eq!(swept(given).await.len(), 0);
    given.clock.advance(2 * HOUR);
    assert_eq!(swept(given).await, [name('c')]);
    let of = async |job| {
        let files = given.store.files_of_job(job, 9).await.expect("files");
        files
            .into_iter()
            .map(|JobFile { hash, .. }| hash)
            .collect::<Vec<_>>()
    };
    assert_eq!(of(1).await, [name('a'), name('b')]);
    assert_eq!(of(2).await, [""; 0]);
    given.take("bob").await;
    given.hand_in("bob", "end").await.expect("accepted");
    let pruned = given
        .store
        .prune(Stage::B, 0, 99, 99)
        .await
        .expect("pruned");
    assert_eq!(pruned.jobs, 1);
    assert_eq!(of(1).await, [""; 0]);
    assert_eq!(swept(given).await.len(), 0);
    // A new job names it, in time.
    let known = given.store.touch_files(vec![name('a'), name('c')]).await;
    assert_eq!(known.expect("files"), [(name('a'), 10)]);
    given.store.add_jobs(&[text(&['a'])]).await.expect("a job");
    given.clock.advance(2 * HOUR);
    assert_eq!(swept(given).await, [name('b')]);
    given.clock.advance(9 * DAY);
    assert_eq!(swept(given).await.len(), 0);
    assert_eq!(of(3).await, [name('a')]);
    // The counters of a project that was pruned count what is not there.
    given.store.wipe().await.expect("wiped");
    given.clock.advance(2 * HOUR);
    assert_eq!(swept(given).await, [name('a')]);
}

pub(crate) async fn a_file_that_is_being_deleted_is_not_uploaded(given: &Given) {
    given.jobs(1).await;
    record(given, file(OWN, '1')).await;
    record(given, file(OWN, '2')).await;
    given.clock.advance(2 * DAY);
    given.store.sweep_grants(None).await.expect("a sweep");
    given.clock.advance(2 * HOUR);
    // Somebody uploads the second one again: it is not doomed any more.
    record(given, file(OWN, '2')).await;
    assert_eq!(
        given.store.begin_deletions().await.expect("deletions"),
        [name('1')]
    );
    assert_eq!(record(given, file(OWN, '1')).await, Recorded::Deleting);
    let known = given.store.touch_files(vec![name('1'), name('2')]).await;
    assert_eq!(known.expect("files"), [(name('2'), 10)]);
    // Another tracker leaves it alone, unless this one has died.
    assert_eq!(
        given.store.begin_deletions().await.expect("deletions"),
        [""; 0]
    );
    given.clock.advance(HOUR);
    assert_eq!(
        given.store.begin_deletions().await.expect("deletions"),
        [name('1')]
    );
    given.store.file_deleted(&name('1')).await.expect("deleted");
    assert_eq!(record(given, file(OWN, '1')).await, Recorded::Yes);
    // After everything was deleted, nothing is named.
    given.store.wipe().await.expect("wiped");
    given.clock.advance(2 * HOUR);
    assert_eq!(swept(given).await.len(), 2);
}

pub(crate) async fn uploads_and_deletions_at_once_lose_no_file(given: &Given) {
    given.jobs(1).await;
    for round in 0..20 {
        record(given, file(OWN, '1')).await;
        given.clock.advance(2 * DAY);
        given.store.sweep_grants(None).await.expect("a sweep");
        given.clock.advance(2 * HOUR);
        let (recorded, deleted) = tokio::join!(
            given.store.record_file(file(OWN, '1')),
            given.store.begin_deletions()
        );
        match (
            recorded.expect("recorded"),
            deleted.expect("deletions").len(),
        ) {
            (Recorded::Yes, 0) | (Recorded::Deleting, 1) => {}
            other => panic!("{round}: {other:?}"),
        }
        let _ = given.store.file_deleted(&name('1')).await;
    }
}

pub(crate) async fn a_file_that_is_not_stored_yet_is_nobodys(given: &Given) {
    given.jobs(1).await;
    given.join("ann", "Ann", Stage::A).await;
    let named = has(given, "ann", 1, 1).await[0].lease.clone();
    let ann = lease(given, &named).await.expect("a lease");
    let store = &given.store;
    let recorded = store.record_file(file(ann, '1')).await.expect("recorded");
    assert_eq!(recorded, Recorded::Yes);
    assert_eq!(granted(given, ann, &['1']).await, [""; 0]);
    assert!(
        !store
            .is_recorded(1, ann.id, &name('1'))
            .await
            .expect("known")
    );
    let touched = store.touch_files(vec![name('1')]).await.expect("files");
    assert_eq!(touched, []);
    assert_eq!(store.files_of_job(1, 9).await.expect("files"), []);
    let totals = store.file_totals().await.expect("totals");
    assert_eq!((totals.files, totals.bytes), (1, 10), "it takes room");
    // Somebody else stores the same: then it is everybody's who has sent it.
    assert_eq!(record(given, file(OWN, '1')).await, Recorded::Yes);
    assert_eq!(granted(given, ann, &['1']).await, [name('1')]);
    assert!(
        store
            .is_recorded(1, ann.id, &name('1'))
            .await
            .expect("known")
    );
    // What was recorded and never stored goes when its grant is over.
    store.record_file(file(OWN, '2')).await.expect("recorded");
    given.clock.advance(DAY + 2 * HOUR);
    assert_eq!(swept(given).await, [""; 0]);
    given.clock.advance(2 * HOUR);
    let deleted = store.begin_deletions().await.expect("deletions");
    assert_eq!(deleted, [name('2')]);
    for _ in 0..2 {
        assert!(!store.file_stored(&name('2')).await.expect("an answer"));
        store.file_deleted(&name('2')).await.expect("deleted");
    }
    assert_eq!(store.file_totals().await.expect("totals").files, 1);
    store.wipe().await.expect("wiped");
    store.record_file(file(OWN, '3')).await.expect("recorded");
    store.wipe().await.expect("wiped");
    given.clock.advance(2 * HOUR);
    assert_eq!(swept(given).await.len(), 2);
    assert_eq!(
        store.file_totals().await.expect("totals"),
        FileTotals::default()
    );
}

/// A file of a number.
fn numbered(of: FileLease, number: usize) -> NewFile {
    NewFile {
        hash: format!("sha256-{number:064x}"),
        most_of_lease: u64::MAX,
        most_files: u64::MAX,
        most: 0,
        ..file(of, '0')
    }
}

pub(crate) async fn the_texts_of_a_job_are_read_once_for_all_its_files(given: &Given) {
    let inputs = ["one", "two", "three", "four"].map(str::to_owned);
    given.store.add_jobs(&inputs).await.expect("jobs");
    given.join("ann", "Ann", Stage::A).await;
    let jobs = has(given, "ann", 1, 4).await;
    let mut texts = Vec::new();
    let mut seq = 1;
    for (at, job) in jobs.iter().enumerate() {
        let of = lease(given, &job.lease).await.expect("a lease");
        let number = |file: usize| at * 1_000 + file;
        // The first has more files than are looked at together, and the others large texts.
        let (files, padding) = if at == 0 { (600, 10) } else { (3, 12 << 20) };
        for file in 0..files {
            let file = numbered(of, number(file));
            given.store.record_file(file).await.expect("recorded");
        }
        let named = (0..files).step_by(3).map(|file| {
            let hash = numbered(of, number(file)).hash;
            format!("{{\"$file\":\"{hash}\",\"bytes\":10}}")
        });
        let named: Vec<_> = named.collect();
        let padding = " ".repeat(padding);
        let text = format!("{JSON_MARK}[{}{padding}]", named.join(","));
        seq += 1;
        let others = jobs[at + 1..].iter().map(|job| job.lease.clone());
        let request = SyncRequest {
            holding: others.collect(),
            ..hands_in("ann", seq, &job.lease, &text)
        };
        given.sync(request).await.expect("an answer");
        texts.push(text.len() + inputs[at].len());
    }
    given.clock.advance(DAY + 2 * HOUR);
    let (mut from, mut read, mut pieces) = (None, 0, 0);
    loop {
        let swept = given.store.sweep_grants(from).await.expect("a sweep");
        assert!(swept.read < 28 << 20, "{}", swept.read);
        read += swept.read;
        pieces += 1;
        from = swept.next;
        if from.is_none() {
            break;
        }
    }
    assert_eq!(read, texts.iter().sum::<usize>() as u64);
    assert_eq!(pieces, 4);
    given.clock.advance(2 * HOUR);
    let mut deleted = 0;
    loop {
        let begun = given.store.begin_deletions().await.expect("deletions");
        if begun.is_empty() {
            break;
        }
        for hash in begun {
            given.store.file_deleted(&hash).await.expect("deleted");
            deleted += 1;
        }
    }
    assert_eq!(deleted, 400 + 3 * 2);
    let left = given.store.file_totals().await.expect("totals");
    assert_eq!((left.files, left.bytes), (203, 2_030));
    // Such results are not listed together, as those are who count them.
    given.store.wipe().await.expect("wiped");
}

pub(crate) async fn limits_hold_for_uploads_that_finish_at_once(given: &Given) {
    given.jobs(1).await;
    given.join("ann", "Ann", Stage::A).await;
    let named = has(given, "ann", 1, 1).await[0].lease.clone();
    let ann = lease(given, &named).await.expect("a lease");
    for (of, most_of_lease, most, fit) in [(ann, 40, 0, 4), (OWN, 0, 90, 5)] {
        let files = (0..12).map(|at| {
            let file = NewFile {
                most_of_lease,
                most,
                ..numbered(of, at + 100 * usize::try_from(most).expect("small"))
            };
            let store = Arc::clone(&given.store);
            tokio::spawn(async move { store.record_file(file).await })
        });
        let files: Vec<_> = files.collect();
        let mut recorded = 0;
        for file in files {
            let file = file.await.expect("no panic").expect("an answer");
            recorded += usize::from(file == Recorded::Yes);
        }
        assert_eq!(recorded, fit);
    }
}

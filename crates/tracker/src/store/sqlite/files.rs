//! The rows of files of jobs.

use std::collections::HashSet;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior};

use super::SqliteStore;
use crate::{
    clock::Millis,
    ledger::lease_parts,
    rules::{references, secrets::fingerprint},
    store::{
        FileLease, FileRows, FileTotals, GrantCursor, JobFile, NewFile, Recorded, StoreError,
        SweptGrants,
        files::{Cutoffs, READ_AT_ONCE, by_job},
        signed, stage_of, unsigned,
    },
};

/// Whether a lease is held, or may deliver late.
macro_rules! may_deliver {
    () => {
        "(ended_at is null or outcome in ('lapsed', 'idle'))"
    };
}

#[async_trait]
impl FileRows for SqliteStore {
    async fn file_leases(
        &self,
        names: Vec<String>,
    ) -> Result<Vec<(String, FileLease)>, StoreError> {
        self.readers.with(move |on| leases(on, names)).await
    }

    async fn held_lease(
        &self,
        token: &str,
        number: Option<u64>,
    ) -> Result<Option<FileLease>, StoreError> {
        let (token, number) = (fingerprint(token), number.map(signed));
        self.readers.with(move |on| held(on, &token, number)).await
    }

    async fn granted_files(
        &self,
        of: Vec<(i64, i64, String)>,
    ) -> Result<Vec<(i64, String, u64)>, StoreError> {
        let now = self.clock.now();
        self.readers.with(move |on| granted(on, of, now)).await
    }

    async fn would_record(&self, file: &NewFile) -> Result<Recorded, StoreError> {
        let file = file.clone();
        self.readers.with(move |on| admission(on, &file)).await
    }

    async fn record_file(&self, file: NewFile) -> Result<Recorded, StoreError> {
        let now = self.clock.now();
        self.admin.with(move |on| record(on, &file, now)).await
    }

    async fn file_stored(&self, hash: &str) -> Result<bool, StoreError> {
        let hash = hash.to_owned();
        self.admin
            .with(move |on| {
                let mut stored = on.prepare_cached(
                    "update files set state = 'stored' where hash = ? and state <> 'deleting'",
                )?;
                Ok(stored.execute([hash])? > 0)
            })
            .await
    }

    async fn is_recorded(&self, job: i64, lease: i64, hash: &str) -> Result<bool, StoreError> {
        let hash = hash.to_owned();
        self.readers
            .with(move |on| {
                let mut found = on.prepare_cached(
                    "select exists (select 1 from job_files j join files f on f.hash = j.hash \
                     where j.job = ? and j.lease = ? and j.hash = ? and f.state = 'stored')",
                )?;
                Ok(found.query_row((job, lease, hash), |row| row.get(0))?)
            })
            .await
    }

    async fn touch_files(&self, hashes: Vec<String>) -> Result<Vec<(String, u64)>, StoreError> {
        let now = self.clock.now();
        self.admin.with(move |on| touch(on, hashes, now)).await
    }

    async fn sweep_grants(&self, from: Option<GrantCursor>) -> Result<SweptGrants, StoreError> {
        let now = self.clock.now();
        let mut swept = SweptGrants::default();
        let start = from.clone();
        let rows = self.readers.with(move |on| over(on, start, now)).await?;
        let last = rows.last().cloned();
        for (job, before, rows) in by_job(from, rows) {
            if swept.read >= READ_AT_ONCE {
                swept.next = before;
                return Ok(swept);
            }
            let reading = move |on: &mut Connection| examine(on, job, rows, now);
            let (examined, read) = self.readers.with(reading).await?;
            swept.read += read;
            for some in examined.chunks(Cutoffs::EXAMINED as usize) {
                let some = some.to_vec();
                self.admin.with(move |on| settle(on, &some, now)).await?;
            }
        }
        swept.next = last;
        Ok(swept)
    }

    async fn begin_deletions(&self) -> Result<Vec<String>, StoreError> {
        let now = self.clock.now();
        self.admin.with(move |on| begin_deletions(on, now)).await
    }

    async fn file_deleted(&self, hash: &str) -> Result<(), StoreError> {
        let hash = hash.to_owned();
        self.admin
            .with(move |on| {
                on.execute(
                    "delete from files where hash = ? and state = 'deleting'",
                    [hash],
                )?;
                Ok(())
            })
            .await
    }

    async fn file_totals(&self) -> Result<FileTotals, StoreError> {
        self.readers.with(|on| totals(on)).await
    }

    async fn known_files(&self, of: Vec<(i64, String)>) -> Result<Vec<(i64, String)>, StoreError> {
        self.readers
            .with(move |on| {
                let mut known = on.prepare_cached(
                    "select exists (select 1 from job_files where hash = ?2 and job = ?1)",
                )?;
                let mut found = Vec::new();
                for (job, hash) in of {
                    if known.query_row((job, &hash), |row| row.get(0))? {
                        found.push((job, hash));
                    }
                }
                Ok(found)
            })
            .await
    }

    async fn files_of_job(&self, number: u64, limit: u32) -> Result<Vec<JobFile>, StoreError> {
        self.readers
            .with(move |on| {
                let mut listed = on.prepare_cached(
                    "select distinct f.hash, f.bytes from job_files j join files f on f.hash = j.hash \
                     where j.job = ? and f.state = 'stored' order by f.hash limit ?",
                )?;
                let rows = listed.query_map((signed(number), limit), |row| {
                    Ok(JobFile {
                        hash: row.get(0)?,
                        bytes: unsigned(row.get(1)?),
                    })
                })?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }
}

fn leases(on: &Connection, names: Vec<String>) -> Result<Vec<(String, FileLease)>, StoreError> {
    let mut by_id = on.prepare_cached(concat!(
        "select number, stage, ",
        may_deliver!(),
        ", coalesce(outcome in ('completed', 'opinion'), 0) from leases where id = ? and secret = ?"
    ))?;
    let mut found = Vec::new();
    for name in names {
        let Some((id, secret)) = lease_parts(&name) else {
            continue;
        };
        let row = by_id.query_row((id, fingerprint(secret)), |row| row.try_into());
        let row: Option<(i64, i64, bool, bool)> = row.optional()?;
        if let Some((job, stage, may_deliver, has_delivered)) = row {
            let stage = stage_of(stage)?;
            found.push((
                name,
                FileLease {
                    id,
                    job,
                    stage,
                    may_deliver,
                    has_delivered,
                },
            ));
        }
    }
    Ok(found)
}

fn held(
    on: &Connection,
    token: &str,
    number: Option<i64>,
) -> Result<Option<FileLease>, StoreError> {
    let mut listed = on.prepare_cached(
        "select l.id, l.number, l.stage from leases l \
         where l.worker = (select id from workers where token = ?1) and l.ended_at is null \
         and (?2 is null or l.number = ?2) limit 2",
    )?;
    let rows = listed.query_map((token, number), |row| row.try_into())?;
    let rows: Vec<(i64, i64, i64)> = rows.collect::<Result<_, _>>()?;
    match rows[..] {
        [(id, job, stage)] => Ok(Some(FileLease {
            id,
            job,
            stage: stage_of(stage)?,
            may_deliver: true,
            has_delivered: false,
        })),
        _ => Ok(None),
    }
}

fn granted(
    on: &Connection,
    of: Vec<(i64, i64, String)>,
    now: Millis,
) -> Result<Vec<(i64, String, u64)>, StoreError> {
    let mut by_key = on.prepare_cached(
        "select f.bytes from job_files j join files f on f.hash = j.hash \
         left join leases l on l.id = j.lease \
         where j.job = ?1 and j.lease = ?2 and j.hash = ?3 and f.state = 'stored' \
         and (j.kept = 1 or j.at > ?4 or l.id is not null and (l.ended_at is null or l.ended_at > ?4))",
    )?;
    let cutoff = Cutoffs::at(now).granted;
    let mut found = Vec::new();
    for (job, lease, hash) in of {
        let bytes = by_key.query_row((job, lease, &hash, cutoff), |row| row.get(0));
        if let Some(bytes) = bytes.optional()? {
            found.push((lease, hash, unsigned(bytes)));
        }
    }
    Ok(found)
}

fn totals(on: &Connection) -> Result<FileTotals, StoreError> {
    let mut sum = on.prepare_cached("select files, bytes from file_totals where id = 1")?;
    let (files, bytes) = sum.query_row((), |row| row.try_into())?;
    Ok(FileTotals {
        files: unsigned(files),
        bytes: unsigned(bytes),
    })
}

/// Whether a file may be recorded.
fn admission(on: &Connection, file: &NewFile) -> Result<Recorded, StoreError> {
    let mut known = on.prepare_cached("select state = 'deleting' from files where hash = ?")?;
    let known: Option<bool> = known.query_row([&file.hash], |row| row.get(0)).optional()?;
    if known == Some(true) {
        return Ok(Recorded::Deleting);
    }
    if file.lease != 0 {
        let mut sum = on.prepare_cached(
            "select count(*), coalesce(sum(f.bytes), 0) from job_files j \
             join files f on f.hash = j.hash where j.job = ? and j.lease = ? and j.hash <> ?",
        )?;
        let of_lease = (file.job, file.lease, &file.hash);
        let (count, bytes): (i64, i64) = sum.query_row(of_lease, |row| row.try_into())?;
        if unsigned(count) >= file.most_files
            || unsigned(bytes).saturating_add(file.bytes) > file.most_of_lease
        {
            return Ok(Recorded::TooLarge);
        }
    }
    if known.is_none() && file.most > 0 && totals(on)?.bytes.saturating_add(file.bytes) > file.most
    {
        return Ok(Recorded::Full);
    }
    Ok(Recorded::Yes)
}

fn record(on: &mut Connection, file: &NewFile, now: Millis) -> Result<Recorded, StoreError> {
    let unit = on.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let admitted = admission(&unit, file)?;
    if admitted != Recorded::Yes {
        return Ok(admitted);
    }
    unit.execute(
        "insert into files (hash, bytes, state, at) values (?, ?, 'storing', ?) \
         on conflict (hash) do update set doomed_at = null",
        (&file.hash, signed(file.bytes), now),
    )?;
    unit.execute(
        "insert into job_files (job, lease, hash, at) values (?1, ?2, ?3, ?4) \
         on conflict (job, lease, hash) do update set at = ?4",
        (file.job, file.lease, &file.hash, now),
    )?;
    unit.commit()?;
    Ok(Recorded::Yes)
}

fn touch(
    on: &mut Connection,
    hashes: Vec<String>,
    now: Millis,
) -> Result<Vec<(String, u64)>, StoreError> {
    let unit = on.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut found = Vec::new();
    {
        let mut by_hash =
            unit.prepare_cached("select bytes from files where hash = ? and state = 'stored'")?;
        let mut keep = unit.prepare_cached(
            "update files set doomed_at = ? where hash = ? and doomed_at is not null",
        )?;
        for hash in hashes {
            let bytes = by_hash.query_row([&hash], |row| row.get(0)).optional()?;
            if let Some(bytes) = bytes {
                keep.execute((now, &hash))?;
                found.push((hash, unsigned(bytes)));
            }
        }
    }
    unit.commit()?;
    Ok(found)
}

/// Grants that are over.
fn over(
    on: &Connection,
    from: Option<GrantCursor>,
    now: Millis,
) -> Result<Vec<GrantCursor>, StoreError> {
    let (at, job, lease, hash) = from.unwrap_or((Millis::MIN, 0, 0, String::new()));
    let mut listed = on.prepare_cached(
        "select j.at, j.job, j.lease, j.hash \
         from job_files j left join leases l on l.id = j.lease \
         where j.kept = 0 and j.at < ?5 and (j.at, j.job, j.lease, j.hash) > (?1, ?2, ?3, ?4) \
         and (l.id is null or l.ended_at < ?5) \
         order by j.at, j.job, j.lease, j.hash limit ?6",
    )?;
    let cutoff = Cutoffs::at(now).swept;
    let rows = listed.query_map((at, job, lease, hash, cutoff, Cutoffs::EXAMINED), |row| {
        row.try_into()
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Finds which grants of a job that are over its texts name: these and all others of the job. Returns how
/// many bytes were read.
fn examine(
    on: &mut Connection,
    job: i64,
    mut rows: Vec<GrantCursor>,
    now: Millis,
) -> Result<(Vec<Over>, u64), StoreError> {
    let (mut named, mut read) = (HashSet::new(), 0);
    // Those of no job have no text, and there may be any number of them.
    if job != 0 {
        let mut listed = on.prepare_cached(
            "select j.at, j.job, j.lease, j.hash \
             from job_files j left join leases l on l.id = j.lease \
             where j.job = ?1 and j.kept = 0 and j.at < ?2 and (l.id is null or l.ended_at < ?2)",
        )?;
        let all = listed.query_map((job, Cutoffs::at(now).swept), |row| row.try_into())?;
        rows = all.collect::<Result<_, _>>()?;
        let wanted: HashSet<&str> = rows.iter().map(|(.., hash)| hash.as_str()).collect();
        // One statement, and so of one moment: a text may be moved from one table to another.
        let mut texts = on.prepare_cached(
            "select data from inputs where number = ?1 \
             union all select data from late_results where number = ?1 \
             union all select t.data from opinions o join opinion_texts t on t.lease = o.lease \
             where o.number = ?1",
        )?;
        let mut texts = texts.query([job])?;
        while let Some(row) = texts.next()? {
            let text = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
            read += text.len() as u64;
            let found = references::names(text).filter(|name| wanted.contains(name));
            named.extend(found.map(str::to_owned));
        }
    }
    let over = |key: GrantCursor| Over {
        named: named.contains(&key.3),
        key,
    };
    Ok((rows.into_iter().map(over).collect(), read))
}

/// A grant that is over.
#[derive(Clone)]
struct Over {
    key: GrantCursor,
    /// Whether a text of the job names the file.
    named: bool,
}

fn settle(on: &mut Connection, found: &[Over], now: Millis) -> Result<(), StoreError> {
    let unit = on.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let key = "job = ? and lease = ? and hash = ?";
        let mut keep =
            unit.prepare_cached(&format!("update job_files set kept = 1 where {key}"))?;
        let mut delete =
            unit.prepare_cached(&format!("delete from job_files where {key} and at = ?"))?;
        for one in found {
            let (at, job, lease, hash) = &one.key;
            if one.named {
                keep.execute((job, lease, hash))?;
            } else {
                delete.execute((job, lease, hash, at))?;
                doom(&unit, hash, now)?;
            }
        }
    }
    unit.commit()?;
    Ok(())
}

/// Notes since when no job has a file, if none has it.
fn doom(unit: &Transaction<'_>, hash: &str, now: Millis) -> Result<(), StoreError> {
    unit.prepare_cached(
        "update files set doomed_at = ?1 where hash = ?2 and state <> 'deleting' \
         and not exists (select 1 from job_files where hash = ?2)",
    )?
    .execute((now, hash))?;
    Ok(())
}

fn begin_deletions(on: &mut Connection, now: Millis) -> Result<Vec<String>, StoreError> {
    let unit = on.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let cutoffs = Cutoffs::at(now);
    unit.execute(
        "update files set doomed_at = null where doomed_at < ? and state <> 'deleting' \
         and exists (select 1 from job_files j where j.hash = files.hash)",
        [cutoffs.doomed],
    )?;
    let hashes = {
        let mut begun = unit.prepare_cached(
            "update files set state = 'deleting', doomed_at = ?1 where hash in ( \
                 select hash from files where doomed_at < ?2 and state <> 'deleting' \
                 or doomed_at < ?3 and state = 'deleting' order by doomed_at limit ?4) returning hash",
        )?;
        let bounds = (now, cutoffs.doomed, cutoffs.deletion, Cutoffs::EXAMINED);
        let rows = begun.query_map(bounds, |row| row.get(0))?;
        rows.collect::<Result<Vec<String>, _>>()?
    };
    unit.commit()?;
    Ok(hashes)
}

/// Records the files that the inputs of new jobs name.
pub(super) fn of_inputs(
    on: &Connection,
    first: i64,
    inputs: &[String],
    now: Millis,
) -> Result<(), StoreError> {
    let mut add = on.prepare_cached(
        "insert into job_files (job, lease, hash, at, kept) values (?, 0, ?, ?, 1) on conflict do nothing",
    )?;
    let mut keep = on.prepare_cached(
        "update files set doomed_at = null where hash = ? and state <> 'deleting'",
    )?;
    for (number, input) in (first..).zip(inputs) {
        for one in references::references(input).unwrap_or_default() {
            add.execute((number, &one.file, now))?;
            keep.execute([&one.file])?;
        }
    }
    Ok(())
}

/// Forgets the files of jobs that are deleted.
pub(super) fn forget(
    unit: &Transaction<'_>,
    numbers: &[i64],
    now: Millis,
) -> Result<(), StoreError> {
    let mut deleted = unit.prepare_cached("delete from job_files where job = ? returning hash")?;
    for number in numbers {
        let rows = deleted.query_map([number], |row| row.get(0))?;
        let hashes: Vec<String> = rows.collect::<Result<_, _>>()?;
        for hash in hashes {
            doom(unit, &hash, now)?;
        }
    }
    Ok(())
}

//! The rows of files of jobs. Rows of `files` are locked after all others, in the order of their
//! names. The row of their totals is locked before them by whoever adds or deletes one, so that limits
//! are looked at by one at a time.

use std::{collections::HashSet, sync::Arc};

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use sqlx::{PgConnection, PgPool};

use super::PostgresStore;
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

impl PostgresStore {
    async fn cutoffs(&self, pool: &PgPool) -> Result<(Millis, Cutoffs), StoreError> {
        let now = sqlx::query_scalar("select coalesce($1, tracker_now())");
        let now: Millis = now.bind(self.now()).fetch_one(pool).await?;
        Ok((now, Cutoffs::at(now)))
    }
}

#[async_trait]
impl FileRows for PostgresStore {
    async fn file_leases(
        &self,
        names: Vec<String>,
    ) -> Result<Vec<(String, FileLease)>, StoreError> {
        let parts = names.iter().filter_map(|name| {
            let (id, secret) = lease_parts(name)?;
            Some((name.clone(), id, fingerprint(secret)))
        });
        let (mut texts, mut ids, mut secrets) = (Vec::new(), Vec::new(), Vec::new());
        for (name, id, secret) in parts {
            texts.push(name);
            ids.push(id);
            secrets.push(secret);
        }
        let rows: Vec<(String, i64, i64, i64, bool, bool)> = sqlx::query_as(
            "select g.name, l.id, l.number, l.stage, \
             (l.ended_at is null or l.outcome in ('lapsed', 'idle')), \
             coalesce(l.outcome in ('completed', 'opinion'), false) \
             from unnest($1::text[], $2::bigint[], $3::text[]) as g (name, id, secret) \
             join leases l on l.id = g.id and l.secret = g.secret",
        )
        .bind(&texts)
        .bind(&ids)
        .bind(&secrets)
        .fetch_all(&self.readers)
        .await?;
        let lease = |(name, id, job, stage, may_deliver, has_delivered)| {
            let stage = stage_of(stage)?;
            Ok((
                name,
                FileLease {
                    id,
                    job,
                    stage,
                    may_deliver,
                    has_delivered,
                },
            ))
        };
        rows.into_iter().map(lease).collect()
    }

    async fn held_lease(
        &self,
        token: &str,
        number: Option<u64>,
    ) -> Result<Option<FileLease>, StoreError> {
        let rows: Vec<(i64, i64, i64)> = sqlx::query_as(
            "select l.id, l.number, l.stage from leases l \
             where l.worker = (select id from workers where token = $1) and l.ended_at is null \
             and ($2::bigint is null or l.number = $2) limit 2",
        )
        .bind(fingerprint(token))
        .bind(number.map(signed))
        .fetch_all(&self.readers)
        .await?;
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

    async fn granted_files(
        &self,
        of: Vec<(i64, i64, String)>,
    ) -> Result<Vec<(i64, String, u64)>, StoreError> {
        let (mut jobs, mut leases, mut hashes) = (Vec::new(), Vec::new(), Vec::new());
        for (job, lease, hash) in of {
            jobs.push(job);
            leases.push(lease);
            hashes.push(hash);
        }
        let (_, cutoffs) = self.cutoffs(&self.readers).await?;
        let rows: Vec<(i64, String, i64)> = sqlx::query_as(
            "select j.lease, j.hash, f.bytes \
             from unnest($1::bigint[], $2::bigint[], $3::text[]) as g (job, lease, hash) \
             join job_files j on j.job = g.job and j.lease = g.lease and j.hash = g.hash \
             join files f on f.hash = j.hash left join leases l on l.id = j.lease \
             where f.state = 'stored' and (j.kept = 1 or j.at > $4 \
                 or l.id is not null and (l.ended_at is null or l.ended_at > $4))",
        )
        .bind(&jobs)
        .bind(&leases)
        .bind(&hashes)
        .bind(cutoffs.granted)
        .fetch_all(&self.readers)
        .await?;
        let row = |(lease, hash, bytes)| (lease, hash, unsigned(bytes));
        Ok(rows.into_iter().map(row).collect())
    }

    async fn would_record(&self, file: &NewFile) -> Result<Recorded, StoreError> {
        let mut connection = self.readers.acquire().await?;
        let bytes = totals(&mut connection).await?.bytes;
        admission(&mut connection, file, bytes).await
    }

    async fn record_file(&self, file: NewFile) -> Result<Recorded, StoreError> {
        record(&self.admin, &file, self.now()).await
    }

    async fn file_stored(&self, hash: &str) -> Result<bool, StoreError> {
        let stored = sqlx::query(
            "update files set state = 'stored' where hash = $1 and state <> 'deleting'",
        );
        let stored = stored.bind(hash).execute(&self.admin).await?;
        Ok(stored.rows_affected() > 0)
    }

    async fn is_recorded(&self, job: i64, lease: i64, hash: &str) -> Result<bool, StoreError> {
        let found = sqlx::query_scalar(
            "select exists (select 1 from job_files j join files f on f.hash = j.hash \
             where j.job = $1 and j.lease = $2 and j.hash = $3 and f.state = 'stored')",
        );
        let found = found.bind(job).bind(lease).bind(hash);
        Ok(found.fetch_one(&self.readers).await?)
    }

    async fn touch_files(&self, hashes: Vec<String>) -> Result<Vec<(String, u64)>, StoreError> {
        let mut unit = self.admin.begin().await?;
        let found: Vec<(String, i64)> = sqlx::query_as(
            "select hash, bytes from files where hash = any($1) and state = 'stored' \
             order by hash for update",
        )
        .bind(&hashes)
        .fetch_all(&mut *unit)
        .await?;
        sqlx::query(
            "update files set doomed_at = coalesce($2, tracker_now()) \
             where hash = any($1) and state = 'stored' and doomed_at is not null",
        )
        .bind(&hashes)
        .bind(self.now())
        .execute(&mut *unit)
        .await?;
        unit.commit().await?;
        let row = |(hash, bytes)| (hash, unsigned(bytes));
        Ok(found.into_iter().map(row).collect())
    }

    async fn sweep_grants(&self, from: Option<GrantCursor>) -> Result<SweptGrants, StoreError> {
        let (now, cutoffs) = self.cutoffs(&self.readers).await?;
        let mut swept = SweptGrants::default();
        let rows = over(&self.readers, from.clone(), cutoffs).await?;
        let last = rows.last().cloned();
        for (job, before, rows) in by_job(from, rows) {
            if swept.read >= READ_AT_ONCE {
                swept.next = before;
                return Ok(swept);
            }
            let (rows, named, read) = examine(&self.readers, job, rows, cutoffs).await?;
            swept.read += read;
            for some in rows.chunks(Cutoffs::EXAMINED as usize) {
                settle(&self.admin, some, &named, now).await?;
            }
        }
        swept.next = last;
        Ok(swept)
    }

    async fn begin_deletions(&self) -> Result<Vec<String>, StoreError> {
        let (now, cutoffs) = self.cutoffs(&self.admin).await?;
        begin_deletions(&self.admin, now, cutoffs).await
    }

    async fn file_deleted(&self, hash: &str) -> Result<(), StoreError> {
        let mut unit = self.admin.begin().await?;
        locked_totals(&mut unit).await?;
        sqlx::query("delete from files where hash = $1 and state = 'deleting'")
            .bind(hash)
            .execute(&mut *unit)
            .await?;
        Ok(unit.commit().await?)
    }

    async fn file_totals(&self) -> Result<FileTotals, StoreError> {
        let mut connection = self.readers.acquire().await?;
        totals(&mut connection).await
    }

    async fn known_files(&self, of: Vec<(i64, String)>) -> Result<Vec<(i64, String)>, StoreError> {
        let (jobs, hashes): (Vec<i64>, Vec<String>) = of.into_iter().unzip();
        let rows = sqlx::query_as(
            "select g.job, g.hash from unnest($1::bigint[], $2::text[]) as g (job, hash) \
             where exists (select 1 from job_files j where j.hash = g.hash and j.job = g.job)",
        )
        .bind(&jobs)
        .bind(&hashes)
        .fetch_all(&self.readers)
        .await?;
        Ok(rows)
    }

    async fn files_of_job(&self, number: u64, limit: u32) -> Result<Vec<JobFile>, StoreError> {
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "select distinct f.hash, f.bytes from job_files j join files f on f.hash = j.hash \
             where j.job = $1 and f.state = 'stored' order by f.hash limit $2",
        )
        .bind(signed(number))
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        let row = |(hash, bytes)| JobFile {
            hash,
            bytes: unsigned(bytes),
        };
        Ok(rows.into_iter().map(row).collect())
    }
}

async fn totals(on: &mut PgConnection) -> Result<FileTotals, StoreError> {
    let kept = "select files, bytes from file_totals where id = 1";
    let (files, bytes): (i64, i64) = sqlx::query_as(kept).fetch_one(on).await?;
    Ok(FileTotals {
        files: unsigned(files),
        bytes: unsigned(bytes),
    })
}

/// Locks the totals, and returns the bytes of all files.
async fn locked_totals(on: &mut PgConnection) -> Result<u64, StoreError> {
    let locked = sqlx::query_scalar("select bytes from file_totals where id = 1 for update");
    Ok(unsigned(locked.fetch_one(on).await?))
}

/// Whether a file may be recorded, if all files have so many bytes.
async fn admission(
    on: &mut PgConnection,
    file: &NewFile,
    all: u64,
) -> Result<Recorded, StoreError> {
    let known = sqlx::query_scalar("select state = 'deleting' from files where hash = $1");
    let known: Option<bool> = known.bind(&file.hash).fetch_optional(&mut *on).await?;
    if known == Some(true) {
        return Ok(Recorded::Deleting);
    }
    if file.lease != 0 {
        let (count, bytes): (i64, i64) = sqlx::query_as(
            "select count(*), coalesce(sum(f.bytes), 0)::bigint from job_files j \
             join files f on f.hash = j.hash where j.job = $1 and j.lease = $2 and j.hash <> $3",
        )
        .bind(file.job)
        .bind(file.lease)
        .bind(&file.hash)
        .fetch_one(on)
        .await?;
        if unsigned(count) >= file.most_files
            || unsigned(bytes).saturating_add(file.bytes) > file.most_of_lease
        {
            return Ok(Recorded::TooLarge);
        }
    }
    if known.is_none() && file.most > 0 && all.saturating_add(file.bytes) > file.most {
        return Ok(Recorded::Full);
    }
    Ok(Recorded::Yes)
}

async fn record(
    pool: &PgPool,
    file: &NewFile,
    now: Option<Millis>,
) -> Result<Recorded, StoreError> {
    let mut unit = pool.begin().await?;
    // From here on nobody else adds a file.
    let all = locked_totals(&mut unit).await?;
    let admitted = admission(&mut unit, file, all).await?;
    if admitted != Recorded::Yes {
        return Ok(admitted);
    }
    // Before the file, as whoever deletes grants locks them. A deletion of the file that does not see this
    // row has locked the file first, and then it is being deleted below.
    sqlx::query(
        "insert into job_files (job, lease, hash, at) values ($1, $2, $3, coalesce($4, tracker_now())) \
         on conflict (job, lease, hash) do update set at = excluded.at",
    )
    .bind(file.job)
    .bind(file.lease)
    .bind(&file.hash)
    .bind(now)
    .execute(&mut *unit)
    .await?;
    let kept = sqlx::query(
        "insert into files (hash, bytes, state, at) \
         values ($1, $2, 'storing', coalesce($3, tracker_now())) \
         on conflict (hash) do update set doomed_at = null where files.state <> 'deleting'",
    )
    .bind(&file.hash)
    .bind(signed(file.bytes))
    .bind(now)
    .execute(&mut *unit)
    .await?;
    if kept.rows_affected() == 0 {
        return Ok(Recorded::Deleting);
    }
    unit.commit().await?;
    Ok(Recorded::Yes)
}

/// Grants that are over.
async fn over(
    pool: &PgPool,
    from: Option<GrantCursor>,
    cutoffs: Cutoffs,
) -> Result<Vec<GrantCursor>, StoreError> {
    let (at, job, lease, hash) = from.unwrap_or((Millis::MIN, 0, 0, String::new()));
    let rows = sqlx::query_as(
        "select j.at, j.job, j.lease, j.hash \
         from job_files j left join leases l on l.id = j.lease \
         where j.kept = 0 and j.at < $5 and (j.at, j.job, j.lease, j.hash) > ($1, $2, $3, $4) \
         and (l.id is null or l.ended_at < $5) \
         order by j.at, j.job, j.lease, j.hash limit $6",
    )
    .bind(at)
    .bind(job)
    .bind(lease)
    .bind(hash)
    .bind(cutoffs.swept)
    .bind(i64::from(Cutoffs::EXAMINED))
    .fetch_all(pool)
    .await?;
    Ok(rows)
}

/// Finds which grants of a job that are over its texts name: these and all others of the job. Returns the
/// grants, the names in the texts, and how many bytes were read.
async fn examine(
    pool: &PgPool,
    job: i64,
    rows: Vec<GrantCursor>,
    cutoffs: Cutoffs,
) -> Result<(Vec<GrantCursor>, HashSet<String>, u64), StoreError> {
    let (mut named, mut read) = (HashSet::new(), 0);
    // Those of no job have no text, and there may be any number of them.
    if job == 0 {
        return Ok((rows, named, read));
    }
    let rows: Vec<GrantCursor> = sqlx::query_as(
        "select j.at, j.job, j.lease, j.hash \
         from job_files j left join leases l on l.id = j.lease \
         where j.job = $1 and j.kept = 0 and j.at < $2 and (l.id is null or l.ended_at < $2)",
    )
    .bind(job)
    .bind(cutoffs.swept)
    .fetch_all(pool)
    .await?;
    let wanted: HashSet<String> = rows.iter().map(|(.., hash)| hash.clone()).collect();
    let wanted = Arc::new(wanted);
    // One statement, and so of one moment: a text may be moved from one table to another.
    let texts = sqlx::query_scalar(
        "select data from inputs where number = $1 \
         union all select data from late_results where number = $1 \
         union all select t.data from opinions o join opinion_texts t on t.lease = o.lease \
         where o.number = $1",
    );
    let mut texts = texts.bind(job).fetch(pool);
    while let Some(text) = texts.try_next().await? {
        let text: String = text;
        read += text.len() as u64;
        let wanted = Arc::clone(&wanted);
        let reading = tokio::task::spawn_blocking(move || {
            let found = references::names(&text).filter(|name| wanted.contains(*name));
            found.map(str::to_owned).collect::<Vec<_>>()
        });
        let found = reading.await;
        named.extend(found.map_err(|error| StoreError::Failed(error.to_string()))?);
    }
    Ok((rows, named, read))
}

async fn settle(
    pool: &PgPool,
    found: &[GrantCursor],
    names: &HashSet<String>,
    now: Millis,
) -> Result<(), StoreError> {
    let mut unit = pool.begin().await?;
    for named in [true, false] {
        let (mut jobs, mut leases, mut hashes, mut ats) = (vec![], vec![], vec![], vec![]);
        for (at, job, lease, hash) in found {
            if names.contains(hash) == named {
                jobs.push(*job);
                leases.push(*lease);
                hashes.push(hash.clone());
                ats.push(*at);
            }
        }
        if jobs.is_empty() {
            continue;
        }
        let given = "from unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[]) \
             as g (job, lease, hash, at) \
             where j.job = g.job and j.lease = g.lease and j.hash = g.hash";
        let statement = if named {
            format!("update job_files j set kept = 1 {given} and g.at = g.at")
        } else {
            let given = given.replacen("from", "using", 1);
            format!("delete from job_files j {given} and j.at = g.at")
        };
        sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(&jobs)
            .bind(&leases)
            .bind(&hashes)
            .bind(&ats)
            .execute(&mut *unit)
            .await?;
        if !named {
            doom(&mut unit, &hashes, Some(now)).await?;
        }
    }
    unit.commit().await?;
    Ok(())
}

/// Notes since when no job has these files, of those that none has.
async fn doom(
    on: &mut PgConnection,
    hashes: &[String],
    now: Option<Millis>,
) -> Result<(), StoreError> {
    sqlx::query(
        "update files f set doomed_at = coalesce($2, tracker_now()) from ( \
             select hash from files where hash = any($1) and state <> 'deleting' \
             order by hash for update) d \
         where f.hash = d.hash and not exists (select 1 from job_files j where j.hash = f.hash)",
    )
    .bind(hashes)
    .bind(now)
    .execute(on)
    .await?;
    Ok(())
}

async fn begin_deletions(
    pool: &PgPool,
    now: Millis,
    cutoffs: Cutoffs,
) -> Result<Vec<String>, StoreError> {
    let mut unit = pool.begin().await?;
    // Locked before it is looked whether a job has them: whoever adds a row has locked the file first.
    let found: Vec<String> = sqlx::query_scalar(
        "select hash from files where doomed_at < $1 and state <> 'deleting' \
         or doomed_at < $2 and state = 'deleting' order by hash limit $3 for update skip locked",
    )
    .bind(cutoffs.doomed)
    .bind(cutoffs.deletion)
    .bind(i64::from(Cutoffs::EXAMINED))
    .fetch_all(&mut *unit)
    .await?;
    sqlx::query(
        "update files f set doomed_at = null where hash = any($1) and state <> 'deleting' \
         and exists (select 1 from job_files j where j.hash = f.hash)",
    )
    .bind(&found)
    .execute(&mut *unit)
    .await?;
    let begun = sqlx::query_scalar(
        "update files set state = 'deleting', doomed_at = $2 \
         where hash = any($1) and doomed_at is not null returning hash",
    )
    .bind(&found)
    .bind(now)
    .fetch_all(&mut *unit)
    .await?;
    unit.commit().await?;
    Ok(begun)
}

/// Records the files that the inputs of new jobs name.
pub(super) async fn of_inputs(
    on: &mut PgConnection,
    first: i64,
    inputs: &[String],
) -> Result<(), StoreError> {
    let (mut jobs, mut hashes) = (Vec::new(), Vec::new());
    for (number, input) in (first..).zip(inputs) {
        for one in references::references(input).unwrap_or_default() {
            jobs.push(number);
            hashes.push(one.file);
        }
    }
    if jobs.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "update files f set doomed_at = null from ( \
             select hash from files where hash = any($1) and doomed_at is not null \
             and state <> 'deleting' order by hash for update) d \
         where f.hash = d.hash",
    )
    .bind(&hashes)
    .execute(&mut *on)
    .await?;
    sqlx::query(
        "insert into job_files (job, lease, hash, at, kept) \
         select job, 0, hash, tracker_now(), 1 from unnest($1::bigint[], $2::text[]) as g (job, hash) \
         on conflict do nothing",
    )
    .bind(&jobs)
    .bind(&hashes)
    .execute(on)
    .await?;
    Ok(())
}

/// Forgets the files of jobs that are deleted.
pub(super) async fn forget(
    on: &mut PgConnection,
    numbers: &[i64],
    now: Option<Millis>,
) -> Result<(), StoreError> {
    let hashes: Vec<String> =
        sqlx::query_scalar("delete from job_files where job = any($1) returning hash")
            .bind(numbers)
            .fetch_all(&mut *on)
            .await?;
    if hashes.is_empty() {
        return Ok(());
    }
    doom(on, &hashes, now).await
}

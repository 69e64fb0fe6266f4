//! The rows of files of jobs: what the object store has, and which jobs it is for. They are written
//! outside of the ledger's groups, because no transition depends on them.

use async_trait::async_trait;
use distcompute_protocol::Stage;

use super::StoreError;
use crate::clock::Millis;

/// How long a file that no result names is kept, from its upload or from the end of its lease on.
pub const GRANT_LASTS: Millis = 86_400_000;

/// How much later its row is deleted: as long as a result may take from the check of its references to
/// its transaction.
const GRACE: Millis = 3_600_000;

/// How long a file is kept after the last row that named it.
const DOOMED: Millis = 3_600_000;

/// After how long a deletion is done again that has not been finished.
const DELETION: Millis = 600_000;

/// How many rows are examined at once.
const EXAMINED: u32 = 256;

/// After how many bytes of texts a sweep of grants lets others take their turns.
pub(super) const READ_AT_ONCE: u64 = 16 << 20;

/// The times before which something is over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cutoffs {
    /// Grants that a result may use are younger.
    pub(super) granted: Millis,
    /// Rows of grants are deleted that are older.
    pub(super) swept: Millis,
    /// Files are deleted that no row has named since.
    pub(super) doomed: Millis,
    /// Deletions are repeated that began before.
    pub(super) deletion: Millis,
}

impl Cutoffs {
    pub(super) fn at(now: Millis) -> Self {
        Self {
            granted: now - GRANT_LASTS,
            swept: now - GRANT_LASTS - GRACE,
            doomed: now - DOOMED,
            deletion: now - DELETION,
        }
    }

    pub(super) const EXAMINED: u32 = EXAMINED;
}

/// A lease, as far as files depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileLease {
    /// Its number.
    pub id: i64,
    /// Its job.
    pub job: i64,
    /// Its stage.
    pub stage: Stage,
    /// Whether it is held, or has lapsed and may deliver late.
    pub may_deliver: bool,
    /// Whether a result was accepted under it.
    pub has_delivered: bool,
}

/// A file that was uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFile {
    /// The job of the lease; 0: it is the owner's.
    pub job: i64,
    /// The lease; 0: it is the owner's.
    pub lease: i64,
    /// The file's name.
    pub hash: String,
    /// Its size.
    pub bytes: u64,
    /// How many bytes the files of a lease may have together.
    pub most_of_lease: u64,
    /// How many files a lease may have.
    pub most_files: u64,
    /// How many bytes all files may have together; 0: any number.
    pub most: u64,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It is recorded.
    Yes,
    /// A file of this name is being deleted at the moment.
    Deleting,
    /// The files of the lease would be too large together, or too many.
    TooLarge,
    /// The files of the project would be too large together.
    Full,
}

/// A file of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFile {
    /// The file's name.
    pub hash: String,
    /// Its size.
    pub bytes: u64,
}

/// How many files there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileTotals {
    /// Their number.
    pub files: u64,
    /// Their size together.
    pub bytes: u64,
}

/// The place at which the sweep of grants goes on.
pub type GrantCursor = (Millis, i64, i64, String);

/// A piece of the sweep of grants.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SweptGrants {
    /// Where to go on; `None` at the end.
    pub next: Option<GrantCursor>,
    /// How many bytes of texts were read.
    pub read: u64,
}

/// The rows of a piece of the sweep, by job in the order of their first rows, each with the cursor before
/// that row.
pub(super) fn by_job(
    from: Option<GrantCursor>,
    rows: Vec<GrantCursor>,
) -> Vec<(i64, Option<GrantCursor>, Vec<GrantCursor>)> {
    let mut jobs: Vec<(i64, Option<GrantCursor>, Vec<GrantCursor>)> = Vec::new();
    let mut before = from;
    for row in rows {
        match jobs.iter_mut().find(|(job, ..)| *job == row.1) {
            Some((.., of_job)) => of_job.push(row.clone()),
            None => jobs.push((row.1, before, vec![row.clone()])),
        }
        before = Some(row);
    }
    jobs
}

/// The rows of files of jobs. Tokens and leases are given as they are.
#[async_trait]
pub trait FileRows: Send + Sync {
    /// The leases with these names whose secrets are right, with their names.
    async fn file_leases(&self, names: Vec<String>)
    -> Result<Vec<(String, FileLease)>, StoreError>;

    /// The lease under which the worker holds its job, which must be job `number` if that is given.
    /// `None` if there is none, or more than one.
    async fn held_lease(
        &self,
        token: &str,
        number: Option<u64>,
    ) -> Result<Option<FileLease>, StoreError>;

    /// Those of these files (job, lease, name) that were uploaded under the lease, with their sizes.
    async fn granted_files(
        &self,
        of: Vec<(i64, i64, String)>,
    ) -> Result<Vec<(i64, String, u64)>, StoreError>;

    /// What [`record_file`](Self::record_file) would return at the moment.
    async fn would_record(&self, file: &NewFile) -> Result<Recorded, StoreError>;

    /// Records an upload whose hash is right, before the file gets its name in the object store. Nothing
    /// may name it until [`file_stored`](Self::file_stored) was called.
    async fn record_file(&self, file: NewFile) -> Result<Recorded, StoreError>;

    /// Records that the object store has a file under its name. `false`: it has been deleted meanwhile.
    async fn file_stored(&self, hash: &str) -> Result<bool, StoreError>;

    /// Whether an upload was recorded for a job and a lease, and its file is stored.
    async fn is_recorded(&self, job: i64, lease: i64, hash: &str) -> Result<bool, StoreError>;

    /// Those of these files that are stored, with their sizes. They stay for an hour at least.
    async fn touch_files(&self, hashes: Vec<String>) -> Result<Vec<(String, u64)>, StoreError>;

    /// Deletes some grants that are over and that no text of their jobs names, and notes of the others
    /// that a text does. The texts of a job are read once for all of its grants.
    async fn sweep_grants(&self, from: Option<GrantCursor>) -> Result<SweptGrants, StoreError>;

    /// Some files that no job has had for an hour. No upload gets their names until
    /// [`file_deleted`](Self::file_deleted) was called.
    async fn begin_deletions(&self) -> Result<Vec<String>, StoreError>;

    /// Records that a file was deleted from the object store.
    async fn file_deleted(&self, hash: &str) -> Result<(), StoreError>;

    /// How many files there are.
    async fn file_totals(&self) -> Result<FileTotals, StoreError>;

    /// Those of these files (job, name) that were uploaded for the job or that one of its inputs names.
    async fn known_files(&self, of: Vec<(i64, String)>) -> Result<Vec<(i64, String)>, StoreError>;

    /// The stored files of a job, by name, at most `limit`.
    async fn files_of_job(&self, number: u64, limit: u32) -> Result<Vec<JobFile>, StoreError>;
}

//! The command line: its syntax and help. The commands are in a file each; the flags of `serve` are
//! interpreted in `config`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::ServeArgs;

/// The author of actions in the log that were taken on the command line.
pub const COMMAND_LINE: &str = "command line";

/// The tracker of a volunteer-computing project.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Cli {
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the API and the pages until told to stop
    Serve(Box<ServeArgs>),
    /// List everything that is wrong with the configuration of `serve`
    CheckConfig(Box<ServeArgs>),
    /// Add jobs; works while the tracker runs
    Import(ImportArgs),
    /// Write the results of a stage as JSON lines; works while the tracker runs
    Export(ExportArgs),
    /// Write a whole copy of an SQLite database to a file; works while the tracker runs
    Backup(BackupArgs),
    /// Copy a whole project to an empty database, also of the other kind; with the tracker stopped
    Copy(CopyArgs),
    /// Delete the texts of finished jobs that were exported; works while the tracker runs
    Prune(PruneArgs),
    /// List what the operator did: imports, exports, prunes, resets
    Audit(AuditArgs),
    /// Requeue jobs that were set aside or done badly, or any others; works while the tracker runs
    Requeue(RequeueArgs),
    /// Have finished jobs go on at a stage that was added; works while the tracker runs
    Reopen(StageChangeArgs),
    /// Finish jobs that wait at a stage that was taken away; works while the tracker runs
    Close(StageChangeArgs),
    /// List the registered workers, or end some; works while the tracker runs
    Workers(WorkersArgs),
    /// Ban a nickname or an address: its workers are ended, and it gets no more jobs; works while
    /// the tracker runs
    Ban(BanArgs),
    /// Lift a ban; works while the tracker runs
    Pardon(PardonArgs),
    /// Pause stages: no jobs are handed out, and results are accepted; works while the tracker runs
    Pause(PauseArgs),
    /// Resume stages that were paused, by the operator or because everything failed there; works
    /// while the tracker runs
    Resume(ResumeArgs),
    /// Show what is known of volunteers whose results are checked
    Trust(TrustArgs),
    /// Have everything done again that was handed in with a key, and put it on hold; works while the
    /// tracker runs
    Revert(RevertArgs),
    /// End the hold of a key; works while the tracker runs
    Release(RevertArgs),
    /// Verify receipts for results
    Receipts(ReceiptsArgs),
}

/// Flags of `trust`.
#[derive(Debug, Args)]
pub struct TrustArgs {
    /// What to do
    #[command(subcommand)]
    pub command: TrustCommand,
}

/// The subcommands of `trust`.
#[derive(Debug, Subcommand)]
pub enum TrustCommand {
    /// Show what is known of a key, or list those on hold
    Show(TrustShowArgs),
}

/// Flags of `trust show`.
#[derive(Debug, Args)]
pub struct TrustShowArgs {
    /// The database of the volunteers
    #[command(flatten)]
    pub database: DatabaseArg,
    /// A volunteer's key, as `workers` lists it; without it, all that are on hold
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
}

/// Flags of `revert` and `release`.
#[derive(Debug, Args)]
pub struct RevertArgs {
    /// The database of the jobs
    #[command(flatten)]
    pub database: DatabaseArg,
    /// A volunteer's key, as `workers` lists it
    #[arg(long, value_name = "KEY")]
    pub key: String,
}

/// Flags of `receipts`.
#[derive(Debug, Args)]
pub struct ReceiptsArgs {
    /// What to do with them.
    #[command(subcommand)]
    pub command: ReceiptsCommand,
}

/// The commands of `receipts`.
#[derive(Debug, Subcommand)]
pub enum ReceiptsCommand {
    /// Verify the receipts of a file, one per line or as /api/receipts answers them
    Verify(VerifyArgs),
}

/// Flags of `receipts verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The receipts; `-` is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The tracker's public key, as /api/receipts/key answers it [default: that of the database]
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// The database of the tracker that signed them
    #[command(flatten)]
    pub database: DatabaseArg,
}

/// The database, for commands that work on it.
#[derive(Debug, Args)]
pub struct DatabaseArg {
    /// The database: sqlite:FILE or postgres://USER@HOST/NAME
    #[arg(
        long,
        env = "DISTCOMPUTE_DATABASE",
        hide_env_values = true,
        value_name = "URL",
        default_value = "sqlite:jobs.db"
    )]
    pub database: String,
}

/// Flags of `import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The database for the jobs
    #[command(flatten)]
    pub database: DatabaseArg,
    /// The source of the jobs
    #[command(flatten)]
    pub source: SourceArgs,
    /// A folder with the files that jobs name, by their hashes (sha256-…) or as ./name: they are stored
    #[arg(long, value_name = "FOLDER")]
    pub files: Option<PathBuf>,
    /// Where the files of jobs are kept
    #[command(flatten)]
    pub object_store: ObjectStoreArg,
    /// Delete all jobs, results, workers and the leaderboard first
    #[arg(long)]
    pub reset: bool,
    /// Do not ask for confirmation of --reset
    #[arg(long, requires = "reset")]
    pub yes: bool,
}

/// The source of the jobs: exactly one of these. A file called `-` is standard input.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct SourceArgs {
    /// A JSON list of jobs: strings, objects or lists
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// One job per line, as JSON
    #[arg(long, value_name = "FILE")]
    pub jsonl: Option<PathBuf>,
    /// The output of `export`: the data of each line becomes a job
    #[arg(long, value_name = "FILE")]
    pub results: Option<PathBuf>,
    /// One job per line, as text
    #[arg(long, value_name = "FILE")]
    pub txt: Option<PathBuf>,
    /// A pattern, such as "shard_{000..999}.tar"
    #[arg(long, value_name = "PATTERN")]
    pub brace: Option<String>,
}

/// Flags of `requeue`. A job must match all of them.
#[derive(Debug, Args)]
pub struct RequeueArgs {
    /// The database of the jobs
    #[command(flatten)]
    pub database: DatabaseArg,
    /// A job by its number, or several: 7 or 10-20. One that is set aside, held or finished; a
    /// finished one goes back to the stage that finished it. Repeat for more
    #[arg(long, value_name = "NUMBER")]
    pub job: Vec<String>,
    /// The same for the numbers in this file, one or one range a line; - is standard input
    #[arg(long, value_name = "FILE")]
    pub jobs_from: Option<PathBuf>,
    /// Only jobs in this state, instead of those that are set aside. `failed`: waiting after a
    /// failure. Repeat for more
    #[arg(long, value_name = "STATE")]
    pub state: Vec<JobState>,
    /// Jobs in any state; with --to a, the whole project is done again
    #[arg(long, conflicts_with = "state")]
    pub all: bool,
    /// Only jobs at this stage, or finished there; with a nickname or another condition on the
    /// result, only results of this stage
    #[arg(long, value_name = "LETTER")]
    pub stage: Option<String>,
    /// Have the jobs go back to this stage: their results from there on are discarded
    #[arg(long, value_name = "LETTER")]
    pub to: Option<String>,
    /// Only jobs that have not changed for this long: 90s, 15m, 1h, 2d
    #[arg(long, value_name = "DURATION")]
    pub older_than: Option<String>,
    /// Jobs with a result from this nickname. They go back to the stage that made it, and what later
    /// stages made from it is discarded too
    #[arg(long, value_name = "NAME")]
    pub nickname: Option<String>,
    /// The same for results that contain this text
    #[arg(long, value_name = "TEXT")]
    pub result_contains: Option<String>,
    /// The same for results from this address, or for IPv6 from its /64 network; --dry-run lists the
    /// addresses
    #[arg(long, value_name = "ADDRESS")]
    pub address: Option<String>,
    /// The same for results that came at this time or later: 2026-11-28T16:00:00Z or 2026-11-28
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// The same for results that came before this time
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Only list these jobs, and where their results came from
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask for confirmation
    #[arg(long)]
    pub yes: bool,
}

/// States of jobs that `requeue` selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)] // Described by `States`.
pub enum JobState {
    Open,
    Failed,
    Held,
    SetAside,
    Done,
}

/// Flags of `reopen` and `close`.
#[derive(Debug, Args)]
pub struct StageChangeArgs {
    /// The database of the jobs
    #[command(flatten)]
    pub database: DatabaseArg,
    /// The stage that was added, or taken away
    #[arg(long, value_name = "LETTER")]
    pub stage: String,
    /// Only count these jobs
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask for confirmation
    #[arg(long)]
    pub yes: bool,
}

/// Flags of `workers`. A worker must match all of them.
#[derive(Debug, Args)]
pub struct WorkersArgs {
    /// The database of the workers
    #[command(flatten)]
    pub database: DatabaseArg,
    /// Only workers of this nickname
    #[arg(long, value_name = "NAME")]
    pub nickname: Option<String>,
    /// Only workers from this address or network: 192.0.2.7, 192.0.2.0/24, 2001:db8::/64
    #[arg(long, value_name = "ADDRESS")]
    pub address: Option<String>,
    /// Only workers at this stage
    #[arg(long, value_name = "LETTER")]
    pub stage: Option<String>,
    /// End these workers: their jobs go back. Their clients register anew, unless they are banned
    #[arg(long)]
    pub end: bool,
    /// Do not ask for confirmation of --end
    #[arg(long, requires = "end")]
    pub yes: bool,
}

/// Flags of `ban`.
#[derive(Debug, Args)]
pub struct BanArgs {
    /// The database of the bans
    #[command(flatten)]
    pub database: DatabaseArg,
    /// The subject of the ban
    #[command(flatten)]
    pub banned: BannedArgs,
    /// List the bans
    #[arg(long, conflicts_with_all = ["nickname", "address", "reason"])]
    pub list: bool,
    /// The reason, shown in the list
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub reason: String,
}

/// The subject of a ban: one of these.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub struct BannedArgs {
    /// A nickname
    #[arg(long, value_name = "NAME")]
    pub nickname: Option<String>,
    /// An address or a network: 192.0.2.7, 192.0.2.0/24, 2001:db8::/64
    #[arg(long, value_name = "ADDRESS")]
    pub address: Option<String>,
    /// A volunteer's key, as `workers` lists it
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
}

/// Flags of `pardon`.
#[derive(Debug, Args)]
pub struct PardonArgs {
    /// The database of the bans
    #[command(flatten)]
    pub database: DatabaseArg,
    /// The subject of the ban
    #[command(flatten)]
    pub banned: BannedArgs,
}

/// Flags of `pause`.
#[derive(Debug, Args)]
pub struct PauseArgs {
    /// The database of the stages
    #[command(flatten)]
    pub database: DatabaseArg,
    /// Only this stage; all stages if absent
    #[arg(long, value_name = "LETTER")]
    pub stage: Option<String>,
    /// A sentence that volunteers read; at most 200 characters
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub message: String,
}

/// Flags of `resume`.
#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// The database of the stages
    #[command(flatten)]
    pub database: DatabaseArg,
    /// Only this stage; all stages if absent
    #[arg(long, value_name = "LETTER")]
    pub stage: Option<String>,
}

/// Flags of `export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The database of the results
    #[command(flatten)]
    pub database: DatabaseArg,
    /// The stage whose outputs are exported
    #[arg(long, value_name = "LETTER")]
    pub stage: String,
    /// The file to write; without it, standard output
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Leave out results that count on the word of one volunteer, and say how many they are
    #[arg(long)]
    pub settled: bool,
    /// A folder for the files that the results name; those that are there are left as they are
    #[arg(long, value_name = "FOLDER")]
    pub files: Option<PathBuf>,
    /// Where the files of jobs are kept
    #[command(flatten)]
    pub object_store: ObjectStoreArg,
}

/// Where the files of jobs are kept.
#[derive(Debug, Args)]
pub struct ObjectStoreArg {
    /// Where the files of jobs are kept, as the tracker has it: a folder, the address of a cloud's store,
    /// or off [default: a folder beside the database]
    #[arg(long, env = "DISTCOMPUTE_OBJECT_STORE", value_name = "PLACE")]
    pub object_store: Option<String>,
}

/// Flags of `backup`.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The database to copy
    #[command(flatten)]
    pub database: DatabaseArg,
    /// The file to write; an existing one is not overwritten
    #[arg(long, value_name = "FILE")]
    pub to: PathBuf,
}

/// Flags of `copy`.
#[derive(Debug, Args)]
pub struct CopyArgs {
    /// The database to copy: sqlite:FILE or postgres://USER@HOST/NAME; it is not changed
    #[arg(
        long,
        env = "DISTCOMPUTE_COPY_FROM",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub from: String,
    /// The database to fill: a file that is not there, or an empty PostgreSQL database
    #[arg(
        long,
        env = "DISTCOMPUTE_COPY_TO",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub to: String,
}

/// Flags of `prune`.
#[derive(Debug, Args)]
pub struct PruneArgs {
    /// The database of the jobs
    #[command(flatten)]
    pub database: DatabaseArg,
    /// The stage whose results were exported
    #[arg(long, value_name = "LETTER")]
    pub stage: String,
    /// Prune jobs whose result has a lower cursor than this; `export` prints it
    #[arg(long, value_name = "CURSOR")]
    pub before: u64,
}

/// Flags of `audit`.
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// The database of the log
    #[command(flatten)]
    pub database: DatabaseArg,
}

//! The command line. What stands here is parsed and described; what it means is in the file of each command
//! and, for the flags of `serve`, in `config`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::ServeArgs;

/// Who acts, in the log of actions, where a command does.
pub const COMMAND_LINE: &str = "command line";

/// The tracker of a volunteer-computing project.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the API and the pages until told to stop
    Serve(Box<ServeArgs>),
    /// Say everything that is wrong with the configuration of `serve`
    CheckConfig(Box<ServeArgs>),
    /// Add jobs; works while the tracker runs
    Import(ImportArgs),
    /// Write the results of a stage as JSON lines; works while the tracker runs
    Export(ExportArgs),
    /// Write a whole copy of an SQLite database to a file; works while the tracker runs
    Backup(BackupArgs),
    /// Delete the texts of finished jobs that were exported; works while the tracker runs
    Prune(PruneArgs),
    /// Say what the operator did: imports, exports, prunes, resets
    Audit(AuditArgs),
    /// Have jobs that were set aside, or were done badly, worked on again; works while the tracker runs
    Requeue(RequeueArgs),
    /// Say which workers are registered, or end some; works while the tracker runs
    Workers(WorkersArgs),
    /// Ban a nickname or an address: its workers are ended, and it gets no job any more; works while the
    /// tracker runs
    Ban(BanArgs),
    /// Take a ban back; works while the tracker runs
    Pardon(PardonArgs),
    /// Have stages go on that were paused because everything failed there; works while the tracker runs
    Resume(ResumeArgs),
}

/// Where the jobs are, for commands that work on them.
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
    /// Where the jobs go
    #[command(flatten)]
    pub database: DatabaseArg,
    /// Where they come from
    #[command(flatten)]
    pub source: SourceArgs,
    /// Forget all jobs, results, workers and the leaderboard first
    #[arg(long)]
    pub reset: bool,
    /// Do not ask whether --reset is meant
    #[arg(long, requires = "reset")]
    pub yes: bool,
}

/// Where jobs come from: exactly one of these. A file called `-` is standard input.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct SourceArgs {
    /// A JSON list of jobs: strings, objects or lists
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// A job a line, as JSON
    #[arg(long, value_name = "FILE")]
    pub jsonl: Option<PathBuf>,
    /// What `export` wrote: the data of each line becomes a job
    #[arg(long, value_name = "FILE")]
    pub results: Option<PathBuf>,
    /// A job a line, as text
    #[arg(long, value_name = "FILE")]
    pub txt: Option<PathBuf>,
    /// A pattern, as "shard_{000..999}.tar"
    #[arg(long, value_name = "PATTERN")]
    pub brace: Option<String>,
}

/// Flags of `requeue`. What is named must all be true of a job.
#[derive(Debug, Args)]
pub struct RequeueArgs {
    /// Where the jobs are
    #[command(flatten)]
    pub database: DatabaseArg,
    /// A job by its number: one that is set aside or held, or a finished one, which goes back to the
    /// stage that finished it; repeat for more
    #[arg(long, value_name = "NUMBER")]
    pub job: Vec<u64>,
    /// Only jobs at this stage; with a nickname or a text of the result, only results of this stage
    #[arg(long, value_name = "LETTER")]
    pub stage: Option<String>,
    /// Only jobs that have not changed for so long: 90s, 15m, 1h, 2d
    #[arg(long, value_name = "DURATION")]
    pub older_than: Option<String>,
    /// Jobs whose latest result came from this nickname, back to the stage that made it
    #[arg(long, value_name = "NAME")]
    pub nickname: Option<String>,
    /// Jobs whose latest result contains this text, back to the stage that made it
    #[arg(long, value_name = "TEXT")]
    pub result_contains: Option<String>,
    /// Jobs whose latest result came from this address, or its household's network where it is one of
    /// IPv6; --dry-run says which there are
    #[arg(long, value_name = "ADDRESS")]
    pub address: Option<String>,
    /// Jobs whose latest result came at this time or later: 2026-11-28T16:00:00Z or 2026-11-28
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Jobs whose latest result came before this time
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Only say which jobs these are, and where their results came from
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

/// Flags of `workers`. What is named must all be true of a worker.
#[derive(Debug, Args)]
pub struct WorkersArgs {
    /// Where the workers are
    #[command(flatten)]
    pub database: DatabaseArg,
    /// Only those of this nickname
    #[arg(long, value_name = "NAME")]
    pub nickname: Option<String>,
    /// Only those from this address or network: 192.0.2.7, 192.0.2.0/24, 2001:db8::/64
    #[arg(long, value_name = "ADDRESS")]
    pub address: Option<String>,
    /// Only those at this stage
    #[arg(long, value_name = "LETTER")]
    pub stage: Option<String>,
    /// End them: what they hold goes back. Their clients register anew, unless they are banned
    #[arg(long)]
    pub end: bool,
    /// Do not ask whether --end is meant
    #[arg(long, requires = "end")]
    pub yes: bool,
}

/// Flags of `ban`.
#[derive(Debug, Args)]
pub struct BanArgs {
    /// Where the bans are
    #[command(flatten)]
    pub database: DatabaseArg,
    /// Whom
    #[command(flatten)]
    pub banned: BannedArgs,
    /// Say who is banned
    #[arg(long, conflicts_with_all = ["nickname", "address", "reason"])]
    pub list: bool,
    /// Why, for whoever reads the list
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub reason: String,
}

/// Whom a ban concerns: one of these.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub struct BannedArgs {
    /// A nickname
    #[arg(long, value_name = "NAME")]
    pub nickname: Option<String>,
    /// An address or a network: 192.0.2.7, 192.0.2.0/24, 2001:db8::/64
    #[arg(long, value_name = "ADDRESS")]
    pub address: Option<String>,
}

/// Flags of `pardon`.
#[derive(Debug, Args)]
pub struct PardonArgs {
    /// Where the bans are
    #[command(flatten)]
    pub database: DatabaseArg,
    /// Whom
    #[command(flatten)]
    pub banned: BannedArgs,
}

/// Flags of `resume`.
#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// Where the jobs are
    #[command(flatten)]
    pub database: DatabaseArg,
    /// Only this stage; without it, all
    #[arg(long, value_name = "LETTER")]
    pub stage: Option<String>,
}

/// Flags of `export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Where the jobs are
    #[command(flatten)]
    pub database: DatabaseArg,
    /// The stage whose outputs are written
    #[arg(long, value_name = "LETTER")]
    pub stage: String,
    /// The file to write; without it, standard output
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Flags of `backup`.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// What is copied
    #[command(flatten)]
    pub database: DatabaseArg,
    /// The file to write; one that is there already is not written over
    #[arg(long, value_name = "FILE")]
    pub to: PathBuf,
}

/// Flags of `prune`.
#[derive(Debug, Args)]
pub struct PruneArgs {
    /// Where the jobs are
    #[command(flatten)]
    pub database: DatabaseArg,
    /// The stage whose results were exported
    #[arg(long, value_name = "LETTER")]
    pub stage: String,
    /// Prune jobs whose result has a lower cursor than this; `export` says which
    #[arg(long, value_name = "CURSOR")]
    pub before: u64,
}

/// Flags of `audit`.
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// Where the log is
    #[command(flatten)]
    pub database: DatabaseArg,
}

//! The command line. What stands here is parsed and described; what it means is in `config`,
//! `serve`, `import` and `export`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

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

/// Flags of `serve`. A list in an environment variable is separated by `;`.
#[derive(Debug, Default, Parser)]
pub struct ServeArgs {
    /// A configuration file; flags and environment variables go before it
    #[arg(long, env = "DISTCOMPUTE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Address and port; port 0 picks a free one [default: 127.0.0.1:8080]
    #[arg(long, env = "DISTCOMPUTE_LISTEN", value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// The database: sqlite:FILE or postgres://USER@HOST/NAME [default: sqlite:jobs.db]
    #[arg(
        long,
        env = "DISTCOMPUTE_DATABASE",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub database: Option<String>,
    /// The project's name
    #[arg(long, env = "DISTCOMPUTE_PROJECT", value_name = "NAME")]
    pub project: Option<String>,
    /// What the project is about, as plain text for the dashboard
    #[arg(long, env = "DISTCOMPUTE_DESCRIPTION", value_name = "TEXT")]
    pub description: Option<String>,
    /// A stage and its name; repeat for each, from a on without a gap [default: a=CPU]
    #[arg(
        long,
        env = "DISTCOMPUTE_STAGE",
        value_name = "LETTER=NAME",
        value_delimiter = ';'
    )]
    pub stage: Vec<String>,
    /// How many distinct volunteers must call a job's input bad until it is made again [default: 5]
    #[arg(long, env = "DISTCOMPUTE_INVALID_AFTER", value_name = "COUNT")]
    pub invalid_after: Option<u32>,
    /// At how many distinct volunteers a job must fail to be set aside [default: 5]
    #[arg(long, env = "DISTCOMPUTE_MAX_ATTEMPTS", value_name = "COUNT")]
    pub max_attempts: Option<u32>,
    /// At how many distinct volunteers everything must fail for a stage to be paused; 0 for never
    /// [default: 3]
    #[arg(long, env = "DISTCOMPUTE_PAUSE_AFTER", value_name = "COUNT")]
    pub pause_after: Option<u32>,
    /// Seconds after which a lease ends unless a sync holds it [default: 300]
    #[arg(long, env = "DISTCOMPUTE_LEASE_S", value_name = "SECONDS")]
    pub lease_s: Option<u32>,
    /// A text of your own: when it changes, clients load their worker script anew
    #[arg(long, env = "DISTCOMPUTE_APP_VERSION", value_name = "TEXT")]
    pub app_version: Option<String>,
    /// A folder to serve and where; repeat for more, the longest address wins
    #[arg(
        long,
        env = "DISTCOMPUTE_FILES",
        value_name = "/PATH=FOLDER",
        value_delimiter = ';'
    )]
    pub files: Vec<String>,
    /// The path under which a proxy that does not strip it makes the tracker known, as /tracker
    #[arg(long, env = "DISTCOMPUTE_BASE_PATH", value_name = "/PATH")]
    pub base_path: Option<String>,
    /// The address of the volunteer page on this tracker
    #[arg(long, env = "DISTCOMPUTE_VOLUNTEER_PAGE", value_name = "/PATH")]
    pub volunteer_page: Option<String>,
    /// The address of a page on this tracker that shows the results so far
    #[arg(long, env = "DISTCOMPUTE_PREVIEW", value_name = "/PATH")]
    pub preview: Option<String>,
    /// Let anybody fetch results [default: false]
    #[arg(
        long,
        env = "DISTCOMPUTE_PUBLIC_RESULTS",
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub public_results: Option<bool>,
    /// An origin whose pages may call the API, or * for all; repeat for more [default: *]
    #[arg(
        long,
        env = "DISTCOMPUTE_CORS_ORIGIN",
        value_name = "ORIGIN",
        value_delimiter = ';'
    )]
    pub cors_origin: Vec<String>,
    /// A name under which the tracker is known; requests for others are refused; repeat for more
    /// [default: any]
    #[arg(
        long,
        env = "DISTCOMPUTE_HOST",
        value_name = "NAME",
        value_delimiter = ';'
    )]
    pub host: Vec<String>,
    /// The address or network of a proxy that is believed when it says who called it; repeat for more
    /// [default: 127.0.0.0/8 and ::1]
    #[arg(
        long,
        env = "DISTCOMPUTE_TRUSTED_PROXY",
        value_name = "ADDRESS",
        value_delimiter = ';'
    )]
    pub trusted_proxy: Vec<String>,
    /// Registrations that one address may make a minute; 0 for any number [default: 120]
    #[arg(long, env = "DISTCOMPUTE_LIMIT_REGISTRATIONS", value_name = "COUNT")]
    pub limit_registrations: Option<u32>,
    /// Requests that one address may make a second; 0 for any number [default: 400]
    #[arg(long, env = "DISTCOMPUTE_LIMIT_REQUESTS", value_name = "COUNT")]
    pub limit_requests: Option<u32>,
    /// Bytes that one address may send and fetch a second; 0 for any number [default: 33554432]
    #[arg(long, env = "DISTCOMPUTE_LIMIT_BYTES", value_name = "BYTES")]
    pub limit_bytes: Option<u64>,
    /// Connections that one address may have, and requests at once; 0 for any number [default: 512]
    #[arg(long, env = "DISTCOMPUTE_LIMIT_CONNECTIONS", value_name = "COUNT")]
    pub limit_connections: Option<u32>,
    /// A secret of at least 16 characters for the operator's calls; better kept in a file, since a
    /// command line can be read by everybody on the machine
    #[arg(
        long,
        env = "DISTCOMPUTE_ADMIN_TOKEN",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    pub admin_token: Option<String>,
    /// A file that holds this secret
    #[arg(long, env = "DISTCOMPUTE_ADMIN_TOKEN_FILE", value_name = "FILE")]
    pub admin_token_file: Option<PathBuf>,
    /// Who may read /metrics: token, loopback or public [default: token]
    #[arg(long, env = "DISTCOMPUTE_METRICS", value_name = "WHO")]
    pub metrics: Option<String>,
    /// The Content-Security-Policy of what --files serves; empty for none
    #[arg(long, env = "DISTCOMPUTE_FILES_POLICY", value_name = "POLICY")]
    pub files_policy: Option<String>,
    /// Seconds without a word after which a worker is forgotten [default: 7200]
    #[arg(long, env = "DISTCOMPUTE_IDLE_TIMEOUT_S", value_name = "SECONDS")]
    pub idle_timeout_s: Option<u64>,
    /// Seconds between two looks for such workers [default: 300]
    #[arg(long, env = "DISTCOMPUTE_SWEEP_INTERVAL_S", value_name = "SECONDS")]
    pub sweep_interval_s: Option<u64>,
    /// The largest body that a request may have, in bytes [default: 16777216]
    #[arg(long, env = "DISTCOMPUTE_MAX_BODY", value_name = "BYTES")]
    pub max_body: Option<u64>,
    /// What is logged: error, warn, info, debug, trace, or a filter [default: info]
    #[arg(long, env = "DISTCOMPUTE_LOG", value_name = "LEVEL")]
    pub log: Option<String>,
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

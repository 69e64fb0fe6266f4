//! The flags of `serve`, and the corresponding environment variables.

use std::path::PathBuf;

use clap::Parser;

/// Flags of `serve`. A list in an environment variable is separated by `;`.
#[derive(Debug, Default, Parser)]
pub struct ServeArgs {
    /// A configuration file; flags and environment variables take precedence
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
    /// How the results of a stage are checked: off, adaptive, adaptive:N or quorum:N; repeat for each
    /// stage [default: off]
    #[arg(
        long,
        env = "DISTCOMPUTE_TRUST",
        value_name = "LETTER=HOW",
        value_delimiter = ';'
    )]
    pub trust: Vec<String>,
    /// The key of a worker of yours, whose results are final; repeat for more
    #[arg(
        long,
        env = "DISTCOMPUTE_OPERATOR_KEY",
        value_name = "THUMBPRINT",
        value_delimiter = ';'
    )]
    pub operator_key: Vec<String>,
    /// How many results that count on the word of one volunteer your worker makes again in a minute, at
    /// each stage; 0: none [default: 1]
    #[arg(long, env = "DISTCOMPUTE_AUDITS_PER_MINUTE", value_name = "COUNT")]
    pub audits_per_minute: Option<u32>,
    /// How many distinct volunteers must flag a job's input as bad until it is made again [default:
    /// 5]
    #[arg(long, env = "DISTCOMPUTE_INVALID_AFTER", value_name = "COUNT")]
    pub invalid_after: Option<u32>,
    /// With how many distinct volunteers a job must fail to be set aside [default: 5]
    #[arg(long, env = "DISTCOMPUTE_MAX_ATTEMPTS", value_name = "COUNT")]
    pub max_attempts: Option<u32>,
    /// With how many distinct volunteers everything must fail for a stage to be paused; 0 for never
    /// [default: 3]
    #[arg(long, env = "DISTCOMPUTE_PAUSE_AFTER", value_name = "COUNT")]
    pub pause_after: Option<u32>,
    /// Give fewer jobs to registrations most of whose jobs fail [default: true]
    #[arg(
        long,
        env = "DISTCOMPUTE_SLOW_FAILING",
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub slow_failing: Option<bool>,
    /// Seconds after which a lease ends unless a sync renews it [default: 300]
    #[arg(long, env = "DISTCOMPUTE_LEASE_S", value_name = "SECONDS")]
    pub lease_s: Option<u32>,
    /// Any text; when it changes, clients reload their worker script
    #[arg(long, env = "DISTCOMPUTE_APP_VERSION", value_name = "TEXT")]
    pub app_version: Option<String>,
    /// A folder to serve and the path for it; repeat for more, the longest path wins
    #[arg(
        long,
        env = "DISTCOMPUTE_FILES",
        value_name = "/PATH=FOLDER",
        value_delimiter = ';'
    )]
    pub files: Vec<String>,
    /// Where the files of jobs are kept: a folder, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX,
    /// az://CONTAINER/PREFIX, or off [default: a folder beside the database]
    #[arg(long, env = "DISTCOMPUTE_OBJECT_STORE", value_name = "PLACE")]
    pub object_store: Option<String>,
    /// The largest file, in bytes [default: 1073741824]
    #[arg(long, env = "DISTCOMPUTE_MAX_FILE", value_name = "BYTES")]
    pub max_file: Option<u64>,
    /// How many bytes the files of one job may have together, as a volunteer uploads them [default:
    /// 2147483648]
    #[arg(long, env = "DISTCOMPUTE_FILES_PER_JOB", value_name = "BYTES")]
    pub files_per_job: Option<u64>,
    /// How many bytes all files may have together; 0 for any number [default: 0]
    #[arg(long, env = "DISTCOMPUTE_FILES_TOTAL", value_name = "BYTES")]
    pub files_total: Option<u64>,
    /// How many bytes one address may upload in a day; 0 for any number [default: 21474836480]
    #[arg(long, env = "DISTCOMPUTE_FILES_PER_DAY", value_name = "BYTES")]
    pub files_per_day: Option<u64>,
    /// How many bytes uploads may have together that have begun and are not finished; 0 for any number
    /// [default: 68719476736]
    #[arg(long, env = "DISTCOMPUTE_FILES_UNFINISHED", value_name = "BYTES")]
    pub files_unfinished: Option<u64>,
    /// How much of the disk of the files is kept free: bytes, or a share (of 1 GiB at least); 0 for
    /// nothing [default: 5%]
    #[arg(
        long,
        env = "DISTCOMPUTE_FILES_KEEP_FREE",
        value_name = "BYTES or SHARE%"
    )]
    pub files_keep_free: Option<String>,
    /// The path at which a proxy publishes the tracker without stripping it, such as /tracker
    #[arg(long, env = "DISTCOMPUTE_BASE_PATH", value_name = "/PATH")]
    pub base_path: Option<String>,
    /// The address at which volunteers reach the tracker, such as `https://example.org/tracker`
    #[arg(long, env = "DISTCOMPUTE_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,
    /// The address of the volunteer page on this tracker
    #[arg(long, env = "DISTCOMPUTE_VOLUNTEER_PAGE", value_name = "/PATH")]
    pub volunteer_page: Option<String>,
    /// The address of a page on this tracker that shows the results so far
    #[arg(long, env = "DISTCOMPUTE_PREVIEW", value_name = "/PATH")]
    pub preview: Option<String>,
    /// Let anybody fetch the results [default: false]
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
    /// A host name of the tracker; requests for other names are refused; repeat for more [default:
    /// any]
    #[arg(
        long,
        env = "DISTCOMPUTE_HOST",
        value_name = "NAME",
        value_delimiter = ';'
    )]
    pub host: Vec<String>,
    /// The address or network of a trusted proxy, whose X-Forwarded-For is used; repeat for more
    /// [default: 127.0.0.0/8 and ::1]
    #[arg(
        long,
        env = "DISTCOMPUTE_TRUSTED_PROXY",
        value_name = "ADDRESS",
        value_delimiter = ';'
    )]
    pub trusted_proxy: Vec<String>,
    /// Registrations per minute from one address; 0 for any number [default: 120]
    #[arg(long, env = "DISTCOMPUTE_LIMIT_REGISTRATIONS", value_name = "COUNT")]
    pub limit_registrations: Option<u32>,
    /// Requests per second from one address; 0 for any number [default: 400]
    #[arg(long, env = "DISTCOMPUTE_LIMIT_REQUESTS", value_name = "COUNT")]
    pub limit_requests: Option<u32>,
    /// Bytes per second that one address may send and fetch; 0 for any number [default: 33554432]
    #[arg(long, env = "DISTCOMPUTE_LIMIT_BYTES", value_name = "BYTES")]
    pub limit_bytes: Option<u64>,
    /// Connections of one address, and its concurrent requests; 0 for any number [default: 512]
    #[arg(long, env = "DISTCOMPUTE_LIMIT_CONNECTIONS", value_name = "COUNT")]
    pub limit_connections: Option<u32>,
    /// A secret of at least 16 characters for the operator's calls; better kept in a file, since
    /// everybody on the machine can read a command line
    #[arg(
        long,
        env = "DISTCOMPUTE_ADMIN_TOKEN",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    pub admin_token: Option<String>,
    /// A file that contains this secret
    #[arg(long, env = "DISTCOMPUTE_ADMIN_TOKEN_FILE", value_name = "FILE")]
    pub admin_token_file: Option<PathBuf>,
    /// A secret of 16 to 128 letters, digits, '-', '.', '_' and '~' without which nobody can
    /// register; better kept in a file, like the admin token
    #[arg(
        long,
        env = "DISTCOMPUTE_JOIN_KEY",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    pub join_key: Option<String>,
    /// A file that contains this secret
    #[arg(long, env = "DISTCOMPUTE_JOIN_KEY_FILE", value_name = "FILE")]
    pub join_key_file: Option<PathBuf>,
    /// Who may read /metrics: token, loopback or public [default: token]
    #[arg(long, env = "DISTCOMPUTE_METRICS", value_name = "WHO")]
    pub metrics: Option<String>,
    /// The Content-Security-Policy of what --files serves; empty for none
    #[arg(long, env = "DISTCOMPUTE_FILES_POLICY", value_name = "POLICY")]
    pub files_policy: Option<String>,
    /// Seconds without a call after which a worker is removed [default: 7200]
    #[arg(long, env = "DISTCOMPUTE_IDLE_TIMEOUT_S", value_name = "SECONDS")]
    pub idle_timeout_s: Option<u64>,
    /// Seconds between two sweeps for such workers [default: 300]
    #[arg(long, env = "DISTCOMPUTE_SWEEP_INTERVAL_S", value_name = "SECONDS")]
    pub sweep_interval_s: Option<u64>,
    /// The largest request body, in bytes [default: 16777216]
    #[arg(long, env = "DISTCOMPUTE_MAX_BODY", value_name = "BYTES")]
    pub max_body: Option<u64>,
    /// The log level: error, warn, info, debug, trace, or a filter [default: info]
    #[arg(long, env = "DISTCOMPUTE_LOG", value_name = "LEVEL")]
    pub log: Option<String>,
}

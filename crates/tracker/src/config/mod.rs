//! The settings of `serve`. Flags take precedence over the environment, the environment over the
//! configuration file, and that over the defaults. Everything is checked at startup, with a
//! sentence for each setting that cannot work.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use distcompute_protocol::Stage;
use serde::Deserialize;

pub use self::{flags::ServeArgs, metrics::MetricsFor, private::Private, secret::Secret};
use crate::{
    database_url::DatabaseUrl,
    files::{Limits, location::Location},
    rules::{
        forwarded::Network,
        keep_free::KeepFree,
        quotas::Quotas,
        stages::Stages,
        trust::{self, MOST_AUDITS, Policy, Trust},
    },
    store::StoreRules,
};

mod flags;
mod metrics;
mod private;
mod secret;
mod surroundings;

/// Paths that the tracker itself uses.
const OWN_PATHS: [&str; 10] = [
    "/api",
    "/assets",
    "/client",
    "/healthz",
    "/job",
    "/join",
    "/leaderboard",
    "/metrics",
    "/readyz",
    "/worker",
];

/// The default content security policy of served folders: what a volunteer page with WebAssembly in
/// workers needs. `blob:` is needed to signal a worker that is busy computing.
const FILES_POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; \
     worker-src 'self'; connect-src 'self' blob:; img-src 'self' data: blob:; \
     object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'";

/// Proxies on this machine.
const TRUSTED_PROXIES: [&str; 2] = ["127.0.0.0/8", "::1"];

/// The maximum `sweep_interval_s`: a day. Much larger durations would overflow the clock.
const LONGEST_SWEEP_S: u64 = 86_400;

/// The maximum `max_body`, because a body is held in memory.
const MOST_BODY: u64 = 1 << 30;

/// How many audits a minute there are at each stage, unless the configuration says otherwise.
const AUDITS_PER_MINUTE: u32 = 1;

/// A folder of the operator's that is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The path in the address, without a trailing `/`.
    pub path: String,
    /// The folder on the disk.
    pub folder: PathBuf,
}

/// All settings of `serve`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Address and port; port 0 picks a free one.
    pub listen: String,
    /// The database.
    pub database: DatabaseUrl,
    /// The project's name.
    pub project: String,
    /// The project's description.
    pub description: String,
    /// The enabled stages.
    pub stages: Stages,
    /// The number of distinct volunteers whose flags send a job back.
    pub invalid_after: u32,
    /// How the results of each stage are checked.
    pub trust: [Policy; 5],
    /// The keys of the operator's own workers, whose results are final.
    pub operator_keys: Vec<String>,
    /// How many results that count on one word such a worker makes again in a minute, at each stage.
    pub audits_per_minute: u32,
    /// The number of distinct volunteers with whom a job must fail to be set aside.
    pub max_attempts: u32,
    /// The number of distinct volunteers with whom every job must fail for a stage to be paused; 0:
    /// never.
    pub pause_after: u32,
    /// Whether registrations most of whose jobs fail are given fewer jobs, and pauses.
    pub slow_failing: bool,
    /// Seconds after which a lease ends unless a sync renews it.
    pub lease_s: u32,
    /// Identifies the application version; a change tells clients to reload their worker script.
    pub app_version: String,
    /// The folders to serve.
    pub files: Vec<Mount>,
    /// Files that are never served, whatever folder they are in.
    pub private: Vec<Private>,
    /// Where the files of jobs are kept.
    pub object_store: Location,
    /// How much of them.
    pub file_limits: Limits,
    /// The path that a proxy leaves in front of the tracker's addresses; empty, or for example
    /// `/tracker`.
    pub base_path: String,
    /// The address at which the tracker is published, without a `/` at its end, if it is configured.
    pub public_url: Option<String>,
    /// The address of the volunteer page, if there is one.
    pub volunteer_page: Option<String>,
    /// The address of a page that shows the results so far, if there is one.
    pub preview: Option<String>,
    /// Whether anybody may fetch results without the admin token.
    pub public_results: bool,
    /// Origins whose pages may call the API; `*` means all.
    pub cors_origin: Vec<String>,
    /// The host names of the tracker; if empty, it accepts any.
    pub hosts: Vec<String>,
    /// Proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<Network>,
    /// The rate limits of each address group.
    pub quotas: Quotas,
    /// Seconds without a call after which a worker is removed.
    pub idle_timeout_s: u64,
    /// Seconds between two sweeps for such workers.
    pub sweep_interval_s: u64,
    /// The maximum request body, in bytes.
    pub max_body: u64,
    /// The secret that authorizes the operator's calls, which are disabled without it.
    pub admin_token: Option<Secret>,
    /// The secret without which nobody can register, if the project is not for everybody.
    pub join_key: Option<Secret>,
    /// Who may read the metrics.
    pub metrics: MetricsFor,
    /// The content security policy of the served folders, if there is one.
    pub files_policy: Option<String>,
    /// The log level, or a filter in the syntax of the tracing crates.
    pub log: String,
}

/// The configuration file; every key is optional.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    listen: Option<String>,
    database: Option<String>,
    project: Option<String>,
    description: Option<String>,
    stages: Option<BTreeMap<String, String>>,
    trust: Option<BTreeMap<String, String>>,
    operator_keys: Option<Vec<String>>,
    audits_per_minute: Option<u32>,
    invalid_after: Option<u32>,
    max_attempts: Option<u32>,
    pause_after: Option<u32>,
    slow_failing: Option<bool>,
    lease_s: Option<u32>,
    app_version: Option<String>,
    files: Option<BTreeMap<String, String>>,
    object_store: Option<String>,
    max_file: Option<u64>,
    files_per_job: Option<u64>,
    files_total: Option<u64>,
    files_per_day: Option<u64>,
    files_unfinished: Option<u64>,
    files_keep_free: Option<String>,
    base_path: Option<String>,
    public_url: Option<String>,
    volunteer_page: Option<String>,
    preview: Option<String>,
    public_results: Option<bool>,
    cors_origin: Option<Vec<String>>,
    hosts: Option<Vec<String>>,
    trusted_proxies: Option<Vec<String>>,
    limit_registrations: Option<u32>,
    limit_requests: Option<u32>,
    limit_bytes: Option<u64>,
    limit_connections: Option<u32>,
    idle_timeout_s: Option<u64>,
    sweep_interval_s: Option<u64>,
    max_body: Option<u64>,
    admin_token: Option<String>,
    admin_token_file: Option<PathBuf>,
    join_key: Option<String>,
    join_key_file: Option<PathBuf>,
    metrics: Option<String>,
    files_policy: Option<String>,
    log: Option<String>,
}

/// The problems found, each as a sentence.
#[derive(Debug, Default)]
struct Faults(Vec<String>);

impl Faults {
    /// Returns the value, or records the problem and continues with a stand-in.
    fn or<T>(&mut self, found: Result<T, String>, stand_in: impl FnOnce() -> T) -> T {
        found.unwrap_or_else(|sentence| {
            self.0.push(sentence);
            stand_in()
        })
    }

    fn note(&mut self, sentences: impl IntoIterator<Item = String>) {
        self.0.extend(sentences);
    }
}

impl Settings {
    /// Combines the flags and environment variables in `args` with the configuration file.
    ///
    /// # Errors
    /// Returns everything that cannot work, each as a sentence.
    pub fn gather(args: &ServeArgs) -> Result<Self, Vec<String>> {
        let mut faults = Faults::default();
        let file = config_path(args).map(|path| {
            let text = std::fs::read_to_string(path)
                .map_err(|error| format!("{} cannot be read: {error}.", path.display()))?;
            parse(&text).map_err(|error| format!("{}: {error}", path.display()))
        });
        let file = faults.or(
            file.unwrap_or_else(|| Ok(ConfigFile::default())),
            ConfigFile::default,
        );
        let settings = Self::merge(args, file, &mut faults);
        faults.note(settings.faults());
        if !settings.database.is_there() {
            faults.note(surroundings::faults(&settings));
        }
        if faults.0.is_empty() {
            Ok(settings)
        } else {
            Err(faults.0)
        }
    }

    /// What keeps an existing database from being written, each as a sentence. `serve` cannot work
    /// with it, but a configuration may be checked against a read-only copy.
    #[must_use]
    pub fn obstacles(&self) -> Vec<String> {
        if self.database.is_there() {
            surroundings::faults(self)
        } else {
            Vec::new()
        }
    }

    /// Settings that work but are probably not intended, each as a sentence.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = private::exposed(&self.private);
        warnings.extend(private::links_out(&self.files));
        warnings
    }

    fn merge(args: &ServeArgs, file: ConfigFile, faults: &mut Faults) -> Self {
        let mut pairs = |given: &[String], what: &str| {
            let pairs: Vec<_> = non_empty(given)
                .map(|text| faults.or(pair(text, what).map(Some), || None))
                .collect();
            // `None` (nothing given) must not be confused with an empty list (nothing valid given):
            // only the first gets the default.
            (!pairs.is_empty()).then(|| pairs.into_iter().flatten().collect::<Vec<_>>())
        };
        let stages = pairs(&args.stage, "--stage a=CPU")
            .or_else(|| file.stages.map(|stages| stages.into_iter().collect()))
            .unwrap_or_else(|| vec![("a".to_owned(), "CPU".to_owned())]);
        let policies = pairs(&args.trust, "--trust a=adaptive")
            .or_else(|| file.trust.map(|trust| trust.into_iter().collect()))
            .unwrap_or_default();
        let files = pairs(&args.files, "--files /path=folder")
            .or_else(|| file.files.map(|files| files.into_iter().collect()))
            .unwrap_or_default();
        let operator_keys = Some(non_empty(&args.operator_key).cloned().collect::<Vec<_>>())
            .filter(|keys| !keys.is_empty())
            .or(file.operator_keys)
            .unwrap_or_default();
        let cors_origin = Some(non_empty(&args.cors_origin).cloned().collect::<Vec<_>>())
            .filter(|origins| !origins.is_empty())
            .or(file.cors_origin)
            .unwrap_or_else(|| vec!["*".to_owned()]);
        let hosts = Some(non_empty(&args.host).cloned().collect::<Vec<_>>())
            .filter(|hosts| !hosts.is_empty())
            .or(file.hosts)
            .unwrap_or_default();
        let trusted_proxies = Some(non_empty(&args.trusted_proxy).cloned().collect::<Vec<_>>())
            .filter(|proxies| !proxies.is_empty())
            .or(file.trusted_proxies)
            .unwrap_or_else(|| TRUSTED_PROXIES.map(str::to_owned).to_vec())
            .iter()
            .filter_map(|text| {
                let network = text.parse().map(Some);
                let network = network.map_err(|why| format!("trusted_proxies: {why}"));
                faults.or(network, || None)
            })
            .collect();
        let usual = Quotas::default();
        let limit = |flag: Option<u32>, key: Option<u32>, usual| flag.or(key).unwrap_or(usual);
        let quotas = Quotas {
            registrations: limit(
                args.limit_registrations,
                file.limit_registrations,
                usual.registrations,
            ),
            requests: limit(args.limit_requests, file.limit_requests, usual.requests),
            bytes: args.limit_bytes.or(file.limit_bytes).unwrap_or(usual.bytes),
            connections: limit(
                args.limit_connections,
                file.limit_connections,
                usual.connections,
            ),
        };
        let text = |flag: &Option<String>, key: Option<String>, otherwise: &str| {
            flag.clone().or(key).unwrap_or_else(|| otherwise.to_owned())
        };
        let is_set = |secret: &Option<String>| secret.as_ref().is_some_and(|s| !s.is_empty());
        let secret_inside = is_set(&file.admin_token)
            || is_set(&file.join_key)
            || file.database.as_deref().is_some_and(has_password);
        let database = text(&args.database, file.database, "sqlite:jobs.db");
        let metrics = text(&args.metrics, file.metrics, "token");
        let secret = |flag: &Option<String>, key: Option<String>| {
            flag.clone().filter(|secret| !secret.is_empty()).or(key)
        };
        let secret_file = |flag: &Option<PathBuf>, key: Option<PathBuf>| {
            let some = |path: &PathBuf| !path.as_os_str().is_empty();
            flag.clone().filter(some).or(key).filter(some)
        };
        let token = secret(&args.admin_token, file.admin_token);
        let token_file = secret_file(&args.admin_token_file, file.admin_token_file);
        let join_key = secret(&args.join_key, file.join_key);
        let join_key_file = secret_file(&args.join_key_file, file.join_key_file);
        let database = faults.or(database.parse(), || {
            DatabaseUrl::Sqlite(PathBuf::from("jobs.db"))
        });
        let config = config_path(args).map(|path| (path, secret_inside));
        let secrets = [
            ("admin token", token_file.as_deref()),
            ("join key", join_key_file.as_deref()),
        ];
        let beside = database.files();
        let object_store = text(&args.object_store, file.object_store, "");
        let object_store = if object_store.is_empty() {
            beside
        } else {
            faults.or(object_store.parse(), || beside)
        };
        let private = private::files(&database, config, secrets, &object_store);
        let (files, wrong) = mounts(files);
        faults.note(wrong);
        faults.note(private::faults(&files, &private));
        let most = Limits::default();
        let keep_free = most.keep_free.to_string();
        let keep_free = text(&args.files_keep_free, file.files_keep_free, &keep_free);
        let bytes = |flag: Option<u64>, key: Option<u64>, usual| flag.or(key).unwrap_or(usual);
        let file_limits = Limits {
            file: bytes(args.max_file, file.max_file, most.file),
            per_job: bytes(args.files_per_job, file.files_per_job, most.per_job),
            total: bytes(args.files_total, file.files_total, most.total),
            per_day: bytes(args.files_per_day, file.files_per_day, most.per_day),
            unfinished: bytes(
                args.files_unfinished,
                file.files_unfinished,
                most.unfinished,
            ),
            keep_free: faults.or(keep_free.parse(), KeepFree::default),
        };
        Self {
            listen: text(&args.listen, file.listen, "127.0.0.1:8080"),
            database,
            project: text(&args.project, file.project, "Unnamed project")
                .trim()
                .to_owned(),
            description: text(&args.description, file.description, "")
                .trim()
                .to_owned(),
            stages: faults.or(named_stages(stages), Stages::default),
            trust: faults.or(named_policies(policies), || [Policy::Off; 5]),
            operator_keys,
            audits_per_minute: args
                .audits_per_minute
                .or(file.audits_per_minute)
                .unwrap_or(AUDITS_PER_MINUTE),
            invalid_after: args.invalid_after.or(file.invalid_after).unwrap_or(5),
            max_attempts: args.max_attempts.or(file.max_attempts).unwrap_or(5),
            pause_after: args.pause_after.or(file.pause_after).unwrap_or(3),
            slow_failing: args.slow_failing.or(file.slow_failing).unwrap_or(true),
            lease_s: args.lease_s.or(file.lease_s).unwrap_or(300),
            app_version: text(&args.app_version, file.app_version, ""),
            files,
            private,
            object_store,
            file_limits,
            base_path: faults.or(
                base_path(&text(&args.base_path, file.base_path, "")),
                String::new,
            ),
            public_url: faults.or(
                public_url(&text(&args.public_url, file.public_url, "")),
                || None,
            ),
            volunteer_page: faults.or(
                page(text(&args.volunteer_page, file.volunteer_page, "")),
                || None,
            ),
            preview: faults.or(page(text(&args.preview, file.preview, "")), || None),
            public_results: args.public_results.or(file.public_results).unwrap_or(false),
            cors_origin,
            hosts,
            trusted_proxies,
            quotas,
            idle_timeout_s: args.idle_timeout_s.or(file.idle_timeout_s).unwrap_or(7_200),
            sweep_interval_s: args
                .sweep_interval_s
                .or(file.sweep_interval_s)
                .unwrap_or(300),
            max_body: args.max_body.or(file.max_body).unwrap_or(16 << 20),
            admin_token: faults.or(Secret::gather("admin_token", token, token_file), || None),
            join_key: faults.or(Secret::gather_join_key(join_key, join_key_file), || None),
            metrics: faults.or(metrics.parse(), MetricsFor::default),
            files_policy: Some(text(&args.files_policy, file.files_policy, FILES_POLICY))
                .filter(|policy| !policy.trim().is_empty()),
            log: text(&args.log, file.log, "info"),
        }
    }

    /// Checks the values themselves.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.project.is_empty() {
            faults.push("The project has no name: --project.".to_owned());
        }
        let positive = [
            ("invalid_after", u64::from(self.invalid_after)),
            ("max_attempts", u64::from(self.max_attempts)),
            ("lease_s", u64::from(self.lease_s)),
            ("idle_timeout_s", self.idle_timeout_s),
            ("sweep_interval_s", self.sweep_interval_s),
            ("max_body", self.max_body),
        ];
        let none = positive.iter().filter(|(_, value)| *value == 0);
        faults.extend(none.map(|(key, _)| format!("{key} must be at least 1.")));
        let bounded = [
            ("max_body", self.max_body, MOST_BODY),
            ("sweep_interval_s", self.sweep_interval_s, LONGEST_SWEEP_S),
        ];
        let over = bounded.iter().filter(|(_, value, most)| value > most);
        faults.extend(over.map(|(key, _, most)| format!("{key} must be at most {most}.")));
        faults.extend(self.faults_of_trust());
        let port = self
            .listen
            .rsplit_once(':')
            .map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(_))) {
            faults.push(format!(
                "Cannot listen on {:?}: it must be ADDRESS:PORT, as 127.0.0.1:8080 is.",
                self.listen
            ));
        }
        let bad = self.cors_origin.iter().filter(|origin| !is_origin(origin));
        faults.extend(bad.map(|origin| {
            format!("{origin:?} is no origin: it must be \"*\" or look like https://example.org, without a path.")
        }));
        let bad = self.hosts.iter().filter(|host| !is_host(host));
        faults.extend(bad.map(|host| {
            format!(
                "{host:?} in hosts is no name of a host: it must look like tracker.example.org."
            )
        }));
        if let Some(policy) = &self.files_policy
            && axum::http::HeaderValue::from_str(policy).is_err()
        {
            faults.push("files_policy holds a character that no header takes.".to_owned());
        }
        if self.log.trim().is_empty() {
            faults.push(
                "log is empty: say what is logged, as info does; off logs nothing.".to_owned(),
            );
        } else if let Err(error) = tracing_subscriber::EnvFilter::try_new(&self.log) {
            faults.push(format!("The log filter {:?}: {error}.", self.log));
        }
        faults
    }

    fn faults_of_trust(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let checked = Stage::ALL.into_iter().zip(self.trust);
        for (stage, policy) in checked.filter(|(_, policy)| *policy != Policy::Off) {
            if self.stages.name(stage).is_none() {
                faults.push(format!("trust names stage {stage}, which is not enabled."));
            }
            if matches!(policy, Policy::Adaptive { .. }) && self.operator_keys.is_empty() {
                faults.push(format!(
                    "The results of stage {stage} are checked adaptively, but operator_keys is empty: \
                     while no volunteer is established, nobody could confirm the first results. Name \
                     the key of a worker of yours, or begin with quorum:2."
                ));
            }
        }
        if self.audits_per_minute > MOST_AUDITS {
            faults.push(format!("audits_per_minute must be at most {MOST_AUDITS}."));
        }
        let bad = self.operator_keys.iter().filter(|key| !is_thumbprint(key));
        faults.extend(bad.map(|key| {
            format!(
                "{key:?} in operator_keys is no key: it must have the 43 letters, digits, '-' and '_' \
                 of a thumbprint (RFC 7638), as the volunteer page shows it."
            )
        }));
        faults
    }

    /// What the store has to know of trust. It lives as long as the process.
    fn trust(&self) -> Trust {
        let volunteers = self
            .operator_keys
            .iter()
            .map(|key| trust::volunteer_of(key));
        Trust {
            policies: self.trust,
            operators: volunteers.collect::<Vec<_>>().leak(),
            version: self.app_version.clone().leak(),
            audits_per_minute: self.audits_per_minute,
        }
    }

    /// The rules for the store.
    #[must_use]
    pub fn store_rules(&self) -> StoreRules {
        StoreRules {
            last_stage: self.stages.last(),
            invalid_after: self.invalid_after,
            max_attempts: self.max_attempts,
            pause_after: self.pause_after,
            slow_failing: self.slow_failing,
            lease_s: self.lease_s,
            late_bytes: crate::ledger::LATE_BYTES,
            trust: self.trust(),
        }
    }
}

/// Whether the address of a database contains a password.
fn has_password(address: &str) -> bool {
    let user = address.split_once("://").map_or("", |(_, rest)| rest);
    let user = user.split_once('@').map_or("", |(user, _)| user);
    user.contains(':') || address.contains("password=")
}

fn parse(text: &str) -> Result<ConfigFile, String> {
    toml::from_str(text).map_err(|error| error.to_string())
}

/// An environment variable that is set to an empty text counts as unset.
fn config_path(args: &ServeArgs) -> Option<&Path> {
    let path = args.config.as_deref();
    path.filter(|path| !path.as_os_str().is_empty())
}

/// The same for a list.
fn non_empty(list: &[String]) -> impl Iterator<Item = &String> {
    list.iter().filter(|text| !text.is_empty())
}

fn pair(text: &str, example: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
        .ok_or_else(|| format!("{text:?} is not of the form {example}."))
}

/// Whether a text is `*`, or a scheme and a host with an optional port.
fn is_origin(text: &str) -> bool {
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    text == "*"
        || host.is_some_and(|host| {
            !host.contains(['/', '@', '?', '#', '*'])
                && host.parse::<axum::http::uri::Authority>().is_ok()
        })
}

/// Whether a text is a host name or an address with an optional port.
fn is_host(text: &str) -> bool {
    !text.contains('@') && text.parse::<axum::http::uri::Authority>().is_ok()
}

fn named_stages(given: Vec<(String, String)>) -> Result<Stages, String> {
    let stages: Result<Vec<(Stage, String)>, String> = given
        .into_iter()
        .map(|(letter, name)| Ok((letter.parse().map_err(|e| format!("{e}"))?, name)))
        .collect();
    Stages::new(stages?)
}

fn named_policies(given: Vec<(String, String)>) -> Result<[Policy; 5], String> {
    let mut policies = [Policy::Off; 5];
    for (letter, policy) in given {
        let stage: Stage = letter.parse().map_err(|error| format!("trust: {error}"))?;
        let policy = policy
            .parse()
            .map_err(|error| format!("trust of stage {stage}: {error}"))?;
        policies[stage.index()] = policy;
    }
    Ok(policies)
}

/// The number of characters of a thumbprint: of a SHA-256 in base64url.
const THUMBPRINT: usize = 43;

fn is_thumbprint(key: &str) -> bool {
    let is_of_it = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    key.len() == THUMBPRINT && key.chars().all(is_of_it)
}

/// The folders that can be served, and the problems of the others.
fn mounts(given: Vec<(String, String)>) -> (Vec<Mount>, Vec<String>) {
    let mut mounts: Vec<Mount> = Vec::new();
    let mut faults = Vec::new();
    for (path, folder) in given {
        match mount(&mounts, &path, PathBuf::from(folder)) {
            Ok(mount) => mounts.push(mount),
            Err(sentence) => faults.push(sentence),
        }
    }
    (mounts, faults)
}

fn mount(others: &[Mount], path: &str, folder: PathBuf) -> Result<Mount, String> {
    let path = path.trim_end_matches('/').to_owned();
    if !path.starts_with('/') || path.contains("//") || !is_plain(&path) {
        return Err(format!(
            "Files cannot be served under {path:?}: it must begin with '/' and have a name of letters, digits, '-', '_', '.' or '~'."
        ));
    }
    let own = |own: &&str| path == **own || path.starts_with(&format!("{own}/"));
    if OWN_PATHS.iter().any(own) {
        return Err(format!(
            "Files cannot be served under {path}: the tracker answers there."
        ));
    }
    if others.iter().any(|mount| mount.path == path) {
        return Err(format!("Two folders are to be served under {path}."));
    }
    let place = format!("{}, to be served under {path},", folder.display());
    if !folder.is_dir() {
        return Err(format!("{place} is no folder."));
    }
    std::fs::read_dir(&folder).map_err(|error| format!("{place} cannot be read: {error}."))?;
    Ok(Mount { path, folder })
}

/// Checks a base path: it begins with `/` and does not end with it; `/` alone means none.
fn base_path(path: &str) -> Result<String, String> {
    let path = path.trim_end_matches('/');
    if path.is_empty() {
        return Ok(String::new());
    }
    if !path.starts_with('/') || path.contains("//") || !is_plain(path) {
        return Err(format!(
            "base_path is {path:?}; it must begin with '/' and have a name of letters, digits, '-', '_', '.' or '~', as /tracker has."
        ));
    }
    Ok(path.to_owned())
}

/// Checks the public address: it has no query and no fragment.
fn public_url(address: &str) -> Result<Option<String>, String> {
    if address.is_empty() {
        return Ok(None);
    }
    let is_plain = |url: &url::Url| {
        ["http", "https"].contains(&url.scheme())
            && (url.query(), url.fragment(), url.password()) == (None, None, None)
            && url.username().is_empty()
    };
    match url::Url::parse(address) {
        Ok(url) if is_plain(&url) => Ok(Some(url.as_str().trim_end_matches('/').to_owned())),
        _ => Err(format!(
            "public_url is {address:?}; it must be the address at which volunteers reach the tracker, as https://example.org/tracker is."
        )),
    }
}

fn is_plain(path: &str) -> bool {
    path.chars()
        .all(|c| c.is_ascii_alphanumeric() || "/-_.~".contains(c))
}

/// Checks the address of a page on this tracker; an empty text means none.
fn page(path: String) -> Result<Option<String>, String> {
    if path.is_empty() {
        return Ok(None);
    }
    if !path.starts_with('/') || path.starts_with("//") {
        return Err(format!(
            "The page {path:?} must be an address on this tracker, as /volunteer/ is."
        ));
    }
    Ok(Some(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    const EXAMPLE: &str = include_str!("../../tracker.example.toml");

    fn merge(flags: &[&str], file: &str) -> Result<Settings, String> {
        let args = ServeArgs::parse_from(["serve"].iter().chain(flags));
        let mut faults = Faults::default();
        let settings = Settings::merge(&args, parse(file)?, &mut faults);
        faults.note(settings.faults());
        if !settings.database.is_there() {
            faults.note(surroundings::faults(&settings));
        }
        if faults.0.is_empty() {
            Ok(settings)
        } else {
            Err(faults.0.join("\n"))
        }
    }

    #[test]
    fn the_example_file_is_the_defaults() {
        assert_eq!(
            merge(&[], EXAMPLE).expect("example"),
            merge(&[], "").expect("defaults")
        );
    }

    #[test]
    fn the_example_file_names_every_key() {
        let ConfigFile {
            listen: Some(_),
            database: Some(_),
            project: Some(_),
            description: Some(_),
            stages: Some(_),
            trust: Some(_),
            operator_keys: Some(_),
            audits_per_minute: Some(_),
            invalid_after: Some(_),
            max_attempts: Some(_),
            pause_after: Some(_),
            slow_failing: Some(_),
            lease_s: Some(_),
            app_version: Some(_),
            files: Some(_),
            object_store: Some(_),
            max_file: Some(_),
            files_per_job: Some(_),
            files_total: Some(_),
            files_per_day: Some(_),
            files_unfinished: Some(_),
            files_keep_free: Some(_),
            base_path: Some(_),
            public_url: Some(_),
            volunteer_page: Some(_),
            preview: Some(_),
            public_results: Some(_),
            cors_origin: Some(_),
            hosts: Some(_),
            trusted_proxies: Some(_),
            limit_registrations: Some(_),
            limit_requests: Some(_),
            limit_bytes: Some(_),
            limit_connections: Some(_),
            idle_timeout_s: Some(_),
            sweep_interval_s: Some(_),
            max_body: Some(_),
            admin_token: Some(_),
            admin_token_file: Some(_),
            join_key: Some(_),
            join_key_file: Some(_),
            metrics: Some(_),
            files_policy: Some(_),
            log: Some(_),
        } = parse(EXAMPLE).expect("example")
        else {
            panic!("a key is missing in the example file");
        };
    }

    #[test]
    fn a_flag_goes_before_the_file_and_the_file_before_the_default() {
        let file = "project = 'From file'\ninvalid_after = 2\n[stages]\na = 'One'\nb = 'Two'\n";
        let settings = merge(&["--project", "From flag"], file).expect("settings");
        assert_eq!(settings.project, "From flag");
        assert_eq!(settings.invalid_after, 2);
        assert_eq!(settings.idle_timeout_s, 7_200);
        assert_eq!(settings.stages.last(), Stage::B);
        let settings = merge(&["--stage", "a=Only"], file).expect("settings");
        assert_eq!(settings.stages.last(), Stage::A);
    }

    #[test]
    fn what_cannot_work_is_refused_with_a_sentence() {
        for (flags, word) in [
            (["--stage", "b=GPU"], "stage a"),
            (["--stage", "CPU"], "a=CPU"),
            (["--stage", "x=GPU"], "'x'"),
            (["--database", "mysql://db/x"], "sqlite:FILE or postgres"),
            (["--database", "sqlite:"], "sqlite:FILE"),
            (["--files", "/x=/no/such/folder"], "no folder"),
            (["--files", "/api/x=."], "tracker answers"),
            (["--files", "/=."], "begin with '/'"),
            (["--files", "/x=."], "holds the database jobs.db"),
            (["--files", "/{x}=."], "begin with '/'"),
            (["--object-store", "ftp://x/y"], "address of a cloud"),
            (["--files-keep-free", "some"], "a share of the disk"),
            (
                ["--object-store", "s3://key:secret@x"],
                "address of a cloud",
            ),
            (["--invalid-after", "0"], "at least 1"),
            (
                ["--sweep-interval-s", "18446744073709551615"],
                "at most 86400",
            ),
            (["--project", " "], "no name"),
            (["--preview", "https://elsewhere"], "on this tracker"),
            (["--base-path", "tracker"], "begin with '/'"),
            (["--base-path", "/a b"], "begin with '/'"),
            (["--listen", "8080"], "ADDRESS:PORT"),
            (["--listen", "127.0.0.1:99999"], "ADDRESS:PORT"),
            (["--cors-origin", "example.org"], "is no origin"),
            (["--cors-origin", "https://example.org/"], "is no origin"),
            (["--cors-origin", "https://*.example.org"], "is no origin"),
            (["--admin-token", "fifteen-letters"], "at least 16"),
            (["--admin-token-file", "/no/such/file"], "cannot be read"),
            (["--join-key", "fifteen-letters"], "at least 16"),
            (["--join-key", "a key with spaces"], "part of an address"),
            (["--join-key-file", "/no/such/file"], "cannot be read"),
            (["--files", "/join/x=."], "tracker answers"),
            (["--metrics", "everybody"], "loopback"),
            (["--host", "https://example.org/"], "no name of a host"),
            (["--trusted-proxy", "10.0.0.0/99"], "trusted_proxies"),
            (["--files-policy", "a\nb"], "no header takes"),
            (["--log", "loud=very"], "log filter"),
            (["--max-body", "9999999999"], "at most"),
        ] {
            let sentence = merge(&flags, "").expect_err("refused");
            assert!(sentence.contains(word), "{flags:?}: {sentence}");
        }
        assert!(merge(&[], "invalid_afther = 5").is_err());
    }

    /// The example file describes what an empty value means for each key.
    #[test]
    fn a_key_that_is_empty_means_none_or_is_refused() {
        let empty = |key: &str| merge(&[], &format!("{key} = \"\""));
        let settings = empty("description").expect("settings");
        assert_eq!(settings.description, "");
        assert_eq!(empty("app_version").expect("settings").app_version, "");
        assert_eq!(
            empty("volunteer_page").expect("settings").volunteer_page,
            None
        );
        assert_eq!(empty("preview").expect("settings").preview, None);
        assert_eq!(empty("base_path").expect("settings").base_path, "");
        assert_eq!(empty("files_policy").expect("settings").files_policy, None);
        assert_eq!(empty("admin_token").expect("settings").admin_token, None);
        assert_eq!(
            empty("admin_token_file").expect("settings").admin_token,
            None
        );
        assert_eq!(empty("join_key").expect("settings").join_key, None);
        assert_eq!(empty("join_key_file").expect("settings").join_key, None);
        for key in ["listen", "database", "project", "metrics", "log"] {
            let sentence = empty(key).expect_err(key);
            assert!(!sentence.is_empty(), "{key}");
        }
        let none = merge(&[], "cors_origin = []").expect("settings");
        assert!(none.cors_origin.is_empty(), "no other origin may call");
        assert!(merge(&[], "cors_origin = [\"\"]").is_err());
        assert!(merge(&[], "[files]").expect("settings").files.is_empty());
        for table in ["[stages]", "[stages]\na = \"\"", "[files]\n\"/x\" = \"\""] {
            assert!(merge(&[], table).is_err(), "{table}");
        }
    }

    #[test]
    fn a_flag_that_is_set_to_nothing_leaves_the_token_of_the_file() {
        let file = "admin_token = 'correct horse battery'";
        let settings = merge(&["--admin-token", ""], file).expect("settings");
        assert!(
            settings
                .admin_token
                .is_some_and(|token| token.is("correct horse battery"))
        );
    }

    #[test]
    fn the_folder_of_files_is_never_served_nor_a_part_of_it() {
        for folder in ["src", "src/http", "."] {
            let files = format!("/x={folder}");
            let flags = ["--object-store", "src", "--database", "postgres://h/d"];
            let sentences = merge(&[&flags, &["--files", &files][..]].concat(), "");
            let sentences = sentences.expect_err(folder);
            assert!(sentences.contains("holds the files of jobs"), "{sentences}");
        }
    }

    #[test]
    fn all_faults_are_reported_at_once() {
        let flags = ["--stage", "b=GPU", "--files", "/x=/no/such/folder"];
        let more = ["--cors-origin", "nowhere", "--admin-token", "short"];
        let sentences = merge(&[flags, more].concat(), "max_body = 0").expect_err("refused");
        assert_eq!(sentences.lines().count(), 5, "{sentences}");
        assert!(
            !sentences.contains("short"),
            "a token is never shown: {sentences}"
        );
    }

    #[test]
    fn the_token_is_never_shown() {
        let flags = ["--admin-token", "correct horse battery"];
        let more = ["--join-key", "incorrect-pony-capacitor"];
        let settings = merge(&[flags, more].concat(), "").expect("settings");
        let token = settings.admin_token.as_ref().expect("a token");
        assert!(token.is("correct horse battery"));
        assert!(!token.is("correct horse batterz"));
        assert!(!token.is(""));
        let shown = format!("{settings:?}");
        assert!(
            !shown.contains("horse") && !shown.contains("pony"),
            "{shown}"
        );
    }

    #[test]
    fn a_list_that_is_set_to_nothing_is_not_set() {
        let flags = ["--stage=", "--files=", "--cors-origin="];
        assert_eq!(
            merge(&flags, "").expect("settings"),
            merge(&[], "").expect("defaults")
        );
    }
}

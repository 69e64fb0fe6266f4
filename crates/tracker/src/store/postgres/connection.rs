//! Connections to the server: their settings, and the migrations.

use std::time::Duration;

use sqlx::{
    ConnectOptions as _, PgConnection, PgPool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::Address;
use crate::{rules::names, store::StoreError};

/// How long a caller waits for a connection before it gets an error.
const CONNECT: Duration = Duration::from_secs(5);

/// The number of reading connections.
pub(super) const READERS: u32 = 4;

/// The application name in `pg_stat_activity`, unless the address sets one.
const NAME: &str = "distcompute-tracker";

/// Settings of every connection. The locks of a tracker whose machine vanishes during a transaction
/// must be released, and a result must be on disk before it is acknowledged, even if the server's
/// default is asynchronous commit.
const SESSION: &str = "select \
     set_config('idle_in_transaction_session_timeout', '30s', false), \
     set_config('lock_timeout', '15s', false), \
     set_config('tcp_keepalives_idle', '30', false), \
     set_config('tcp_keepalives_interval', '10', false), \
     set_config('tcp_keepalives_count', '3', false), \
     set_config('timezone', 'UTC', false), \
     set_config('synchronous_commit', \
        case current_setting('synchronous_commit') when 'off' then 'on' \
        else current_setting('synchronous_commit') end, false)";

/// Additional settings of the writing connection. It only looks up rows by their keys, so its plans
/// are made once and must remain right however the tables grow. Rows read by key are matched with
/// rows to write by hashing: if the planner believes one of two lists to be short, a nested loop
/// would compare each with each. A bitmap scan would visit dead index entries again and again,
/// which a plain index scan remembers. JIT compilation would take longer than the statement.
pub(super) const WRITING: &str = "select \
     set_config('plan_cache_mode', 'force_generic_plan', false), \
     set_config('enable_seqscan', 'off', false), set_config('enable_bitmapscan', 'off', false), \
     set_config('enable_mergejoin', 'off', false), set_config('enable_nestloop', 'off', false), \
     set_config('jit', 'off', false)";

fn options(address: &Address) -> PgConnectOptions {
    let options = address.options().disable_statement_logging();
    match options.get_application_name() {
        Some(_) => options,
        None => options.application_name(NAME),
    }
}

/// Advice for a server that cannot prove its identity.
const NOT_TRUSTED: &str = "a server on another machine must speak TLS and have a certificate for its \
    name, so that no password goes to anybody else: set that up (ssl = on), name the certificate's own \
    authority with ?sslrootcert=FILE in the address, or ask for less with ?sslmode=require (encrypted, \
    to whoever answers) or ?sslmode=disable (readable on its way)";

fn explained(error: sqlx::Error) -> StoreError {
    let is_tls = match &error {
        sqlx::Error::Tls(_) => true,
        // rustls reports its errors as I/O errors of the connection.
        sqlx::Error::Io(fault) => fault.kind() == std::io::ErrorKind::InvalidData,
        _ => false,
    };
    if is_tls {
        StoreError::Failed(format!("{error}; {NOT_TRUSTED}"))
    } else {
        error.into()
    }
}

/// The key of the lock that every writing connection shares, and that a copy has alone. It stands
/// for the schema. Connections through a proxy that shares them between clients do not have it.
macro_rules! lock_key {
    () => {
        "(hashtext('distcompute-tracker'), hashtext(coalesce(current_schema()::text, '')))"
    };
}
const SHARED: &str = concat!("select pg_try_advisory_lock_shared", lock_key!());
const ALONE: &str = concat!("select pg_try_advisory_lock", lock_key!());

/// Opens a dedicated writing connection.
pub(super) async fn connect(address: &Address) -> Result<PgConnection, StoreError> {
    let connection = locked(address, SHARED, "it is being copied").await;
    let mut connection = connection?;
    sqlx::query(WRITING).execute(&mut connection).await?;
    Ok(connection)
}

/// Opens a connection while no tracker and no other command has one.
pub(super) async fn connect_alone(address: &Address) -> Result<PgConnection, StoreError> {
    let taken = "a tracker or another command uses it; stop that first, since what it writes from \
                 now on would not be copied";
    locked(address, ALONE, taken).await
}

async fn locked(
    address: &Address,
    lock: &'static str,
    taken: &str,
) -> Result<PgConnection, StoreError> {
    let connecting = async {
        let mut connection = options(address).connect().await.map_err(explained)?;
        sqlx::query(SESSION).execute(&mut connection).await?;
        let is_locked: bool = sqlx::query_scalar(lock).fetch_one(&mut connection).await?;
        if is_locked {
            Ok(connection)
        } else {
            Err(StoreError::Unavailable(taken.to_owned()))
        }
    };
    tokio::time::timeout(CONNECT, connecting)
        .await
        .unwrap_or_else(|_| Err(StoreError::Unavailable("it does not answer".to_owned())))
}

/// Creates a pool of connections that are opened on demand and do not wait for the writing one.
pub(super) fn pool(address: &Address, connections: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(CONNECT)
        .after_connect(|connection, _| {
            Box::pin(async move {
                sqlx::query(SESSION).execute(connection).await?;
                Ok(())
            })
        })
        .connect_lazy_with(options(address))
}

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// Refuses to copy tables of another version: copying does not change them.
pub(super) async fn check(connection: &mut PgConnection) -> Result<(), StoreError> {
    let has_tables: bool = sqlx::query_scalar("select to_regclass('_sqlx_migrations') is not null")
        .fetch_one(&mut *connection)
        .await?;
    if !has_tables {
        let why = "it does not have a tracker's tables";
        return Err(StoreError::Failed(why.to_owned()));
    }
    let versions = "select version from _sqlx_migrations where success order by version";
    let found: Vec<i64> = sqlx::query_scalar(versions).fetch_all(connection).await?;
    let known: Vec<i64> = MIGRATIONS.iter().map(|one| one.version).collect();
    if found == known {
        return Ok(());
    }
    let last = |versions: &[i64]| versions.last().copied().unwrap_or_default();
    let (version, known) = (last(&found), last(&known));
    let remedy = if version > known {
        "a later version of this program wrote them, and can copy them"
    } else {
        "audit --database brings them up to date, after a backup"
    };
    Err(StoreError::Failed(format!(
        "its tables are of version {version}, and this program copies those of version {known}: {remedy}"
    )))
}

/// Checks that the server can store every text, and migrates the tables. Trackers that start at the
/// same time take turns: the migrator holds an advisory lock.
pub(super) async fn prepare(connection: &mut PgConnection) -> Result<(), StoreError> {
    let encoding: String = sqlx::query_scalar("show server_encoding")
        .fetch_one(&mut *connection)
        .await?;
    if encoding != "UTF8" {
        return Err(StoreError::Failed(format!(
            "its encoding is {encoding}, which cannot keep every text; make one with encoding 'UTF8'"
        )));
    }
    let durable: bool = sqlx::query_scalar("select current_setting('fsync')::bool")
        .fetch_one(&mut *connection)
        .await?;
    if !durable {
        tracing::warn!("the database server runs with fsync off: a power cut loses results");
    }
    // Another tracker may hold the lock for as long as its migration takes.
    sqlx::query("set lock_timeout = 0")
        .execute(&mut *connection)
        .await?;
    MIGRATIONS
        .run_direct(None, connection, false)
        .await
        .map_err(|error| match error {
            sqlx::migrate::MigrateError::Execute(error) => error.into(),
            other => StoreError::Failed(other.to_string()),
        })?;
    fill_looks(connection).await
}

/// Fills the column of looks, which SQL cannot compute. Trackers of an earlier version running
/// beside this one leave it empty too.
async fn fill_looks(connection: &mut PgConnection) -> Result<(), StoreError> {
    let nicknames: Vec<String> =
        sqlx::query_scalar("select nickname from leaderboard where look is null order by nickname")
            .fetch_all(&mut *connection)
            .await?;
    if nicknames.is_empty() {
        return Ok(());
    }
    let looks: Vec<String> = nicknames.iter().map(|name| names::look(name)).collect();
    sqlx::query(
        "update leaderboard l set look = given.look \
         from unnest($1::text[], $2::text[]) as given (nickname, look) \
         where l.nickname = given.nickname",
    )
    .bind(nicknames)
    .bind(looks)
    .execute(connection)
    .await?;
    Ok(())
}

//! Connections to the server: how each is set up, and bringing the tables up to date.

use std::time::Duration;

use sqlx::{
    ConnectOptions as _, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::Address;
use crate::{rules::names, store::StoreError};

/// How long a caller waits for a connection before it is told that there is none.
const CONNECT: Duration = Duration::from_secs(5);

/// Connections that read.
pub(super) const READERS: u32 = 4;

/// Names this program in `pg_stat_activity`, unless the address does.
const NAME: &str = "distcompute-tracker";

/// What every connection goes by. A tracker whose machine vanishes in the middle of a transaction
/// must not hold its locks for ever, and a result that was answered must be on disk, also where
/// the server's default is to answer sooner.
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

/// What the connection that writes goes by besides: it looks up rows by their keys and does nothing
/// else, so its plans are made once, and must be right however the tables grow. What is read by its
/// key is matched with what is to be written by hashing: of two lists, of which one is thought to be
/// short, a nested loop would compare each with each. A bitmap would visit the dead entries of an
/// index again and again, where a plain scan remembers them. Compiling a plan would take longer than
/// running it.
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

/// What to do about a server that does not show who it is.
const NOT_TRUSTED: &str = "a server on another machine must speak TLS and have a certificate for its \
    name, so that no password goes to anybody else: set that up (ssl = on), name the certificate's own \
    authority with ?sslrootcert=FILE in the address, or ask for less with ?sslmode=require (encrypted, \
    to whoever answers) or ?sslmode=disable (readable on its way)";

fn explained(error: sqlx::Error) -> StoreError {
    let is_tls = match &error {
        sqlx::Error::Tls(_) => true,
        // rustls hands its faults over as those of the connection.
        sqlx::Error::Io(fault) => fault.kind() == std::io::ErrorKind::InvalidData,
        _ => false,
    };
    if is_tls {
        StoreError::Failed(format!("{error}; {NOT_TRUSTED}"))
    } else {
        error.into()
    }
}

/// A connection to write on, for somebody who keeps it.
pub(super) async fn connect(address: &Address) -> Result<PgConnection, StoreError> {
    let connecting = async {
        let mut connection = options(address).connect().await.map_err(explained)?;
        sqlx::query(SESSION).execute(&mut connection).await?;
        sqlx::query(WRITING).execute(&mut connection).await?;
        Ok(connection)
    };
    tokio::time::timeout(CONNECT, connecting)
        .await
        .unwrap_or_else(|_| Err(StoreError::Unavailable("it does not answer".to_owned())))
}

/// Connections for several, who do not wait for the one that writes; made when they are needed.
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

/// Checks that the server can keep what it is given, and brings the tables up to date. Trackers
/// that start at the same time take turns: the migrator holds an advisory lock.
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
    // Others may hold the lock for as long as their migration takes.
    sqlx::query("set lock_timeout = 0")
        .execute(&mut *connection)
        .await?;
    sqlx::migrate!("migrations/postgres")
        .run_direct(None, connection, false)
        .await
        .map_err(|error| match error {
            sqlx::migrate::MigrateError::Execute(error) => error.into(),
            other => StoreError::Failed(other.to_string()),
        })?;
    fill_looks(connection).await
}

/// SQL cannot say what a nickname looks like. Trackers of an earlier version that run beside this one
/// leave it open too.
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

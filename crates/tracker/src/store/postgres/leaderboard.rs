//! Nicknames by what they have done, and by how they look.

use distcompute_protocol::ANONYMOUS;
use sqlx::PgPool;

use crate::{
    clock::Millis,
    store::{
        MOST_RANKS, NameKey, Page, Rank, RankKey, Start, StoreError, end_of_looks, first_like,
        signed, unsigned,
    },
};

/// The columns of a leaderboard entry.
macro_rules! ranked {
    () => {
        "select nickname, completed, worker, since, case when key is not null then verified end \
         from leaderboard where nickname <> $1 and "
    };
}

/// A page of the leaderboard.
pub(super) const LEADERBOARD: &str = concat!(
    ranked!(),
    "true order by completed desc, nickname limit $2 offset $3"
);

/// Nicknames with as many jobs as a given one, on either side of it by name; then all those with
/// fewer or more. A single statement for both would not use the index.
pub(super) const RANKS_EQUAL_FROM: &str = concat!(
    ranked!(),
    "completed = $3 and nickname >= $4 order by completed desc, nickname limit $2"
);

pub(super) const RANKS_LOWER: &str = concat!(
    ranked!(),
    "completed < $3 order by completed desc, nickname limit $2"
);

pub(super) const RANKS_EQUAL_BEFORE: &str = concat!(
    ranked!(),
    "completed = $3 and nickname < $4 order by completed, nickname desc limit $2"
);

pub(super) const RANKS_HIGHER: &str = concat!(
    ranked!(),
    "completed > $3 order by completed, nickname desc limit $2"
);

/// How many nicknames precede a given one, up to a maximum.
pub(super) const RANK: &str = "select \
     (select count(*) from (select 1 from leaderboard \
         where completed > $1 and nickname <> $3 \
         order by completed, nickname desc limit $4) as higher) + \
     (select count(*) from (select 1 from leaderboard \
         where completed = $1 and nickname < $2 and nickname <> $3 \
         order by completed, nickname desc limit $4) as equal)";

/// Nicknames whose look lies between two.
pub(super) const NAMES_LIKE: &str = concat!(
    ranked!(),
    "(look, since, nickname) >= ($3, $4, $5) and look < $6 \
     order by look, since, nickname limit $2"
);

/// The nickname that had each look first.
pub(super) const FIRST_NAMES: &str = "select wanted.look, first.nickname \
     from unnest($1::text[]) as wanted (look) cross join lateral ( \
         select nickname from leaderboard l where l.look = wanted.look \
         order by since, nickname limit 1 \
     ) as first";

pub(super) async fn leaderboard(
    pool: &PgPool,
    page: Page<RankKey>,
) -> Result<Vec<Rank>, StoreError> {
    let limit = i64::from(page.limit);
    let ((equal, others), key, is_reversed) = match page.start {
        Start::Offset(offset) => {
            let query = sqlx::query_as(LEADERBOARD).bind(ANONYMOUS).bind(limit);
            let rows = query.bind(signed(offset)).fetch_all(pool).await?;
            return Ok(rows.into_iter().map(rank_row).collect());
        }
        Start::From(key) => ((RANKS_EQUAL_FROM, RANKS_LOWER), key, false),
        Start::Before(key) => ((RANKS_EQUAL_BEFORE, RANKS_HIGHER), key, true),
    };
    let completed = signed(key.completed);
    let query = sqlx::query_as(equal).bind(ANONYMOUS).bind(limit);
    let query = query.bind(completed).bind(key.nickname);
    let mut rows: Vec<RankColumns> = query.fetch_all(pool).await?;
    let left = limit - signed(rows.len() as u64);
    if left > 0 {
        let query = sqlx::query_as(others).bind(ANONYMOUS).bind(left);
        rows.extend(query.bind(completed).fetch_all(pool).await?);
    }
    if is_reversed {
        rows.reverse();
    }
    Ok(rows.into_iter().map(rank_row).collect())
}

type RankColumns = (String, i64, Option<String>, Millis, Option<i64>);

fn rank_row((nickname, completed, worker, since, verified): RankColumns) -> Rank {
    Rank {
        nickname,
        completed: unsigned(completed),
        verified: verified.map(unsigned),
        worker,
        since,
    }
}

pub(super) async fn rank(pool: &PgPool, key: &RankKey) -> Result<Option<u64>, StoreError> {
    let before: i64 = sqlx::query_scalar(RANK)
        .bind(signed(key.completed))
        .bind(&key.nickname)
        .bind(ANONYMOUS)
        .bind(signed(MOST_RANKS))
        .fetch_one(pool)
        .await?;
    let before = unsigned(before);
    Ok((before < MOST_RANKS).then_some(before + 1))
}

pub(super) async fn names_like(
    pool: &PgPool,
    look: &str,
    from: Option<NameKey>,
    limit: u32,
) -> Result<Vec<Rank>, StoreError> {
    let (first, since, nickname) = first_like(look, from);
    let rows: Vec<RankColumns> = sqlx::query_as(NAMES_LIKE)
        .bind(ANONYMOUS)
        .bind(i64::from(limit))
        .bind(first)
        .bind(since)
        .bind(nickname)
        .bind(end_of_looks(look))
        .fetch_all(pool)
        .await?;
    Ok(rows.into_iter().map(rank_row).collect())
}

pub(super) async fn completed_unnamed(pool: &PgPool) -> Result<u64, StoreError> {
    let completed: Option<i64> =
        sqlx::query_scalar("select completed from leaderboard where nickname = $1")
            .bind(ANONYMOUS)
            .fetch_optional(pool)
            .await?;
    Ok(completed.map_or(0, unsigned))
}

pub(super) async fn first_names(
    pool: &PgPool,
    looks: Vec<String>,
) -> Result<Vec<(String, String)>, StoreError> {
    let found = sqlx::query_as(FIRST_NAMES).bind(looks);
    Ok(found.fetch_all(pool).await?)
}

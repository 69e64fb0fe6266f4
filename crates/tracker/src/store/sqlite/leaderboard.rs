//! Nicknames by what they have done, and by how they look.

use distcompute_protocol::ANONYMOUS;
use rusqlite::{Connection, OptionalExtension as _};

use crate::store::{
    MOST_RANKS, NameKey, Page, Rank, RankKey, Start, StoreError, end_of_looks, first_like, signed,
    unsigned,
};

/// The columns of a leaderboard entry.
macro_rules! ranked {
    () => {
        "select nickname, completed, worker, since, iif(key is null, null, verified) \
         from leaderboard where nickname <> ? and "
    };
}

/// A page of the leaderboard.
pub(super) const LEADERBOARD: &str = concat!(
    ranked!(),
    "true order by completed desc, nickname limit ? offset ?"
);

/// Nicknames with as many jobs as a given one, on either side of it by name; then all those with
/// fewer or more. A single statement for both would not use the index.
pub(super) const RANKS_EQUAL_FROM: &str = concat!(
    ranked!(),
    "completed = ? and nickname >= ? order by nickname limit ?"
);

pub(super) const RANKS_LOWER: &str = concat!(
    ranked!(),
    "completed < ? order by completed desc, nickname limit ?"
);

pub(super) const RANKS_EQUAL_BEFORE: &str = concat!(
    ranked!(),
    "completed = ? and nickname < ? order by nickname desc limit ?"
);

pub(super) const RANKS_HIGHER: &str = concat!(
    ranked!(),
    "completed > ? order by completed, nickname desc limit ?"
);

/// How many nicknames precede a given one, up to a maximum.
pub(super) const RANK: &str = "select \
     (select count(*) from (select 1 from leaderboard \
         where completed > ?1 and nickname <> ?3 limit ?4)) + \
     (select count(*) from (select 1 from leaderboard \
         where completed = ?1 and nickname < ?2 and nickname <> ?3 limit ?4))";

/// Nicknames whose look lies between two.
pub(super) const NAMES_LIKE: &str = concat!(
    ranked!(),
    "(look, since, nickname) >= (?, ?, ?) and look < ? order by look, since, nickname limit ?"
);

/// The nickname that had a look first.
pub(super) const FIRST_NAME: &str =
    "select nickname from leaderboard where look = ? order by since, nickname limit 1";

pub(super) fn leaderboard(on: &Connection, page: &Page<RankKey>) -> Result<Vec<Rank>, StoreError> {
    let ((equal, others), key) = match &page.start {
        Start::Offset(offset) => {
            return ranks(on, LEADERBOARD, (ANONYMOUS, page.limit, signed(*offset)));
        }
        Start::From(key) => ((RANKS_EQUAL_FROM, RANKS_LOWER), key),
        Start::Before(key) => ((RANKS_EQUAL_BEFORE, RANKS_HIGHER), key),
    };
    let completed = signed(key.completed);
    let mut found = ranks(on, equal, (ANONYMOUS, completed, &key.nickname, page.limit))?;
    let left = i64::from(page.limit) - signed(found.len() as u64);
    if left > 0 {
        found.extend(ranks(on, others, (ANONYMOUS, completed, left))?);
    }
    if matches!(page.start, Start::Before(_)) {
        found.reverse();
    }
    Ok(found)
}

fn ranks(
    on: &Connection,
    statement: &str,
    which: impl rusqlite::Params,
) -> Result<Vec<Rank>, StoreError> {
    on.prepare_cached(statement)?
        .query_and_then(which, |row| {
            Ok(Rank {
                nickname: row.get(0)?,
                completed: unsigned(row.get(1)?),
                worker: row.get(2)?,
                since: row.get(3)?,
                verified: row.get::<_, Option<i64>>(4)?.map(unsigned),
            })
        })?
        .collect()
}

pub(super) fn rank(on: &Connection, key: &RankKey) -> Result<Option<u64>, StoreError> {
    let limit = signed(MOST_RANKS);
    let which = (signed(key.completed), &key.nickname, ANONYMOUS, limit);
    let before = on
        .prepare_cached(RANK)?
        .query_row(which, |row| row.get(0))
        .map(unsigned)?;
    Ok((before < MOST_RANKS).then_some(before + 1))
}

pub(super) fn names_like(
    on: &Connection,
    look: &str,
    from: Option<NameKey>,
    limit: u32,
) -> Result<Vec<Rank>, StoreError> {
    let (first, since, nickname) = first_like(look, from);
    let end = end_of_looks(look);
    ranks(
        on,
        NAMES_LIKE,
        (ANONYMOUS, first, since, nickname, end, limit),
    )
}

pub(super) fn completed_unnamed(on: &Connection) -> Result<u64, StoreError> {
    let completed: Option<i64> = on
        .prepare_cached("select completed from leaderboard where nickname = ?")?
        .query_row([ANONYMOUS], |row| row.get(0))
        .optional()?;
    Ok(completed.map_or(0, unsigned))
}

pub(super) fn first_names(
    on: &Connection,
    looks: Vec<String>,
) -> Result<Vec<(String, String)>, StoreError> {
    let mut statement = on.prepare_cached(FIRST_NAME)?;
    let mut found = Vec::new();
    for look in looks {
        let name = statement.query_row([&look], |row| row.get(0)).optional()?;
        found.extend(name.map(|name| (look, name)));
    }
    Ok(found)
}

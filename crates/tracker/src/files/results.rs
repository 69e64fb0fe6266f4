//! Which files a result may name: those that were uploaded under its lease, and those that its input
//! names. This is decided before the ledger takes the result, from rows that the ledger does not write.

use std::{borrow::Cow, collections::HashMap};

use distcompute_protocol::ErrorCode;

use crate::{
    rules::{
        payload,
        references::{self, Reference},
    },
    store::{FileLease, Store, StoreError},
};

/// How many files are looked up at once.
const ASKED: usize = 1_000;

/// A result, as far as its references are concerned.
#[derive(Debug, PartialEq, Eq)]
pub enum Named {
    /// It names these files, none twice.
    Files(Vec<Reference>),
    /// It is not as references must be.
    Wrong(String),
}

/// What a text names, and the text without addresses of files, if it has any. Takes as long as reading
/// the text does.
#[must_use]
pub fn named(text: &str) -> (Named, Option<String>) {
    // The references of a text that is not JSON are unknown, and the ledger refuses it.
    if payload::check(text).is_err() {
        return (Named::Files(Vec::new()), None);
    }
    match references::references(text) {
        Ok(mut list) => {
            list.sort_unstable();
            list.dedup();
            let bare = match references::without_urls(text) {
                Cow::Owned(bare) => Some(bare),
                Cow::Borrowed(_) => None,
            };
            (Named::Files(list), bare)
        }
        Err(why) => (Named::Wrong(why), None),
    }
}

/// Why results must be refused, by lease; those that are left out may name what they name.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn refused(
    store: &dyn Store,
    of: Vec<(FileLease, Vec<Reference>)>,
) -> Result<HashMap<i64, String>, StoreError> {
    let wanted = of.iter().flat_map(|(lease, list)| {
        list.iter()
            .map(|one| (lease.job, lease.id, one.file.clone()))
    });
    let wanted: Vec<_> = wanted.collect();
    let mut granted = HashMap::new();
    // In pieces, between which others get their turns.
    for some in wanted.chunks(ASKED) {
        let found = store.granted_files(some.to_vec()).await?;
        granted.extend(
            found
                .into_iter()
                .map(|(lease, hash, bytes)| ((lease, hash), bytes)),
        );
    }
    let mut left = Vec::new();
    for (lease, list) in of {
        let missing =
            |one: &Reference| granted.get(&(lease.id, one.file.clone())) != Some(&one.bytes);
        let list: Vec<_> = list.into_iter().filter(missing).collect();
        if !list.is_empty() {
            left.push((lease, list));
        }
    }
    let mut refused = HashMap::new();
    // One input at a time: they may be large.
    for (lease, list) in left {
        let input = store.inputs(vec![(lease.job, lease.stage)]).await?;
        let reading = tokio::task::spawn_blocking(move || {
            let texts = input.iter().map(|(_, _, text)| text);
            let named = texts.filter_map(|text| references::references(text).ok());
            let named: std::collections::HashSet<Reference> = named.flatten().collect();
            list.into_iter().find(|one| !named.contains(one))
        });
        let missing = reading
            .await
            .map_err(|error| StoreError::Failed(error.to_string()))?;
        if let Some(missing) = missing {
            refused.insert(lease.id, not_granted(&missing));
        }
    }
    Ok(refused)
}

fn not_granted(of: &Reference) -> String {
    format!(
        "{}: it names {} with {} bytes, and no such file was uploaded under its lease or is named by \
         its input",
        ErrorCode::FileNotGranted.as_str(),
        of.file,
        of.bytes
    )
}

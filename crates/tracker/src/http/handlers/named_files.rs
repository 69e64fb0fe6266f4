//! Results that name files, before the ledger takes them.

use std::collections::{BTreeSet, HashMap};

use distcompute_protocol::{
    Done, ErrorCode, Failed, MAX_FILE_REFS, Rejected, RejectedWhy, SyncRequest,
};

use crate::{
    error::ApiError,
    files::results::{Named, named, refused},
    rules::references::may_refer,
    state::App,
};

/// How many files the results of a sync may name together: each is looked up.
const MOST_REFERENCES: usize = 4 * MAX_FILE_REFS;

/// Checks what the results of a sync name. A result that may not is turned into a failure of its job,
/// and listed as rejected in the answer. Of others, addresses of files are removed.
pub(super) async fn all(app: &App, request: &mut SyncRequest) -> Result<Vec<Rejected>, ApiError> {
    if app.files.objects().is_none() || !request.done.iter().any(|done| may_refer(&done.data)) {
        return Ok(Vec::new());
    }
    let done = std::mem::take(&mut request.done);
    let bytes = done.iter().map(|done| done.data.len()).sum();
    let read = move || {
        let mut seen = BTreeSet::new();
        let mut read = Vec::new();
        for mut done in done {
            // If a lease is listed twice, the first entry counts.
            if seen.insert(done.lease.clone()) {
                let (named, bare) = named(&done.data);
                if let Some(bare) = bare {
                    done.data = bare;
                }
                read.push((done, named));
            }
        }
        Ok(read)
    };
    let read = app.bodies.work(bytes, read).await?;
    let counts = read.iter().map(|(_, named)| match named {
        Named::Files(list) => list.len(),
        Named::Wrong(_) => 0,
    });
    // Clients send fewer results together then, and a single one has few enough.
    if counts.sum::<usize>() > MOST_REFERENCES {
        let sentence = format!(
            "The results name more than {MOST_REFERENCES} files together. Send fewer of them at once."
        );
        return Err(ApiError::Explained(ErrorCode::TooLarge, sentence));
    }
    let names = read
        .iter()
        .filter(|(_, named)| *named != Named::Files(Vec::new()));
    let names = names.map(|(done, _)| done.lease.clone()).collect();
    let leases = app.store.file_leases(names).await?;
    // A result that was accepted once is accepted again. What cannot be delivered at all, the ledger
    // rejects.
    let leases: HashMap<_, _> = leases
        .into_iter()
        .filter(|(_, lease)| !lease.has_delivered)
        .collect();
    let mut listed = Vec::new();
    for (done, named) in &read {
        if let (Some(lease), Named::Files(list)) = (leases.get(&done.lease), named) {
            listed.push((*lease, list.clone()));
        }
    }
    let refused = refused(app.store.as_ref(), listed).await?;
    let mut rejected = Vec::new();
    for (done, named) in read {
        let lease = leases.get(&done.lease);
        let why = lease.and_then(|lease| match named {
            Named::Wrong(why) => Some(why),
            Named::Files(_) => refused.get(&lease.id).cloned(),
        });
        match why {
            Some(why) => {
                rejected.push(Rejected {
                    lease: done.lease.clone(),
                    why: RejectedWhy::Invalid,
                });
                request.failed.push(refused_output(done, &why));
            }
            None => request.done.push(done),
        }
    }
    Ok(rejected)
}

fn refused_output(done: Done, why: &str) -> Failed {
    Failed {
        lease: done.lease,
        error: format!("The output was refused: {why}"),
    }
}

/// Checks what the result of the job that a worker holds names, and removes addresses of files.
pub(super) async fn one(
    app: &App,
    token: &str,
    number: Option<u64>,
    data: String,
) -> Result<String, ApiError> {
    if app.files.objects().is_none() || !may_refer(&data) {
        return Ok(data);
    }
    let bytes = data.len();
    let read = move || {
        let (named, bare) = named(&data);
        Ok((named, bare.unwrap_or(data)))
    };
    let (named, data) = app.bodies.work(bytes, read).await?;
    // Without such a lease, the ledger says what is wrong.
    let Some(lease) = app.store.held_lease(token, number).await? else {
        return Ok(data);
    };
    let why = match named {
        Named::Wrong(why) => Some(why),
        Named::Files(list) => {
            let mut refused = refused(app.store.as_ref(), vec![(lease, list)]).await?;
            refused.remove(&lease.id)
        }
    };
    match why {
        Some(why) => Err(ApiError::Explained(ErrorCode::FileNotGranted, why)),
        None => Ok(data),
    }
}

//! Addresses of the files that the texts of an answer name.

use std::collections::HashSet;

use crate::{
    error::ApiError,
    rules::references::{may_refer, references, with_urls},
    state::App,
    store::{GrantedLease, Output},
};

/// How many files are looked up at once.
const ASKED: usize = 1_000;

/// Gives the references of jobs' inputs their addresses. Inputs that have not been read yet get none.
pub(super) async fn inputs(app: &App, granted: &mut [GrantedLease]) -> Result<(), ApiError> {
    let texts = granted
        .iter_mut()
        .map(|lease| (lease.number, &mut lease.data));
    texts_of(app, texts.collect()).await
}

/// Gives the references of outputs their addresses.
pub(super) async fn outputs(app: &App, outputs: &mut [Output]) -> Result<(), ApiError> {
    let mut data: Vec<_> = outputs
        .iter_mut()
        .map(|output| Some(std::mem::take(&mut output.data)))
        .collect();
    let numbers = outputs
        .iter()
        .map(|output| i64::try_from(output.number).unwrap_or(0));
    let done = texts_of(app, numbers.zip(&mut data).collect()).await;
    for (output, data) in outputs.iter_mut().zip(data) {
        output.data = data.unwrap_or_default();
    }
    done
}

/// Only files that belong to the job are given addresses: a text from a time when results were not checked
/// names whatever it likes.
async fn texts_of(app: &App, all: Vec<(i64, &mut Option<String>)>) -> Result<(), ApiError> {
    if app.files.objects().is_none() {
        return Ok(());
    }
    let refers = |text: &Option<String>| text.as_deref().is_some_and(may_refer);
    let (mut places, mut texts) = (Vec::new(), Vec::new());
    for (job, text) in all {
        if refers(text)
            && let Some(taken) = text.take()
        {
            places.push(text);
            texts.push((job, taken));
        }
    }
    if texts.is_empty() {
        return Ok(());
    }
    let bytes = texts.iter().map(|(_, text)| text.len()).sum();
    let read = move || {
        let mut named = HashSet::new();
        for (job, text) in &texts {
            let found = references(text).unwrap_or_default().into_iter();
            named.extend(found.map(|one| (*job, one.file)));
        }
        Ok((texts, named.into_iter().collect::<Vec<_>>()))
    };
    let (texts, named) = app.bodies.work(bytes, read).await?;
    let mut known = HashSet::new();
    for some in named.chunks(ASKED) {
        known.extend(app.store.known_files(some.to_vec()).await?);
    }
    let addresses = app.addresses().await?;
    let write = move || {
        let texts = texts.into_iter().map(|(job, text)| {
            with_urls(text, |one| {
                let is_known = known.contains(&(job, one.file.clone()));
                is_known.then(|| addresses.of_file(&one.file))
            })
        });
        Ok(texts.collect::<Vec<_>>())
    };
    let texts = app.bodies.work(bytes, write).await?;
    for (place, text) in places.into_iter().zip(texts) {
        *place = Some(text);
    }
    Ok(())
}

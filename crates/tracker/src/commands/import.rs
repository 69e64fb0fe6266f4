//! `import`: checks the whole source, then adds it part by part, with a progress bar.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, Seek as _, Write as _},
    path::Path,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::mpsc;

use crate::{
    commands::{
        cli::{COMMAND_LINE, ImportArgs, SourceArgs},
        confirm::confirmed,
        open::open_objects,
    },
    database_url::{ANY_RULES, DatabaseUrl},
    files::objects::Objects,
    operations::{
        import::{
            part::{self, Checked, Parts, Tally},
            read::{Fault, Format, read},
        },
        job_files::References,
    },
    rules::{
        brace::Pattern,
        payload,
        references::{Reference, completed},
    },
    store::{Action, Added, Import, NewImport, Store, StoreError},
};

/// How often a part is retried when the database is busy, and the first pause between attempts.
const TRIES: u32 = 8;
const PAUSE: Duration = Duration::from_millis(100);

/// The source of the jobs.
enum Source {
    File {
        name: String,
        file: File,
        format: Format,
    },
    Brace(Pattern),
}

/// Imports the jobs.
///
/// # Errors
/// Returns a sentence that says what is invalid, or why the import failed.
pub async fn run(args: &ImportArgs) -> Result<(), String> {
    let database: DatabaseUrl = args.database.database.parse()?;
    let source = open(&args.source)?;
    let objects = open_objects(&args.database, &args.object_store)?;
    let is_local = args.files.is_some();
    let (source, checked, named) = in_background(move || check(source, is_local)).await?;
    let count = checked.jobs;
    let question = format!("Forget all jobs and results in {database}?");
    let refusal = "--reset forgets all jobs and results.";
    if args.reset && !args.yes && !confirmed(refusal, &question)? {
        return Err("Nothing was changed.".to_owned());
    }
    let store = database.open(true, ANY_RULES).await?;
    let files = stored(&named, args, store.as_ref(), objects.as_ref()).await?;
    let note = async |action, detail| {
        let who = COMMAND_LINE.to_owned();
        let action = Action {
            who,
            action,
            detail,
        };
        let noted = store.note_action(&action).await;
        noted.map_err(|error| format!("The import cannot be written down: {error}."))
    };
    if args.reset {
        note("reset", "all jobs and results are forgotten".to_owned()).await?;
        store
            .wipe()
            .await
            .map_err(|error| format!("The database was not wiped: {error}."))?;
    }
    note("import", format!("{count} jobs from {}", source.name())).await?;
    let new = NewImport {
        who: COMMAND_LINE.to_owned(),
        source: source.name().to_owned(),
        digest: checked.digest,
        jobs: count,
        key: None,
    };
    let begun = store.begin_import(&new).await;
    let import = begun.map_err(|error| format!("The import cannot be written down: {error}."))?;
    if import.done > 0 {
        let there = import.done;
        note(
            "import",
            format!("goes on after {there} jobs, where it was broken off"),
        )
        .await?;
        let _ = writeln!(
            io::stderr(),
            "an import of the same {count} jobs was broken off: {there} are there, the rest is added"
        );
    }
    let outcome = insert(store.as_ref(), source, count, import, &database, files).await;
    match &outcome {
        Ok(added) => {
            let ended = store.end_import(import.id).await;
            ended.map_err(|error| format!("The end cannot be written down: {error}."))?;
            if let Some(Added { first, last }) = added {
                note("import", format!("numbers {first} to {last} were imported")).await?;
            }
        }
        // The audit log records by itself how far the import came.
        Err(why) => {
            let _ = note("import", format!("broken off: {why}")).await;
        }
    }
    store.close().await;
    let printed = match outcome? {
        Some(Added { first, last }) => {
            format!(
                "imported {} jobs, numbers {first} to {last}",
                last - first + 1
            )
        }
        None if count > 0 => "imported 0 jobs: all of them are there".to_owned(),
        None => "imported 0 jobs: the source is empty".to_owned(),
    };
    writeln!(io::stdout(), "{printed}").map_err(|error| error.to_string())
}

/// Stores the local files that jobs name, or checks that what they name is stored. Returns what local
/// files are called.
async fn stored(
    named: &References,
    args: &ImportArgs,
    store: &dyn Store,
    objects: Option<&Objects>,
) -> Result<Files, String> {
    let nothing = |why: String| format!("{why} Nothing was imported.");
    match (&args.files, objects) {
        (Some(folder), Some(objects)) => {
            let added = named.add_from(folder, store, objects).await;
            added.map(Some).map_err(nothing)
        }
        (Some(_), None) => Err(nothing(
            "The project takes no files: object_store is off.".to_owned(),
        )),
        (None, Some(_)) => {
            let checked = named.check(store).await;
            let checked =
                checked.map_err(|error| format!("The files cannot be looked up: {error}."))?;
            checked.map(|()| None).map_err(|why| {
                nothing(format!(
                    "{why} Name the folder with the files: --files FOLDER."
                ))
            })
        }
        (None, None) => Ok(None),
    }
}

/// What local files are called, if there are any.
type Files = Option<BTreeMap<String, Reference>>;

impl Source {
    /// The name of the source in the log of actions.
    fn name(&self) -> &str {
        match self {
            Self::File { name, .. } => name,
            Self::Brace(_) => "a pattern",
        }
    }
}

async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| error.to_string())?
}

fn open(args: &SourceArgs) -> Result<Source, String> {
    if let Some(pattern) = &args.brace {
        return pattern.parse().map(Source::Brace);
    }
    let given = [
        (&args.json, Format::Json),
        (&args.jsonl, Format::JsonLines),
        (&args.results, Format::Exported),
        (&args.txt, Format::Text),
    ];
    let Some((path, format)) = given
        .into_iter()
        .find_map(|(path, format)| Some((path.as_ref()?, format)))
    else {
        return Err("Nothing to import is named.".to_owned());
    };
    if path == Path::new("-") {
        return Ok(Source::File {
            name: "standard input".to_owned(),
            file: spooled()?,
            format,
        });
    }
    let name = path.display().to_string();
    let file = File::open(path).map_err(|error| format!("{name} cannot be read: {error}."))?;
    Ok(Source::File { name, file, format })
}

/// Copies standard input to a temporary file, because it is read twice, the first time to check it.
fn spooled() -> Result<File, String> {
    let failed = |error| format!("Standard input cannot be kept for checking: {error}.");
    let mut file = tempfile::tempfile().map_err(failed)?;
    io::copy(&mut io::stdin().lock(), &mut file).map_err(failed)?;
    file.rewind().map_err(failed)?;
    Ok(file)
}

/// Reads and checks the whole source and counts its jobs.
fn check(source: Source, local: bool) -> Result<(Source, Checked, References), String> {
    let mut tally = Tally::default();
    let mut named = References::default();
    match source {
        Source::Brace(pattern) => {
            for job in pattern.iter() {
                payload::check(&job)
                    .map_err(|why| format!("{job:?}: {why} Nothing was imported."))?;
                tally.count(&job);
            }
            Ok((Source::Brace(pattern), tally.finish(), named))
        }
        Source::File {
            name,
            mut file,
            format,
        } => {
            let size = file.metadata().map_or(0, |metadata| metadata.len());
            let bar = bar(size, "checking  {wide_bar} {percent}% {eta}");
            read(bar.wrap_read(&file), format, &mut |job| {
                tally.count(&job);
                named.of(&job, local);
                Ok(())
            })
            .map_err(|fault| sentence(&name, fault))?;
            bar.finish_and_clear();
            file.rewind().map_err(|error| {
                format!(
                    "{name} is checked before it is imported, and cannot be read twice: {error}. Give - \
                     for it, and what it says on standard input."
                )
            })?;
            let source = Source::File { name, file, format };
            Ok((source, tally.finish(), named))
        }
    }
}

fn sentence(name: &str, fault: Fault) -> String {
    match fault {
        Fault::Bad { line, why } => format!("{name}, line {line}: {why} Nothing was imported."),
        Fault::Unreadable(error) => format!("{name} cannot be read: {error}."),
        Fault::Stopped => "The import was stopped.".to_owned(),
    }
}

fn bar(length: u64, template: &str) -> ProgressBar {
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style)
}

/// Reads the source again, on a thread of its own, while parts are added to the database.
async fn insert(
    store: &dyn Store,
    source: Source,
    count: u64,
    import: Import,
    database: &DatabaseUrl,
    files: Files,
) -> Result<Option<Added>, String> {
    let (sender, parts) = mpsc::channel(2);
    let reader = in_background(move || {
        let mut parts = Parts::new(sender, import.done);
        match source {
            Source::Brace(pattern) => {
                pattern
                    .iter()
                    .try_for_each(|job| parts.push(job))
                    .map_err(|f| sentence("", f))?;
            }
            Source::File { name, file, format } => {
                let mut push = |job| {
                    let job = match &files {
                        Some(files) => {
                            completed(job, files).map_err(|why| Fault::Bad { line: 0, why })?
                        }
                        None => job,
                    };
                    parts.push(job)
                };
                read(BufReader::new(file), format, &mut push)
                    .map_err(|fault| sentence(&name, fault))?;
            }
        }
        parts.send().map_err(|fault| sentence("", fault))
    });
    let bar = bar(
        count,
        "importing {wide_bar} {pos}/{len} jobs {per_sec} {eta}",
    );
    bar.set_position(import.done);
    let mut interrupted = Box::pin(tokio::signal::ctrl_c());
    let inserting = async move {
        // Moved into the future: when it ends, the channel closes and the reader stops.
        let mut parts = parts;
        let mut all: Option<Added> = None;
        loop {
            let part = tokio::select! {
                part = parts.recv() => part,
                _ = &mut interrupted => {
                    let there = bar.position();
                    return Err(format!(
                        "Interrupted: {there} of {count} jobs were imported. The same import again \
                         adds the rest."
                    ));
                }
            };
            let Some(part) = part else { break };
            let started = Instant::now();
            if let Some(added) = add(store, import.id, &part).await? {
                let first = all.map_or(added.first, |all| all.first);
                all = Some(Added {
                    first,
                    last: added.last,
                });
            }
            bar.inc(part.1.len() as u64);
            if database.is_contended() {
                // SQLite is not fair among writers: without a pause, this process would always be
                // next, and the calls of the tracker's volunteers would wait.
                tokio::time::sleep(started.elapsed()).await;
            }
        }
        bar.finish_and_clear();
        Ok(all)
    };
    let (inserted, read) = tokio::join!(inserting, reader);
    let inserted = inserted?;
    read?;
    Ok(inserted)
}

async fn add(
    store: &dyn Store,
    import: i64,
    part: &(u64, Vec<String>),
) -> Result<Option<Added>, String> {
    let mut pause = PAUSE;
    for _ in 1..TRIES {
        match part::add(store, import, part).await {
            Err(StoreError::Unavailable(_) | StoreError::Conflict(_)) => {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            done => return done.map_err(|error| broken_off(&error)),
        }
    }
    part::add(store, import, part)
        .await
        .map_err(|error| broken_off(&error))
}

fn broken_off(error: &StoreError) -> String {
    format!("The import failed: {error}. The same import again adds what is missing.")
}

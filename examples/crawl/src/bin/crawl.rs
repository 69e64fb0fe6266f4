//! The example's native program: cuts archives into jobs, runs the stages, and joins shards. All
//! computation is in the library.
//!
//! ```text
//! crawl sample FOLDER [MEGABYTES]       makes archives to try
//! crawl jobs ARCHIVE... --out FOLDER    cuts archives into pieces, and writes a job for each
//! crawl run ARCHIVE... --out FOLDER     runs all stages, and writes a shard for each piece
//! crawl collect RESULTS --files FILES --out FOLDER
//!                                       takes the shards out of what a tracker exports
//! crawl join SHARDS [--out FOLDER]      takes the near duplicates out, and writes the card
//! crawl bench ARCHIVE...                measures each stage
//! ```

use crawl::{Join, clean, cut, extract, identify, pack, sample, sign, unpack};
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

const USAGE: &str = "usage: crawl sample FOLDER [MEGABYTES] | crawl jobs ARCHIVE... --out FOLDER | \
                     crawl run ARCHIVE... --out FOLDER | \
                     crawl collect RESULTS --files FILES --out FOLDER | \
                     crawl join FOLDER [--out FOLDER] | crawl bench ARCHIVE...";

/// The largest piece. The lines of its pages are a few times as long.
const PIECE: usize = 1 << 20;

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("crawl: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Outcome {
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["sample", folder] => make_samples(folder.as_ref(), 4),
        ["sample", folder, megabytes] => make_samples(folder.as_ref(), megabytes.parse()?),
        ["jobs", ref archives @ .., "--out", folder] if !archives.is_empty() => {
            make_jobs(archives, folder.as_ref())
        }
        ["run", ref archives @ .., "--out", folder] if !archives.is_empty() => {
            make_shards(archives, folder.as_ref())
        }
        ["collect", results, "--files", files, "--out", folder] => {
            collect(results, files.as_ref(), folder.as_ref())
        }
        ["join", shards] => join(shards.as_ref(), shards.as_ref()),
        ["join", shards, "--out", folder] => join(shards.as_ref(), folder.as_ref()),
        ["bench", ref archives @ ..] if !archives.is_empty() => bench(archives),
        _ => Err(USAGE.into()),
    }
}

/// Writes an archive with all odd records, and ordinary ones of about this size before compression.
/// They are written one by one, so that the size does not matter.
fn make_samples(folder: &Path, megabytes: usize) -> Outcome {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("odd.warc.gz"), sample::archive())?;
    let mut archive = BufWriter::new(File::create(folder.join("ordinary.warc.gz"))?);
    let mut length = 0;
    for number in 0.. {
        if length >= megabytes << 20 {
            break;
        }
        let record = sample::crawled(1, number);
        length += record.len();
        archive.write_all(&sample::gzip(&record))?;
    }
    Ok(archive.flush()?)
}

/// The job of the first stage for a piece.
#[derive(Serialize)]
struct Job<'a> {
    archive: &'a str,
    piece: usize,
    file: FileRef,
}

/// A file of a job.
#[derive(Serialize, Deserialize)]
struct FileRef {
    /// Its path in the folder that the tracker imports, or its name at the tracker.
    #[serde(rename = "$file")]
    file: String,
}

/// Writes each piece into a file, and `jobs.jsonl` with a job for each, in the order of the archives.
fn make_jobs(archives: &[&str], folder: &Path) -> Outcome {
    fs::create_dir_all(folder)?;
    let mut jobs = BufWriter::new(File::create(folder.join("jobs.jsonl"))?);
    let mut number = 0_u32;
    for path in archives {
        let mut piece = 0;
        each_piece(path, |bytes| {
            number += 1;
            let name = format!("piece-{number:06}");
            fs::write(folder.join(&name), bytes)?;
            let job = Job {
                archive: file_name(path),
                piece,
                file: FileRef {
                    file: format!("./{name}"),
                },
            };
            piece += 1;
            serde_json::to_writer(&mut jobs, &job)?;
            jobs.write_all(b"\n")
        })?;
    }
    jobs.flush()?;
    println(&format!("{number} jobs in {}", folder.display()))
}

fn file_name(path: &str) -> &str {
    Path::new(path)
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or("archive")
}

fn each_piece(path: &str, sink: impl FnMut(&[u8]) -> std::io::Result<()>) -> Outcome {
    let file = File::open(path).map_err(|error| format!("{path}: {error}"))?;
    cut(file, PIECE, sink).map_err(|error| format!("{path}: {error}").into())
}

/// All stages for each piece of the archives: shards that are numbered as the jobs are.
fn make_shards(archives: &[&str], folder: &Path) -> Outcome {
    fs::create_dir_all(folder)?;
    let mut number = 0_u32;
    for path in archives {
        each_piece(path, |bytes| {
            number += 1;
            let shard = shard(bytes).map_err(std::io::Error::other)?;
            fs::write(shard_path(folder, number), shard)
        })?;
    }
    println(&format!("{number} shards in {}", folder.display()))
}

fn shard(piece: &[u8]) -> Result<Vec<u8>, crawl::InputError> {
    let lines = sign(&identify(&clean(&extract(piece))?)?)?;
    Ok(pack(&lines)?.gzip)
}

/// A line of `distcompute-tracker export --stage e`.
#[derive(Deserialize)]
struct Exported {
    number: u32,
    data: Output,
}

/// The output of the last stage.
#[derive(Deserialize)]
struct Output {
    file: FileRef,
}

/// Names the shards of volunteers as `run` does. `files` is the folder into which the tracker has
/// exported them. What is no shard is refused, with its job.
fn collect(results: &str, files: &Path, folder: &Path) -> Outcome {
    fs::create_dir_all(folder)?;
    let file = File::open(results).map_err(|error| format!("{results}: {error}"))?;
    let mut shards = 0;
    for (index, line) in BufReader::new(file).lines().enumerate() {
        let named = |error: &dyn Error| format!("{results}, line {}: {error}", index + 1);
        let Exported { number, data } =
            serde_json::from_str(&line?).map_err(|error| named(&error))?;
        let name = data.file.file;
        if !name.starts_with("sha256-") || name.contains(['/', '\\']) {
            return Err(format!("job {number} names no file of the tracker: {name:?}").into());
        }
        let path = files.join(name);
        let shard = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        unpack(&shard).map_err(|error| format!("job {number}: {error}"))?;
        fs::write(shard_path(folder, number), shard)?;
        shards += 1;
    }
    println(&format!("{shards} shards in {}", folder.display()))
}

fn shard_path(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("shard-{number:06}.jsonl.gz"))
}

/// Writes `dataset.jsonl.gz`, `card.md` and `card.json`.
fn join(shards: &Path, folder: &Path) -> Outcome {
    let mut paths: Vec<PathBuf> = fs::read_dir(shards)
        .map_err(|error| format!("{}: {error}", shards.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<_>>()?;
    paths.retain(|path| {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or("");
        name.starts_with("shard-") && name.ends_with(".jsonl.gz")
    });
    paths.sort();
    if paths.is_empty() {
        return Err(format!("{} has no files named shard-*.jsonl.gz", shards.display()).into());
    }
    let read = |path: &PathBuf| -> Result<_, Box<dyn Error>> {
        let named = |error: &dyn Error| format!("{}: {error}", path.display());
        let bytes = fs::read(path).map_err(|error| named(&error))?;
        Ok(unpack(&bytes).map_err(|error| named(&error))?)
    };
    let mut join = Join::default();
    for path in &paths {
        join.add(&read(path)?);
    }
    fs::create_dir_all(folder)?;
    let mut out = BufWriter::new(File::create(folder.join("dataset.jsonl.gz"))?);
    for path in &paths {
        let mut lines = Vec::new();
        for page in join.keep(read(path)?) {
            serde_json::to_writer(&mut lines, &page)?;
            lines.push(b'\n');
        }
        // Members of gzip one after another are a file of gzip.
        out.write_all(&sample::gzip(&lines))?;
    }
    out.flush()?;
    let card = join.card();
    fs::write(folder.join("card.json"), card.json())?;
    fs::write(folder.join("card.md"), card.markdown())?;
    println(&format!("{} pages in {}", card.pages, folder.display()))
}

/// Measures each stage on one core, and writes one line of JSON.
fn bench(archives: &[&str]) -> Outcome {
    let (mut pieces, mut bytes, mut text) = (0, 0, 0);
    let mut times = [Duration::ZERO; 5];
    for path in archives {
        each_piece(path, |piece| {
            pieces += 1;
            bytes += piece.len();
            let began = Instant::now();
            let mut lines = extract(piece);
            times[0] += began.elapsed();
            text += lines.len();
            for (index, stage) in [clean, identify, sign].into_iter().enumerate() {
                let began = Instant::now();
                lines = stage(&lines).map_err(std::io::Error::other)?;
                times[index + 1] += began.elapsed();
            }
            let began = Instant::now();
            pack(&lines).map_err(std::io::Error::other)?;
            times[4] += began.elapsed();
            Ok(())
        })?;
    }
    let milliseconds = times.map(|time| time.as_secs_f64() * 1000.0);
    let names = ["extract", "clean", "language", "sign", "pack"];
    let stages: serde_json::Map<_, _> = names
        .into_iter()
        .zip(milliseconds)
        .map(|(name, time)| (name.into(), time.into()))
        .collect();
    let measured = serde_json::json!({
        "pieces": pieces, "bytes": bytes, "lines": text, "milliseconds": stages,
    });
    println(&measured.to_string())
}

fn println(text: &str) -> Outcome {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

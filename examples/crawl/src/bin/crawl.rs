//! The example's native program: cuts archives into jobs, runs the stages, and joins shards. All
//! computation is in the library.
//!
//! ```text
//! crawl sample FOLDER [MEGABYTES]       makes archives to try
//! crawl jobs ARCHIVE... > jobs.jsonl    cuts archives into jobs
//! crawl run ARCHIVE... --out FOLDER     runs all stages, and writes a shard for each piece
//! crawl join SHARDS [--out FOLDER]      takes the near duplicates out, and writes the card
//! crawl bench ARCHIVE...                measures each stage
//! ```

use crawl::{Extractor, Join, clean, cut, extract, identify, pack, sample, sign, unpack};
use serde::Serialize;
use std::error::Error;
use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

const USAGE: &str = "usage: crawl sample FOLDER [MEGABYTES] | crawl jobs ARCHIVE... | \
                     crawl run ARCHIVE... --out FOLDER | crawl join FOLDER [--out FOLDER] | crawl bench ARCHIVE...";

/// The largest piece, of which its base64 in a job has 1.4 MB.
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
        ["jobs", ref archives @ ..] if !archives.is_empty() => jobs(archives),
        ["run", ref archives @ .., "--out", folder] if !archives.is_empty() => {
            make_shards(archives, folder.as_ref())
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
    /// The bytes of the piece in base64.
    bytes: String,
}

/// Writes a job per line, in the order of the archives.
fn jobs(archives: &[&str]) -> Outcome {
    let mut out = BufWriter::new(std::io::stdout().lock());
    for path in archives {
        let mut piece = 0;
        each_piece(path, |bytes| {
            let job = Job {
                archive: file_name(path),
                piece,
                bytes: base64(bytes),
            };
            piece += 1;
            serde_json::to_writer(&mut out, &job)?;
            out.write_all(b"\n")
        })?;
    }
    Ok(out.flush()?)
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

/// Base64 with padding, as `atob` reads it.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, index| {
            bits << 8 | u32::from(*group.get(index).unwrap_or(&0))
        });
        for index in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * index) & 63) as usize];
            text.push(if index <= group.len() {
                digit as char
            } else {
                '='
            });
        }
    }
    text
}

/// All stages for each piece of the archives: shards that are numbered as the jobs are.
fn make_shards(archives: &[&str], folder: &Path) -> Outcome {
    fs::create_dir_all(folder)?;
    let mut number = 0_u32;
    for path in archives {
        each_piece(path, |bytes| {
            number += 1;
            let shard = shard(bytes).map_err(std::io::Error::other)?;
            fs::write(folder.join(format!("shard-{number:06}.jsonl.gz")), shard)
        })?;
    }
    println(&format!("{number} shards in {}", folder.display()))
}

fn shard(piece: &[u8]) -> Result<Vec<u8>, crawl::InputError> {
    let lines = sign(&identify(&clean(&extract(piece))?)?)?;
    Ok(pack(&lines)?.gzip)
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
    let (mut bytes, mut text) = (0, 0);
    let mut times = [Duration::ZERO; 5];
    for path in archives {
        // The streaming extractor, whose memory does not depend on the archive.
        let (mut extractor, mut file) = (Extractor::default(), File::open(path)?);
        let mut part = vec![0; PIECE];
        loop {
            let length = file.read(&mut part)?;
            if length == 0 {
                break;
            }
            let began = Instant::now();
            extractor.push(&part[..length]);
            times[0] += began.elapsed();
        }
        each_piece(path, |piece| {
            let mut lines = extract(piece);
            bytes += piece.len();
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
    println(
        &serde_json::json!({ "bytes": bytes, "lines": text, "milliseconds": stages }).to_string(),
    )
}

fn println(text: &str) -> Outcome {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

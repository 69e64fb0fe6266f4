//! Generates the poster's jobs for the tracker to import, and renders the same parameters natively,
//! to compare with what the volunteers compute. All arithmetic is in the library.
//!
//! ```text
//! poster jobs poster.json > jobs.jsonl
//! poster render poster.json --out picture.ppm
//! ```

use mandelbrot::Poster;
use std::error::Error;
use std::io::{BufWriter, Write};
use std::process::ExitCode;

const USAGE: &str = "usage: poster jobs FILE | poster render FILE --out PICTURE.ppm";

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("poster: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["jobs", file] => jobs(&read(file)?, std::io::stdout().lock()),
        ["render", file, "--out", picture] => render(&read(file)?, std::fs::File::create(picture)?),
        _ => Err(USAGE.into()),
    }
}

fn read(file: &str) -> Result<Poster, Box<dyn Error>> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let poster: Poster = serde_json::from_str(&text).map_err(|error| format!("{file}: {error}"))?;
    poster.check().map_err(|error| format!("{file}: {error}"))?;
    Ok(poster)
}

/// Writes one job per line, in the order of the tiles: job number N is tile N - 1.
fn jobs(poster: &Poster, out: impl Write) -> Result<(), Box<dyn Error>> {
    let mut out = BufWriter::new(out);
    for index in 0..poster.tiles() {
        serde_json::to_writer(&mut out, &poster.tile(index)?)?;
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

/// Writes a binary PPM: a short header, then red, green and blue of each pixel, row by row.
fn render(poster: &Poster, mut out: impl Write) -> Result<(), Box<dyn Error>> {
    let across = poster.width as usize;
    let mut picture = vec![[0; 3]; across * poster.height as usize];
    for index in 0..poster.tiles() {
        let (frame, tile) = (poster.frame(index)?, poster.tile(index)?);
        let times: Vec<u16> = (0..tile.height).flat_map(|row| tile.row(row)).collect();
        let pixels = poster.colour(index, &times)?;
        for (y, row) in pixels.chunks(frame.width as usize).enumerate() {
            let start = (frame.y as usize + y) * across + frame.x as usize;
            picture[start..start + row.len()].copy_from_slice(row);
        }
    }
    write!(out, "P6\n{} {}\n255\n", poster.width, poster.height)?;
    out.write_all(picture.as_flattened())?;
    Ok(())
}

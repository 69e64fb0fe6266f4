//! The record of results that were answered 200, all of which must be in the tracker's database.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::Path,
};

use distcompute_protocol::Stage;
use serde::Serialize;

/// The open file; `None` if no record is wanted.
pub(crate) struct Record(Option<BufWriter<File>>);

#[derive(Serialize)]
struct Line<'a> {
    stage: Stage,
    number: u64,
    data: &'a str,
}

impl Record {
    pub(crate) fn new(path: Option<&Path>) -> Result<Self, String> {
        let file = path.map(File::create).transpose();
        file.map(|file| Self(file.map(BufWriter::new)))
            .map_err(|error| format!("The record cannot be written: {error}."))
    }

    pub(crate) fn taken(&mut self, stage: Stage, number: u64, data: &str) -> Result<(), String> {
        let Some(file) = &mut self.0 else {
            return Ok(());
        };
        let line = Line {
            stage,
            number,
            data,
        };
        serde_json::to_writer(&mut *file, &line)
            .map_err(std::io::Error::from)
            .and_then(|()| file.write_all(b"\n"))
            .map_err(|error| format!("The record cannot be written: {error}."))
    }

    pub(crate) fn finish(&mut self) -> Result<(), String> {
        let flushed = self.0.as_mut().map_or(Ok(()), BufWriter::flush);
        flushed.map_err(|error| format!("The record cannot be written: {error}."))
    }
}

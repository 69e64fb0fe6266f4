//! The poster's parameters, its division into tiles, and the job of one tile.

use crate::escape::{MAX_ITERATIONS, escape_time, escape_times};
use crate::palette::{Palette, Rgb, Ring};
use core::fmt;
use serde::{Deserialize, Serialize};

/// The maximum number of samples in one tile; a job with more is a mistake or an attack.
const MAX_SAMPLES: u32 = 1 << 22;

/// Why parameters or a job are invalid, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterError(String);

impl ParameterError {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for ParameterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for ParameterError {}

/// The parameter file, which the project's owner writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Poster {
    /// The centre of the picture: its real and its imaginary part.
    pub centre: [f64; 2],
    /// The length of the real axis that the picture's width covers.
    pub span: f64,
    /// The width in pixels.
    pub width: u32,
    /// The height in pixels.
    pub height: u32,
    /// The side of a tile in pixels; tiles at the right and at the bottom may be smaller.
    pub tile: u32,
    /// Samples along each side of a pixel; their colours are averaged.
    pub samples: u32,
    /// The number of iterations after which a point counts as inside.
    pub iterations: u32,
    /// The colours.
    pub palette: Palette,
}

/// The position and size of a tile in the picture, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Its left edge.
    pub x: u32,
    /// Its upper edge.
    pub y: u32,
    /// The width in pixels.
    pub width: u32,
    /// The height in pixels.
    pub height: u32,
}

/// The job of one tile at the first stage: everything needed to compute it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Tile {
    /// The index of the tile, from 0, row by row.
    pub tile: u32,
    /// The real part of the first column of samples.
    pub left: f64,
    /// The imaginary part of the first row of samples.
    pub top: f64,
    /// The distance between adjacent samples.
    pub step: f64,
    /// The width in samples.
    pub width: u32,
    /// The height in samples.
    pub height: u32,
    /// The number of iterations after which a point counts as inside.
    pub iterations: u32,
}

impl Poster {
    /// Checks the parameters; call it once after reading them.
    ///
    /// # Errors
    /// Returns an error that names the first invalid parameter.
    pub fn check(&self) -> Result<(), ParameterError> {
        let wrong = |text: &str| Err(ParameterError::new(text));
        if self.width == 0 || self.height == 0 || self.width > 65_536 || self.height > 65_536 {
            return wrong("width and height must be from 1 to 65536");
        }
        if self.tile == 0 || self.samples == 0 || self.samples > 16 {
            return wrong("tile must be at least 1, samples from 1 to 16");
        }
        Ring::new(&self.palette)?;
        self.tile(0)?.check()
    }

    /// The number of tiles.
    #[must_use]
    pub fn tiles(&self) -> u32 {
        self.columns() * self.height.div_ceil(self.tile)
    }

    fn columns(&self) -> u32 {
        self.width.div_ceil(self.tile)
    }

    /// The position and size of tile `index`.
    ///
    /// # Errors
    /// Returns an error if there is no such tile.
    pub fn frame(&self, index: u32) -> Result<Frame, ParameterError> {
        if index >= self.tiles() {
            return Err(ParameterError::new(format!(
                "there is no tile {index}: the poster has {}",
                self.tiles()
            )));
        }
        let x = index % self.columns() * self.tile;
        let y = index / self.columns() * self.tile;
        Ok(Frame {
            x,
            y,
            width: self.tile.min(self.width - x),
            height: self.tile.min(self.height - y),
        })
    }

    /// The job of tile `index`.
    ///
    /// # Errors
    /// Returns an error if there is no such tile.
    pub fn tile(&self, index: u32) -> Result<Tile, ParameterError> {
        let frame = self.frame(index)?;
        let samples = f64::from(self.samples);
        let step = self.span / f64::from(self.width) / samples;
        // Samples are at the centres of the squares into which a pixel is divided.
        let across = f64::from(frame.x) * samples + 0.5 - f64::from(self.width) * samples / 2.0;
        let down = f64::from(frame.y) * samples + 0.5 - f64::from(self.height) * samples / 2.0;
        Ok(Tile {
            tile: index,
            left: self.centre[0] + across * step,
            top: self.centre[1] - down * step,
            step,
            width: frame.width * self.samples,
            height: frame.height * self.samples,
            iterations: self.iterations,
        })
    }

    /// The pixels of tile `index`, row by row, computed from the escape times of its samples.
    ///
    /// # Errors
    /// Returns an error if there is no such tile, or if `times` does not have one entry per sample.
    pub fn colour(&self, index: u32, times: &[u16]) -> Result<Vec<Rgb>, ParameterError> {
        let (frame, tile) = (self.frame(index)?, self.tile(index)?);
        if times.len() != tile.samples() {
            return Err(ParameterError::new(format!(
                "tile {index} has {} samples, not {}",
                tile.samples(),
                times.len()
            )));
        }
        let ring = Ring::new(&self.palette)?;
        let (samples, across) = (self.samples as usize, tile.width as usize);
        let mut pixels = Vec::with_capacity((frame.width * frame.height) as usize);
        for y in 0..frame.height as usize {
            for x in 0..frame.width as usize {
                pixels.push(ring.pixel((0..samples * samples).map(|i| {
                    times[(y * samples + i / samples) * across + x * samples + i % samples]
                })));
            }
        }
        Ok(pixels)
    }
}

impl Tile {
    /// Checks a job from an untrusted source.
    ///
    /// # Errors
    /// Returns an error that says what is invalid.
    pub fn check(&self) -> Result<(), ParameterError> {
        let wrong = |text: String| Err(ParameterError::new(text));
        if [self.left, self.top]
            .iter()
            .any(|at| !at.is_finite() || at.abs() > 4.0)
        {
            return wrong("the tile does not lie near the Mandelbrot set".into());
        }
        if !(self.step > 0.0 && self.step <= 1.0) {
            return wrong("the step between samples must be above 0 and at most 1".into());
        }
        let samples = self.width.checked_mul(self.height);
        if !samples.is_some_and(|samples| (1..=MAX_SAMPLES).contains(&samples)) {
            return wrong(format!("a tile must have 1 to {MAX_SAMPLES} samples"));
        }
        if !(1..=MAX_ITERATIONS).contains(&self.iterations) {
            return wrong(format!("iterations must be from 1 to {MAX_ITERATIONS}"));
        }
        Ok(())
    }

    /// The number of samples.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.width as usize * self.height as usize
    }

    /// The escape times of one row of samples. `row` must be below the height.
    #[must_use]
    pub fn row(&self, row: u32) -> Vec<u16> {
        let mut times = vec![0; self.width as usize];
        escape_times(
            self.left,
            self.imaginary(row),
            self.step,
            self.iterations,
            &mut times,
        );
        times
    }

    /// The escape time of one sample, numbered row by row.
    #[must_use]
    pub fn sample(&self, index: u32) -> u16 {
        let (column, row) = (index % self.width, index / self.width);
        escape_time(
            self.left + f64::from(column) * self.step,
            self.imaginary(row),
            self.iterations,
        )
    }

    fn imaginary(&self, row: u32) -> f64 {
        self.top - f64::from(row) * self.step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poster() -> Poster {
        Poster {
            centre: [-0.75, 0.1],
            span: 0.5,
            width: 50,
            height: 30,
            tile: 20,
            samples: 2,
            iterations: 200,
            palette: Palette {
                inside: "#000000".into(),
                colours: vec!["#ff8800".into(), "#0088ff".into()],
                turns: 0.5,
                start: 0.0,
            },
        }
    }

    #[test]
    fn the_tiles_cover_every_pixel_once() {
        let poster = poster();
        let mut covered = vec![0; 50 * 30];
        for index in 0..poster.tiles() {
            let frame = poster.frame(index).expect("a tile");
            for y in frame.y..frame.y + frame.height {
                for x in frame.x..frame.x + frame.width {
                    covered[(y * 50 + x) as usize] += 1;
                }
            }
        }
        assert_eq!(poster.tiles(), 6);
        assert!(covered.iter().all(|times| *times == 1));
        assert!(poster.tile(6).is_err());
    }

    #[test]
    fn a_row_and_a_single_sample_agree() {
        let tile = poster().tile(5).expect("a tile");
        let times: Vec<u16> = (0..tile.height).flat_map(|row| tile.row(row)).collect();
        assert_eq!(times.len(), tile.samples());
        for (index, time) in times.iter().enumerate() {
            assert_eq!(*time, tile.sample(index as u32));
        }
    }

    #[test]
    fn a_job_survives_its_journey_as_json() {
        let tile = poster().tile(3).expect("a tile");
        let text = serde_json::to_string(&tile).expect("JSON");
        assert_eq!(
            serde_json::from_str::<Tile>(&text).expect("the same tile"),
            tile
        );
    }

    #[test]
    fn the_samples_are_centred() {
        let (poster, mut sum) = (poster(), 0.0);
        let (first, last) = (
            poster.tile(0).expect("first"),
            poster.tile(5).expect("last"),
        );
        sum += first.left + last.left + f64::from(last.width - 1) * last.step;
        assert!((sum / 2.0 - poster.centre[0]).abs() < 1e-12);
    }

    #[test]
    fn what_cannot_be_worked_with_is_refused() {
        let refused = |change: fn(&mut Poster)| {
            let mut poster = poster();
            change(&mut poster);
            assert!(poster.check().is_err(), "{poster:?}");
        };
        assert_eq!(poster().check(), Ok(()));
        refused(|p| p.tile = 0);
        refused(|p| p.samples = 0);
        refused(|p| p.height = 0);
        refused(|p| p.width = u32::MAX);
        refused(|p| p.span = f64::NAN);
        refused(|p| p.span = -1.0);
        refused(|p| p.centre[0] = f64::INFINITY);
        refused(|p| p.iterations = MAX_ITERATIONS + 1);
        refused(|p| p.palette.colours.clear());
        let mut tile = poster().tile(0).expect("a tile");
        tile.width = u32::MAX;
        assert!(tile.check().is_err());
    }

    #[test]
    fn colours_are_asked_for_with_one_time_a_sample() {
        let poster = poster();
        let tile = poster.tile(0).expect("a tile");
        let pixels = poster.colour(0, &vec![crate::INSIDE; tile.samples()]);
        assert_eq!(pixels, Ok(vec![[0, 0, 0]; 400]));
        assert!(poster.colour(0, &[1, 2, 3]).is_err());
    }
}

//! Maps escape times to colours.

use crate::escape::{INSIDE, log2};
use crate::poster::ParameterError;
use serde::{Deserialize, Serialize};

/// Red, green and blue, 0 to 255 each.
pub type Rgb = [u8; 3];

/// A cyclic sequence of colours onto which escape times are mapped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Palette {
    /// The colour of points that do not escape, as `#rrggbb`.
    pub inside: String,
    /// The colours of the cycle, as `#rrggbb` each.
    pub colours: Vec<String>,
    /// How many cycles correspond to a doubling of the escape time.
    pub turns: f64,
    /// The position in the cycle of the smallest escape time, from 0 to 1.
    pub start: f64,
}

/// A parsed palette: each channel from 0 to 1.
#[derive(Debug, Clone)]
pub(crate) struct Ring {
    inside: [f64; 3],
    colours: Vec<[f64; 3]>,
    turns: f64,
    start: f64,
}

impl Ring {
    /// Parses a palette.
    pub(crate) fn new(palette: &Palette) -> Result<Self, ParameterError> {
        if palette.colours.is_empty() {
            return Err(ParameterError::new("the palette has no colours"));
        }
        if !(palette.turns.is_finite() && palette.start.is_finite()) {
            return Err(ParameterError::new("the palette's turns are not a number"));
        }
        Ok(Self {
            inside: channels(&palette.inside)?,
            colours: palette
                .colours
                .iter()
                .map(|colour| channels(colour))
                .collect::<Result<_, _>>()?,
            turns: palette.turns,
            start: palette.start,
        })
    }

    /// The colour of a pixel with these samples.
    pub(crate) fn pixel(&self, times: impl Iterator<Item = u16>) -> Rgb {
        let (mut sum, mut samples) = ([0.0; 3], 0.0);
        for time in times {
            let colour = self.colour(time);
            for (sum, channel) in sum.iter_mut().zip(colour) {
                // Averages the squares of the channels, which are close to linear light.
                *sum += channel * channel;
            }
            samples += 1.0;
        }
        sum.map(|sum: f64| ((sum / samples).sqrt() * 255.0 + 0.5) as u8)
    }

    fn colour(&self, time: u16) -> [f64; 3] {
        if time == INSIDE {
            return self.inside;
        }
        let turns = self.start + self.turns * log2(f64::from(time.max(1)));
        let place = (turns - turns.floor()) * self.colours.len() as f64;
        let (at, part) = (place as usize, place - place.floor());
        let from = self.colours[at % self.colours.len()];
        let to = self.colours[(at + 1) % self.colours.len()];
        // Smoothstep, so that no colour of the cycle shows as an edge.
        let part = part * part * (3.0 - 2.0 * part);
        core::array::from_fn(|i| from[i] + (to[i] - from[i]) * part)
    }
}

fn channels(colour: &str) -> Result<[f64; 3], ParameterError> {
    let number = colour
        .strip_prefix('#')
        .filter(|digits| digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
        .and_then(|digits| u32::from_str_radix(digits, 16).ok())
        .ok_or_else(|| ParameterError::new(format!("{colour:?} is not a colour like #0a3d62")))?;
    Ok([16, 8, 0].map(|shift| f64::from(number >> shift & 255) / 255.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn palette() -> Palette {
        Palette {
            inside: "#010203".into(),
            colours: vec!["#ff0000".into(), "#00ff00".into()],
            turns: 1.0,
            start: 0.0,
        }
    }

    #[test]
    fn a_pixel_inside_has_the_colour_of_the_inside() {
        let ring = Ring::new(&palette()).expect("a palette");
        assert_eq!(ring.pixel([INSIDE; 4].into_iter()), [1, 2, 3]);
    }

    #[test]
    fn a_doubled_time_is_one_turn_round_the_ring() {
        let ring = Ring::new(&palette()).expect("a palette");
        assert_eq!(ring.pixel([32].into_iter()), [255, 0, 0]);
        assert_eq!(ring.pixel([64].into_iter()), [255, 0, 0]);
        assert_ne!(ring.pixel([48].into_iter()), [255, 0, 0]);
    }

    #[test]
    fn what_is_not_a_colour_is_named() {
        let mut wrong = palette();
        wrong.colours.push("#12345é".into());
        let error = Ring::new(&wrong).expect_err("not a colour");
        assert!(error.to_string().contains("#12345é"), "{error}");
    }
}

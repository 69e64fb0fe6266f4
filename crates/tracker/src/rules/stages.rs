//! The stages that a project uses, and their names.

use distcompute_protocol::{ErrorCode, Stage};

/// The longest name of a stage, in characters.
const MAX_NAME: usize = 64;

/// The enabled stages: `a` and those that follow it without a gap, each with a display name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stages {
    names: Vec<String>,
}

impl Default for Stages {
    fn default() -> Self {
        Self {
            names: vec!["CPU".to_owned()],
        }
    }
}

impl Stages {
    /// Checks the stages given by the operator, in any order.
    ///
    /// # Errors
    /// Returns a sentence if a stage is named twice, one before it is missing, or a name cannot be
    /// part of an address.
    pub fn new(mut given: Vec<(Stage, String)>) -> Result<Self, String> {
        given.sort_by_key(|(stage, _)| *stage);
        let mut names: Vec<String> = Vec::new();
        for (stage, name) in given {
            let name = name.trim();
            if stage.index() < names.len() {
                return Err(format!("Stage {stage} is given twice."));
            }
            if stage.index() > names.len() {
                let missing = Stage::ALL[names.len()];
                return Err(format!(
                    "Stage {stage} is given, but stage {missing} is not. Stages follow each other without a gap, from a on."
                ));
            }
            if name.is_empty() || name.chars().count() > MAX_NAME {
                return Err(format!(
                    "The name of stage {stage} must have 1 to {MAX_NAME} characters."
                ));
            }
            // Browsers resolve "." and ".." in paths.
            let is_step = [".", ".."].contains(&name);
            if is_step || name.chars().any(|c| c.is_control() || c == '/') {
                return Err(format!(
                    "The name of stage {stage}, {name:?}, must not be \".\" or \"..\" nor contain '/' or control characters: it is part of the address of a worker's page."
                ));
            }
            if names
                .iter()
                .any(|other| other.to_lowercase() == name.to_lowercase())
            {
                return Err(format!("Two stages are called {name:?}."));
            }
            names.push(name.to_owned());
        }
        if names.is_empty() {
            return Err("No stage is given. Stage a is always enabled.".to_owned());
        }
        Ok(Self { names })
    }

    /// The enabled stages with their names, in processing order.
    pub fn iter(&self) -> impl Iterator<Item = (Stage, &str)> {
        Stage::ALL
            .into_iter()
            .zip(self.names.iter().map(String::as_str))
    }

    /// The last enabled stage: its output closes the job.
    #[must_use]
    pub fn last(&self) -> Stage {
        Stage::ALL[self.names.len() - 1]
    }

    /// The name of an enabled stage.
    #[must_use]
    pub fn name(&self, stage: Stage) -> Option<&str> {
        self.names.get(stage.index()).map(String::as_str)
    }

    /// The stage whose name in lower case is `name`, as in the address of a worker's page.
    #[must_use]
    pub fn by_address(&self, name: &str) -> Option<Stage> {
        self.iter()
            .find(|(_, own)| own.to_lowercase() == name)
            .map(|(stage, _)| stage)
    }

    /// Parses the letter of an enabled stage.
    ///
    /// # Errors
    /// Returns the code and the sentence if it is no stage, or one that is not enabled.
    pub fn enabled(&self, letter: &str) -> Result<Stage, (ErrorCode, String)> {
        let stage: Stage = letter
            .parse()
            .map_err(|error| (ErrorCode::StageInvalid, format!("{error}")))?;
        if self.name(stage).is_some() {
            Ok(stage)
        } else {
            Err((
                ErrorCode::StageDisabled,
                format!("The worker stage '{stage}' is disabled."),
            ))
        }
    }
}

/// The stage that a job advances to when its output at `stage` is accepted; `None` closes it.
#[must_use]
pub fn after(stage: Stage, last: Stage) -> Option<Stage> {
    stage.next().filter(|next| *next <= last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stages(given: &[(Stage, &str)]) -> Result<Stages, String> {
        Stages::new(
            given
                .iter()
                .map(|(stage, name)| (*stage, (*name).to_owned()))
                .collect(),
        )
    }

    #[test]
    fn stages_may_be_given_in_any_order_but_without_a_gap() {
        let two = stages(&[(Stage::B, "GPU"), (Stage::A, "CPU")]).expect("two stages");
        assert_eq!(
            two.iter().collect::<Vec<_>>(),
            [(Stage::A, "CPU"), (Stage::B, "GPU")]
        );
        assert_eq!(two.last(), Stage::B);
        let gap = stages(&[(Stage::A, "CPU"), (Stage::C, "GPU")]).expect_err("a gap");
        assert!(gap.contains("stage b is not"), "{gap}");
        assert!(stages(&[]).is_err());
        assert!(stages(&[(Stage::B, "GPU")]).is_err());
    }

    #[test]
    fn a_stage_name_can_stand_in_an_address() {
        for bad in ["", "  ", "a/b", "a\nb", ".", " .. ", &"x".repeat(65)] {
            assert!(stages(&[(Stage::A, bad)]).is_err(), "{bad:?}");
        }
        assert!(stages(&[(Stage::A, "CPU"), (Stage::B, "cpu")]).is_err());
        assert!(stages(&[(Stage::A, "CPU"), (Stage::A, "GPU")]).is_err());
    }

    #[test]
    fn a_stage_is_read_by_its_small_letter_only() {
        let one = stages(&[(Stage::A, "CPU")]).expect("one stage");
        assert_eq!(one.enabled("a"), Ok(Stage::A));
        assert_eq!(
            one.enabled("A"),
            Err((
                ErrorCode::StageInvalid,
                "Invalid worker stage: 'A'. Choose from 'a'/'b'/'c'/'d'/'e'.".to_owned()
            ))
        );
        assert_eq!(
            one.enabled("b"),
            Err((
                ErrorCode::StageDisabled,
                "The worker stage 'b' is disabled.".to_owned()
            ))
        );
    }

    #[test]
    fn the_last_enabled_stage_closes_the_job() {
        assert_eq!(after(Stage::A, Stage::B), Some(Stage::B));
        assert_eq!(after(Stage::B, Stage::B), None);
        assert_eq!(after(Stage::E, Stage::E), None);
    }

    #[test]
    fn a_stage_is_found_by_its_name_in_small_letters() {
        let one = stages(&[(Stage::A, "GPU Farm")]).expect("one stage");
        assert_eq!(one.by_address("gpu farm"), Some(Stage::A));
        assert_eq!(one.by_address("GPU Farm"), None);
    }
}

//! One request for the lock by which one tab of a browser computes.
//!
//! A browser may have no locks, refuse them, or not answer; then every tab computes. Its answers may also
//! come late, twice, or after the request was withdrawn.

/// How long to wait for the browser's first answer, in milliseconds. After that it counts as refused.
pub const ANSWER_WITHIN_MS: u32 = 5_000;

/// What the browser has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// This tab has the lock for as long as it holds it.
    Granted,
    /// Another tab has the lock.
    Taken,
    /// The browser has no locks, has thrown, or has not answered in time.
    Refused,
}

/// What to do with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Hold the lock until the request is withdrawn.
    Hold {
        /// Whether the tab begins to compute now, because it did not do so before.
        begin: bool,
    },
    /// Wait in the queue for the lock.
    Queue,
    /// Let go of what was granted.
    LetGo,
}

/// A request for the lock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Request {
    computes: bool,
    withdrawn: bool,
}

impl Request {
    /// The browser has answered, or has not done so in time.
    pub fn answered(&mut self, answer: Answer) -> Step {
        if self.withdrawn {
            return Step::LetGo;
        }
        match answer {
            // The tab computes already, because the answer did not come in time.
            Answer::Taken if self.computes => Step::LetGo,
            Answer::Taken => Step::Queue,
            // A lock that comes late is held all the same: it keeps other tabs from computing.
            Answer::Granted | Answer::Refused => {
                let begin = !self.computes;
                self.computes = true;
                Step::Hold { begin }
            }
        }
    }

    /// The lock is not wanted any more.
    pub fn withdraw(&mut self) {
        self.withdrawn = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: Step = Step::Hold { begin: true };
    const GO_ON: Step = Step::Hold { begin: false };

    #[test]
    fn a_lock_that_is_free_is_held() {
        assert_eq!(Request::default().answered(Answer::Granted), BEGIN);
    }

    #[test]
    fn a_lock_that_is_taken_is_waited_for() {
        let mut request = Request::default();
        assert_eq!(request.answered(Answer::Taken), Step::Queue);
        assert_eq!(request.answered(Answer::Granted), BEGIN);
    }

    #[test]
    fn without_an_answer_the_tab_computes_and_a_late_lock_is_held_without_beginning_twice() {
        let mut request = Request::default();
        assert_eq!(request.answered(Answer::Refused), BEGIN);
        assert_eq!(request.answered(Answer::Granted), GO_ON);
        assert_eq!(request.answered(Answer::Refused), GO_ON);
        assert_eq!(request.answered(Answer::Taken), Step::LetGo);
    }

    #[test]
    fn what_is_granted_to_a_request_that_was_withdrawn_is_let_go_of() {
        for answer in [Answer::Granted, Answer::Taken, Answer::Refused] {
            for before in [None, Some(Answer::Granted), Some(Answer::Taken)] {
                let mut request = Request::default();
                if let Some(before) = before {
                    request.answered(before);
                }
                request.withdraw();
                assert_eq!(request.answered(answer), Step::LetGo);
            }
        }
    }
}

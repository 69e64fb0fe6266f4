//! Opinions on results, at stages whose results are checked (`rules::trust`): which results count at once, and
//! what the opinions on the others amount to. Who gives them is in `lane`, what is undone when a result was wrong
//! in `recall`, and what the operator's worker makes again in `audits`.

use distcompute_protocol::{RejectedWhy, Stage};

use super::{
    opinions::{Doubt, Opinion, OpinionState, OpinionText, Standing, StandingChange, TextSource},
    rows::{End, Lease},
    transitions::Position,
    unit_of_work::UnitOfWork,
};
use crate::rules::{
    answer,
    trust::{self, Policy, Verdict, Voice},
};

pub(super) const MOST_OPINIONS: i64 = trust::MOST_OPINIONS as i64;

impl UnitOfWork {
    pub(super) fn policy(&self, stage: Stage) -> Policy {
        self.rules.trust.policies[stage.index()]
    }

    pub(super) fn standing(&self, stage: Stage, who: &str) -> Standing {
        let known = self.standings.get(&(stage, who.to_owned()));
        known.cloned().unwrap_or_else(|| Standing {
            stage,
            volunteer: who.to_owned(),
            confirmed: 0,
            waiting: 0,
            unchecked: 0,
            on_hold: false,
        })
    }

    /// Changes what is known of a volunteer at a stage and with a version.
    pub(super) fn judge_volunteer(
        &mut self,
        stage: Stage,
        who: &str,
        version: &str,
        by: StandingChange,
    ) {
        if version == self.rules.trust.version {
            let mut known = self.standing(stage, who);
            known.confirmed = (known.confirmed + by.confirmed).max(0);
            known.waiting = (known.waiting + by.waiting).max(0);
            known.unchecked = (known.unchecked + by.unchecked).max(0);
            known.on_hold = by.on_hold.unwrap_or(known.on_hold);
            self.standings.insert((stage, who.to_owned()), known);
        }
        let key = (stage, who.to_owned(), version.to_owned());
        let sum = self.changes.standings.entry(key).or_default();
        sum.confirmed += by.confirmed;
        sum.right += by.right;
        sum.wrong += by.wrong;
        sum.waiting += by.waiting;
        sum.unchecked += by.unchecked;
        sum.on_hold = by.on_hold.or(sum.on_hold);
        sum.doubted = by.doubted.or(sum.doubted);
        sum.looked = by.looked.or(sum.looked);
    }

    // Opinions.

    /// The opinions on a job that wait, in the order of their leases.
    pub(super) fn given(&self, number: i64) -> Vec<Opinion> {
        self.waiting_on(number).cloned().collect()
    }

    pub(super) fn waiting_on(&self, number: i64) -> impl Iterator<Item = &Opinion> {
        let leases = self.opinions_of.get(&number).into_iter().flatten();
        let opinions = leases.filter_map(|lease| self.opinions.get(lease));
        opinions.filter(|opinion| opinion.state == OpinionState::Waiting)
    }

    /// Whether a volunteer has an opinion on a job. A flag of the operator's own worker is none, because only an
    /// output of its own is final.
    pub(super) fn has_given(&self, number: i64, who: &str) -> bool {
        let is_own = self.rules.trust.is_operator(who);
        self.waiting_on(number)
            .any(|one| one.volunteer == who && (one.is_vote() || !is_own))
    }

    /// The kind of a worker's browser.
    pub(super) fn browser(&self, worker: i64) -> String {
        let row = self.workers.get(&worker);
        row.map(|row| row.browser.clone()).unwrap_or_default()
    }

    /// Counts which kinds of browsers have handed in the same for a job, and which have not.
    pub(super) fn compare_browsers(&mut self, given: &[Opinion]) {
        let is_known = |one: &&Opinion| one.flagged().is_none() && !one.browser.is_empty();
        let votes: Vec<&Opinion> = given.iter().filter(is_known).collect();
        for (at, one) in votes.iter().enumerate() {
            for other in &votes[at + 1..] {
                let (first, second) = if one.browser <= other.browser {
                    (&one.browser, &other.browser)
                } else {
                    (&other.browser, &one.browser)
                };
                let key = (one.stage, first.clone(), second.clone());
                let count = self.changes.browsers.entry(key).or_default();
                if one.answer == other.answer {
                    count.0 += 1;
                } else {
                    count.1 += 1;
                }
            }
        }
    }

    pub(super) fn add_opinion(&mut self, opinion: Opinion) {
        let (lease, number) = (opinion.lease, opinion.number);
        self.opinions_of.entry(number).or_default().insert(lease);
        self.opinions.insert(lease, opinion);
        self.new_opinions.insert(lease);
    }

    pub(super) fn set_opinion(&mut self, lease: i64, state: OpinionState) {
        if let Some(opinion) = self.opinions.get_mut(&lease) {
            opinion.state = state;
            if !self.new_opinions.contains(&lease) {
                self.changed_opinions.insert(lease);
            }
        }
    }

    /// Deletes the text of an opinion, or does not write it in the first place. Returns a text that was not written.
    fn take_text(&mut self, lease: i64) -> Option<String> {
        let texts = &mut self.changes.texts;
        match texts.iter().position(|text| text.lease == lease) {
            Some(at) => match texts.remove(at) {
                OpinionText {
                    source: TextSource::Text(text),
                    ..
                } => Some(text),
                other => {
                    // It is copied within the database, and deleted after that.
                    texts.insert(at, other);
                    self.changes.gone_texts.push(lease);
                    None
                }
            },
            None => {
                self.changes.gone_texts.push(lease);
                None
            }
        }
    }

    /// Drops the opinions on a job that wait, except for one to keep.
    pub(super) fn void_opinions(&mut self, number: i64, keep: Option<i64>) {
        self.end_opinions(number, OpinionState::Void, keep);
    }

    fn end_opinions(&mut self, number: i64, state: OpinionState, keep: Option<i64>) {
        for opinion in self.given(number) {
            if Some(opinion.lease) == keep {
                continue;
            }
            self.set_opinion(opinion.lease, state);
            if !opinion.is_vote() {
                continue;
            }
            if state == OpinionState::Void {
                self.take_text(opinion.lease);
            }
            let change = StandingChange {
                waiting: -1,
                ..StandingChange::default()
            };
            self.judge_volunteer(opinion.stage, &opinion.volunteer, &opinion.version, change);
        }
        let left = i64::from(keep.is_some());
        if self
            .jobs
            .get(&number)
            .is_some_and(|job| job.opinions != left)
        {
            self.with_job(number, |job| job.opinions = left);
        }
    }

    /// Records that results of a job from a stage on, which counted on the word of one volunteer each, are undone.
    pub(super) fn void_alone(&mut self, number: i64, from: Stage) {
        let leases = self.opinions_of.get(&number).into_iter().flatten();
        let opinions = leases.filter_map(|lease| self.opinions.get(lease));
        let alone =
            |opinion: &&Opinion| opinion.state == OpinionState::Alone && opinion.stage >= from;
        let alone: Vec<Opinion> = opinions.filter(alone).cloned().collect();
        for opinion in alone {
            self.set_opinion(opinion.lease, OpinionState::Void);
            let change = StandingChange {
                unchecked: -1,
                ..StandingChange::default()
            };
            self.judge_volunteer(opinion.stage, &opinion.volunteer, &opinion.version, change);
        }
    }

    // Handing in.

    /// Whether an output of a job is an opinion. If the results of its stage are no longer checked, earlier opinions
    /// are dropped.
    pub(super) fn is_checked(&mut self, number: i64, stage: Stage) -> bool {
        if self.policy(stage) != Policy::Off {
            return true;
        }
        if self.jobs.get(&number).is_some_and(|job| job.opinions > 0) {
            self.void_opinions(number, None);
        }
        false
    }

    /// Takes an output as the opinion of its volunteer. It counts at once, or waits for others.
    pub(super) fn vote(&mut self, id: i64, data: String) -> Result<(), RejectedWhy> {
        let Some(lease) = self.leases.get(&id).cloned() else {
            return Err(RejectedWhy::Unknown);
        };
        let (number, stage) = (lease.number, lease.stage);
        let (version, policy) = (self.rules.trust.version, self.policy(stage));
        self.void_stale(number);
        let Some((holder, votes)) = self.jobs.get(&number).map(|job| (job.lease, job.opinions))
        else {
            return Err(RejectedWhy::Unknown);
        };
        let who = lease.identity();
        let is_own = self.rules.trust.is_operator(&who);
        let known = self.standing(stage, &who);
        let record = known.record();
        // An output of a lease that has ended is of use if somebody would be asked for it now.
        let is_asked = votes == 0 || is_own || record.may_confirm(policy);
        let why = if lease.granted_at < self.version_since {
            Some(RejectedWhy::Moved)
        } else {
            let unasked = holder != Some(id) && (holder.is_some() || !is_asked);
            (record.on_hold || unasked || self.has_given(number, &who))
                .then_some(RejectedWhy::Finished)
        };
        if let Some(why) = why {
            self.put_back(id, End::Released, Position::Last);
            return Err(why);
        }
        if holder == Some(id) {
            self.end(id, End::Opinion);
            self.drop_late(number);
        } else {
            self.take_out(number, End::Requeued);
        }
        self.with_worker(lease.worker, |worker| worker.completed += 1);
        self.note_work(lease.worker);
        let counts = votes == 0
            && (is_own || self.dice.share() >= trust::check_probability(policy, &record));
        let state = match (counts, is_own) {
            (false, _) => OpinionState::Waiting,
            (true, false) => OpinionState::Alone,
            (true, true) => OpinionState::Right,
        };
        self.add_opinion(Opinion {
            lease: id,
            number,
            stage,
            volunteer: who.clone(),
            nickname: lease.nickname,
            version: version.to_owned(),
            answer: answer::digest(&data),
            state,
            browser: self.browser(lease.worker),
        });
        let change = StandingChange {
            right: i64::from(state == OpinionState::Right),
            waiting: i64::from(state == OpinionState::Waiting),
            unchecked: i64::from(state == OpinionState::Alone),
            ..StandingChange::default()
        };
        self.judge_volunteer(stage, &who, version, change);
        if counts {
            self.publish(id, Some(data), None, false);
            return Ok(());
        }
        let now = self.now;
        self.with_lease(id, |lease| lease.ended = Some((now, End::Opinion)));
        let source = TextSource::Text(data);
        self.changes.texts.push(OpinionText { lease: id, source });
        if self
            .jobs
            .get(&number)
            .is_some_and(|job| job.attempt > 1 || job.sent_back > 0)
        {
            self.forget_avoided(number);
        }
        self.with_job(number, |job| {
            job.opinions += 1;
            // Those who give further opinions must not see that there are any.
            job.attempt = 0;
            job.failures = 0;
            job.errors.clear();
            job.reason = None;
            job.lease = None;
        });
        self.recover(stage);
        self.judge(number, stage);
        Ok(())
    }

    /// Drops opinions that were made by another version of the application.
    fn void_stale(&mut self, number: i64) {
        let version = self.rules.trust.version;
        let given = self.given(number);
        if given.iter().any(|opinion| opinion.version != version) {
            self.void_opinions(number, None);
        }
    }

    /// Judges a job that is in no state, by the opinions on it.
    pub(super) fn judge(&mut self, number: i64, stage: Stage) {
        let policy = self.policy(stage);
        let votes: Vec<Opinion> = self
            .given(number)
            .into_iter()
            .filter(Opinion::is_vote)
            .collect();
        let opinions: Vec<trust::Opinion> = votes
            .iter()
            .map(|vote| trust::Opinion {
                output: answer_number(&votes, &vote.answer),
                voice: self.voice(stage, &vote.volunteer, policy),
            })
            .collect();
        if let [.., last] = &opinions[..]
            && opinions
                .iter()
                .filter(|one| one.output == last.output)
                .count()
                == 1
            && opinions.len() == 2
        {
            self.count(stage).disputed += 1;
        }
        match trust::verdict(policy, &opinions) {
            Verdict::Settled { output } => {
                let is_final = opinions.iter().any(|one| one.voice == Voice::Operator);
                let equal = opinions.iter().zip(&votes);
                let equal: Vec<_> = equal.filter(|(one, _)| one.output == output).collect();
                // The text is that of whom is trusted the most: readers may differ on numbers and spaces that
                // make no difference to the value.
                let best = equal.iter().rev().max_by_key(|(one, _)| one.voice);
                if let (Some((_, winner)), Some((_, best))) = (equal.first(), best) {
                    let (winner, text) = ((*winner).clone(), best.lease);
                    self.settle_job(&winner, text, is_final);
                }
            }
            Verdict::SetAside if self.rules.trust.operators.is_empty() => {
                self.end_opinions(number, OpinionState::Undecided, None);
                let count = opinions.len();
                self.set_aside(
                    number,
                    format!("Of {count} opinions on its output no two agree."),
                );
            }
            // The operator's own worker decides.
            Verdict::SetAside | Verdict::Open { .. } => self.enqueue(number),
        }
    }

    fn voice(&self, stage: Stage, who: &str, policy: Policy) -> Voice {
        if self.rules.trust.is_operator(who) {
            Voice::Operator
        } else if self.standing(stage, who).record().is_established(policy) {
            Voice::Established
        } else {
            Voice::Newcomer
        }
    }

    /// Ends the opinions on a job: one output counts, with the text of the opinion of the lease `from`, and those
    /// who said otherwise were wrong.
    fn settle_job(&mut self, winner: &Opinion, from: i64, is_final: bool) {
        let (number, stage) = (winner.number, winner.stage);
        let mut text = None;
        self.count(stage).checked += 1;
        let given = self.given(number);
        self.compare_browsers(&given);
        for opinion in self.given(number) {
            let is_right = match opinion.flagged() {
                Some(bad) => bad != winner.answer,
                None => opinion.answer == winner.answer,
            };
            let state = if is_right {
                OpinionState::Right
            } else {
                OpinionState::Wrong
            };
            self.set_opinion(opinion.lease, state);
            if opinion.is_vote() {
                let taken = self.take_text(opinion.lease);
                if opinion.lease == from {
                    text = taken;
                }
            }
            self.note_verdict(&opinion, is_right, is_final);
            let was_counted = self.was_counted(opinion.lease);
            if is_right && opinion.is_vote() && opinion.lease != winner.lease && !was_counted {
                let credit = self.changes.credits.entry(opinion.nickname).or_default();
                credit.add(&opinion.volunteer, 1);
            }
        }
        self.with_job(number, |job| job.opinions = 0);
        let again = self.was_counted(winner.lease);
        self.publish(winner.lease, text, Some(from), again);
    }

    /// Whether a result has counted before, and was credited then.
    fn was_counted(&self, lease: i64) -> bool {
        let lease = self.leases.get(&lease);
        lease.is_some_and(|lease| matches!(lease.ended, Some((_, End::Completed))))
    }

    /// Records whether an opinion was right.
    fn note_verdict(&mut self, opinion: &Opinion, is_right: bool, is_final: bool) {
        let is_vote = opinion.is_vote();
        let stage = opinion.judged_at();
        let who = &opinion.volunteer;
        let mut change = StandingChange {
            waiting: -i64::from(is_vote),
            ..StandingChange::default()
        };
        if is_right {
            change.right = 1;
            change.confirmed = i64::from(is_vote);
        } else {
            let known = self.standing(stage, who);
            self.count(stage).wrong += 1;
            change.wrong = 1;
            // Until the operator has decided, it begins anew.
            change.confirmed = -known.confirmed;
            change.doubted = Some(Doubt::Alone);
            let majority = self.rules.trust.operators.is_empty()
                && matches!(self.policy(opinion.stage), Policy::Adaptive { .. });
            if trust::is_verified(who) && (is_final || majority) && !known.on_hold {
                change.on_hold = Some(true);
            }
        }
        self.judge_volunteer(stage, who, &opinion.version, change);
    }

    // Flags.

    /// The output that a flag calls bad, if it counts on the word of one volunteer.
    pub(super) fn disputable(&self, flag: &Lease) -> Option<Opinion> {
        let previous = flag.stage.previous()?;
        if self.policy(previous) == Policy::Off {
            return None;
        }
        let (who, version) = (flag.identity(), self.rules.trust.version);
        let leases = self.opinions_of.get(&flag.number).into_iter().flatten();
        let mut opinions = leases.filter_map(|lease| self.opinions.get(lease));
        let made = opinions.find(|one| {
            let is_alone = one.state == OpinionState::Alone && one.stage == previous;
            is_alone && one.volunteer != who && one.version == version
        });
        made.cloned()
    }

    /// Has an output made again and compared, because a volunteer calls it bad: both are opinions, and others decide.
    /// The job is held by no lease.
    pub(super) fn dispute_input(&mut self, flag: &Lease, made: &Opinion) {
        self.recall(made, made.stage);
        // It entered the lane with one opinion.
        if let Some(Some(entry)) = self.changes.lane.get_mut(&flag.number) {
            entry.disputed = true;
        }
        self.add_opinion(Opinion {
            lease: flag.id,
            number: flag.number,
            stage: made.stage,
            volunteer: flag.identity(),
            nickname: flag.nickname.clone(),
            version: made.version.clone(),
            answer: Opinion::flag_of(&made.answer),
            state: OpinionState::Waiting,
            browser: String::new(),
        });
    }

    // Undoing.
}

/// The number of an answer among opinions: equal ones have the same.
fn answer_number(votes: &[Opinion], answer: &str) -> u32 {
    let at = votes.iter().position(|vote| vote.answer == answer);
    at.and_then(|at| u32::try_from(at).ok()).unwrap_or(u32::MAX)
}

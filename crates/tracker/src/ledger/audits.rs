//! Audits: the operator's worker makes results again that count on one word.

use distcompute_protocol::RejectedWhy;

use super::{
    opinions::{Opinion, OpinionState, OpinionText, StandingChange, TextSource},
    rows::End,
    transitions::Position,
    unit_of_work::UnitOfWork,
};
use crate::rules::{answer, trust::Policy};

impl UnitOfWork {
    /// A result that counts on one word, for the operator's own worker to make again.
    pub(super) fn next_audit(&self, worker: i64) -> Option<Opinion> {
        let row = self
            .workers
            .get(&worker)
            .filter(|row| !self.is_outdated(row))?;
        let (stage, who) = (row.stage, row.identity());
        let found = self.audits.get(&(stage, who.clone()))?.iter();
        let fits = |one: &&Opinion| {
            let is_result = one.state == OpinionState::Alone && one.stage == stage;
            is_result && one.version == self.rules.trust.version && one.volunteer != who
        };
        let mut opinions = found
            .filter_map(|lease| self.opinions.get(lease))
            .filter(fits);
        opinions
            .find(|one| self.jobs.contains_key(&one.number))
            .cloned()
    }

    /// After how many seconds a worker of the operator's that lacks jobs may make another result again.
    pub(super) fn next_audit_s(&self, worker: i64) -> Option<u32> {
        let row = self.workers.get(&worker)?;
        let is_own = self.rules.trust.is_operator(&row.identity());
        let checks = is_own && self.policy(row.stage) != Policy::Off;
        let interval = self.rules.trust.audit_interval().filter(|_| checks)?;
        u32::try_from(interval / 1_000).ok().map(|s| s.max(2))
    }

    /// Compares a result that counts on one word with the output of the operator's own worker. If they differ, the
    /// result was wrong.
    pub(super) fn finish_audit(&mut self, id: i64, data: String) -> Result<(), RejectedWhy> {
        let Some(lease) = self.leases.get(&id).cloned() else {
            return Err(RejectedWhy::Unknown);
        };
        let (number, stage, version) = (lease.number, lease.stage, self.rules.trust.version);
        let leases = self.opinions_of.get(&number).into_iter().flatten();
        let mut opinions = leases.filter_map(|lease| self.opinions.get(lease));
        let is_same = |one: &&Opinion| {
            let is_result = one.state == OpinionState::Alone && one.stage == stage;
            is_result && one.version == version
        };
        let audited = opinions.find(is_same).cloned();
        let is_current =
            |round: i64| round == lease.round && lease.granted_at >= self.version_since;
        let is_current = self
            .jobs
            .get(&number)
            .is_some_and(|job| is_current(job.round));
        let may_end = lease.ended.is_none() || self.is_overdue(id);
        let last = self.last_result(number).filter(|last| stage <= *last);
        let (Some(audited), Some(last)) = (audited.filter(|_| is_current && may_end), last) else {
            self.put_back(id, End::Released, Position::Last);
            return Err(RejectedWhy::Finished);
        };
        self.end(id, End::Opinion);
        let now = self.now;
        self.with_lease(id, |lease| lease.ended = Some((now, End::Opinion)));
        self.with_worker(lease.worker, |worker| worker.completed += 1);
        self.note_work(lease.worker);
        let own = Opinion {
            lease: id,
            number,
            stage,
            volunteer: lease.identity(),
            nickname: lease.nickname,
            version: version.to_owned(),
            answer: answer::digest(&data),
            state: OpinionState::Right,
            browser: self.browser(lease.worker),
        };
        if own.answer == audited.answer {
            self.count(stage).checked += 1;
            self.compare_browsers(&[audited.clone(), own.clone()]);
            self.set_opinion(audited.lease, OpinionState::Right);
            let change = StandingChange {
                unchecked: -1,
                right: 1,
                confirmed: 1,
                ..StandingChange::default()
            };
            self.judge_volunteer(stage, &audited.volunteer, version, change);
            let change = StandingChange {
                right: 1,
                ..StandingChange::default()
            };
            self.judge_volunteer(stage, &own.volunteer, version, change);
            let credit = self
                .changes
                .credits
                .entry(own.nickname.clone())
                .or_default();
            credit.add(&own.volunteer, 1);
            self.add_opinion(own);
            return Ok(());
        }
        self.take_out(number, End::Requeued);
        self.recall(&audited, last);
        self.start_afresh(number);
        self.take_out(number, End::Requeued);
        let change = StandingChange {
            waiting: 1,
            ..StandingChange::default()
        };
        self.judge_volunteer(stage, &own.volunteer, version, change);
        let source = TextSource::Text(data);
        self.changes.texts.push(OpinionText { lease: id, source });
        self.add_opinion(Opinion {
            state: OpinionState::Waiting,
            ..own
        });
        self.with_job(number, |job| {
            job.opinions += 1;
            job.lease = None;
        });
        self.judge(number, stage);
        Ok(())
    }

    // The lane.
}

//! Somebody who means harm. It makes any call at all: under many registrations, names and addresses, with
//! leases that are held, given back, lapsed, another registration's or made up, the same again as before,
//! and with bodies that are broken. What no call of its may do is checked after each, here and by
//! [`Trackers::attack`].

use std::collections::BTreeSet;

use distcompute_protocol::{Done, Failed, Invalid, Progress, Stage, SyncRequest};
use distcompute_tracker::rules::allowance::Allowance;
use serde_json::{Value, json};

use crate::{
    browser::{BAD, GOOD},
    random::Rng,
    scenario::{self, Draw, Scenario},
    tracker::{ApiRequest, ApiResponse, Content},
    trackers::{Caller, Trackers, written},
};

/// By how many jobs a result raises what a registration may hold, at most.
const GROWTH: usize = 8;

/// Registrations, leases and calls that it remembers.
const REGISTRATIONS: usize = 12;
const LEASES: usize = 60;
const CALLS: usize = 30;

/// Leases that nobody was ever granted.
const NO_LEASES: [&str; 6] = ["", "-", "7-", "1-x", "1\0-x", "99999999999999999999-x"];

#[derive(Debug, Clone)]
struct Registration {
    token: String,
    stage: Stage,
    caller: Caller,
    seq: u64,
    /// What it says that it has, and the most that it may have been believed.
    cores: Option<u32>,
    believed: u32,
}

#[derive(Debug, Clone)]
struct Lease {
    name: String,
    number: u64,
    token: String,
}

#[derive(Debug, Clone)]
struct Call {
    caller: Caller,
    asked: ApiRequest,
    /// What is sent instead of what should be.
    body: Option<String>,
}

/// The attacker.
pub struct Attacker {
    who: String,
    /// When it calls next.
    pub at: f64,
    plan: scenario::Attacker,
    stages: &'static [Stage],
    jobs: usize,
    draw: Draw,
    registrations: Vec<Registration>,
    leases: Vec<Lease>,
    /// Results that may have been taken from it.
    results: usize,
    /// Leases whose results were acknowledged.
    acknowledged: BTreeSet<String>,
    made: Vec<Call>,
}

impl Attacker {
    pub fn new(at: usize, scenario: &Scenario, plan: &scenario::Attacker) -> Self {
        Self {
            who: format!("stranger {at}"),
            at: if plan.absent {
                f64::INFINITY
            } else {
                plan.born
            },
            plan: plan.clone(),
            stages: scenario.rules.enabled(),
            jobs: scenario.jobs,
            draw: Draw(Rng::new(scenario.seed ^ (at as u64 + 1) << 32)),
            registrations: Vec::new(),
            leases: Vec::new(),
            results: 0,
            acknowledged: BTreeSet::new(),
            made: Vec::new(),
        }
    }

    pub fn go_on(&mut self, now: f64, trackers: &mut Trackers) {
        self.plan.calls = self.plan.calls.saturating_sub(1);
        self.at = match self.plan.calls {
            0 => f64::INFINITY,
            _ if self.plan.floods || self.draw.chance(0.3) => now + 1.0,
            _ => now + self.plan.pause_ms * 3.0 * self.draw.0.next_f64(),
        };
        let call = self.call();
        self.note_junk(&call, trackers);
        let said = trackers.attack(now, &call.caller, &call.asked, call.body.as_deref());
        self.learn(&call, said);
        self.assert_holds_its_part(&call, trackers);
        keep(&mut self.made, call, CALLS);
    }

    // What it calls.

    fn call(&mut self) -> Call {
        let again = !self.made.is_empty() && self.draw.chance(0.08);
        if again {
            let at = self.draw.below(self.made.len());
            return self.made[at].clone();
        }
        let (caller, asked) = self.asked();
        let broken = self.draw.chance(0.08).then(|| written(&asked).1).flatten();
        let body = broken.map(|body| self.break_up(&body));
        Call {
            caller,
            asked,
            body,
        }
    }

    fn asked(&mut self) -> (Caller, ApiRequest) {
        let registers = if self.plan.floods { 0.9 } else { 0.12 };
        if self.registrations.is_empty() || self.draw.chance(registers) {
            let at = self.draw.below(self.plan.addresses.len());
            let caller = Caller {
                who: self.who.clone(),
                address: self.plan.addresses[at].clone(),
            };
            let stage = self.draw.pick(self.stages);
            return (caller, ApiRequest::Register(stage, self.nickname()));
        }
        let at = self.draw.below(self.registrations.len());
        let mut of = self.registrations[at].clone();
        if self.draw.chance(0.03) {
            of.token = self.draw.pick(&["", "\0", "nobody"]).to_owned();
        }
        let asked = match self.draw.below(20) {
            0 | 1 => ApiRequest::NewJob(of.token),
            2 => {
                let number = self.number(&of);
                let data = self.output(number);
                ApiRequest::Complete {
                    token: of.token,
                    number,
                    data,
                }
            }
            3 => ApiRequest::Flag {
                number: self.number(&of),
                token: of.token,
            },
            4 => ApiRequest::Progress(of.token),
            5 => ApiRequest::Validate(of.token),
            6 if self.draw.chance(0.5) => ApiRequest::Bye(of.token),
            _ => ApiRequest::Sync(self.sync(&of)),
        };
        (of.caller, asked)
    }

    fn nickname(&mut self) -> String {
        if self.draw.chance(0.1) {
            let odd = ["", "\0", "\u{200b}", "../x?y=1&z#%", &"x".repeat(200)];
            return self.draw.pick(&odd).to_owned();
        }
        let at = self.draw.below(self.plan.nicknames.len());
        self.plan.nicknames[at].clone()
    }

    fn sync(&mut self, of: &Registration) -> SyncRequest {
        let seq = match self.draw.below(20) {
            0 => 0,
            1 => of.seq,
            2 => of.seq.saturating_sub(1),
            3 if self.draw.chance(0.2) => u64::MAX,
            _ => of.seq + 1,
        };
        let mut sync = SyncRequest {
            token: of.token.clone(),
            seq,
            want: self.draw.pick(&[0, 1, 2, 8, 512, u32::MAX]),
            cores: of.cores,
            ..SyncRequest::default()
        };
        if self.draw.chance(0.5) {
            let own = self.leases.iter().filter(|it| it.token == of.token);
            sync.holding = own.map(|it| it.name.clone()).collect();
        }
        sync.holding.extend(self.some(of));
        sync.released = self.some(of);
        for lease in self.some(of) {
            let data = self.output_of(&lease);
            sync.done.push(Done { lease, data });
        }
        for lease in self.some(of) {
            let error = "It cannot be done.\0".to_owned();
            sync.failed.push(Failed { lease, error });
        }
        for lease in self.some(of) {
            let reason = "No image.".to_owned();
            sync.invalid.push(Invalid { lease, reason });
        }
        for lease in self.some(of) {
            let text = "<b>half</b> done\0".to_owned();
            sync.progress.push(Progress { lease, text });
        }
        if self.draw.chance(0.1) {
            sync.awaiting = vec![of.seq, of.seq + 1, u64::MAX];
        }
        if self.draw.chance(0.2) {
            sync.want_bytes = Some(self.draw.pick(&[0, 1, 1_000, u64::MAX]));
        }
        if self.draw.chance(0.03) {
            sync.setup_failed = Some("It does not begin.".to_owned());
        }
        sync
    }

    /// None or some leases: its own, other registrations' and made-up ones.
    fn some(&mut self, of: &Registration) -> Vec<String> {
        if self.draw.chance(0.6) {
            return Vec::new();
        }
        let count = 1 + self.draw.below(3);
        (0..count).map(|_| self.lease(of)).collect()
    }

    fn lease(&mut self, of: &Registration) -> String {
        if self.leases.is_empty() || self.draw.chance(0.1) {
            return if self.draw.chance(0.5) {
                self.draw.pick(&NO_LEASES).to_owned()
            } else {
                format!("{}-{:032x}", self.draw.below(200), self.draw.0.state())
            };
        }
        let own: Vec<&Lease> = self
            .leases
            .iter()
            .filter(|it| it.token == of.token)
            .collect();
        if own.is_empty() || self.draw.chance(0.25) {
            let at = self.draw.below(self.leases.len());
            return self.leases[at].name.clone();
        }
        own[self.draw.below(own.len())].name.clone()
    }

    /// The number of a job: mostly of one that this registration was given.
    fn number(&mut self, of: &Registration) -> u64 {
        let own = self.leases.iter().rev().find(|it| it.token == of.token);
        match own {
            Some(lease) if self.draw.chance(0.7) => lease.number,
            _ => self.draw.below(self.jobs + 2) as u64,
        }
    }

    fn output_of(&mut self, lease: &str) -> String {
        let number = self.leases.iter().find(|it| it.name == lease);
        self.output(number.map_or(0, |lease| lease.number))
    }

    fn output(&mut self, number: u64) -> String {
        let stage = self.draw.pick(self.stages);
        match self.draw.below(10) {
            0 => String::new(),
            1 => "\0".to_owned(),
            2 => "<!json!>{".to_owned(),
            3 => "j".repeat(9_000),
            4 => format!("{GOOD} {number} {stage}"),
            5 => format!("{GOOD} {} {stage}", number + 1),
            6 | 7 => format!("{BAD} {number} {stage}"),
            _ => format!("junk for {number}"),
        }
    }

    /// A body with something wrong in it.
    fn break_up(&mut self, body: &str) -> String {
        match self.draw.below(6) {
            0 => {
                let ends: Vec<usize> = body.char_indices().map(|(at, _)| at).collect();
                body[..ends[self.draw.below(ends.len())]].to_owned()
            }
            1 => format!("{body}{body}"),
            2 => body.replacen('{', &format!("{{\"pad\":\"{}\",", "p".repeat(30_000)), 1),
            3 => body.replacen('{', &format!("{{\"deep\":{},", "[".repeat(500)), 1),
            _ => {
                let mut value = serde_json::from_str(body).unwrap_or(Value::Null);
                self.spoil(&mut value);
                value.to_string()
            }
        }
    }

    /// Takes a field away, or puts something there that does not belong there.
    fn spoil(&mut self, value: &mut Value) {
        match value {
            Value::Array(list) if !list.is_empty() => {
                let at = self.draw.below(list.len());
                self.spoil(&mut list[at]);
            }
            Value::Object(fields) if !fields.is_empty() => {
                let names: Vec<String> = fields.keys().cloned().collect();
                let name = &names[self.draw.below(names.len())];
                if self.draw.chance(0.3) {
                    fields.remove(name);
                } else if let Some(field) = fields.get_mut(name) {
                    self.spoil(field);
                }
            }
            value => {
                let odd = [
                    json!(null),
                    json!(true),
                    json!(-1),
                    json!(0),
                    json!(1e300),
                    json!(1_u64 << 53),
                    json!(""),
                    json!("\0"),
                    json!([]),
                    json!({}),
                ];
                *value = odd[self.draw.below(odd.len())].clone();
            }
        }
    }

    // What it makes of the answers.

    /// Has the audit know what is handed in.
    fn note_junk(&self, call: &Call, trackers: &mut Trackers) {
        let audit = &mut trackers.audit;
        match &call.asked {
            ApiRequest::Sync(sync) => {
                for done in &sync.done {
                    audit.note_junk(&done.data);
                }
            }
            ApiRequest::Complete { data, .. } => audit.note_junk(data),
            _ => {}
        }
        // A broken body may have it.
        audit.note_junk("");
    }

    fn learn(&mut self, call: &Call, said: Option<ApiResponse>) {
        if let Some(Content::Hello(hello)) = said.as_ref().map(|said| &said.content)
            && let ApiRequest::Register(stage, _) = &call.asked
        {
            let registration = Registration {
                token: hello.token.clone(),
                stage: *stage,
                caller: call.caller.clone(),
                seq: 0,
                cores: self
                    .draw
                    .pick(&[None, Some(0), Some(1), Some(1), Some(2), Some(u32::MAX)]),
                believed: 0,
            };
            keep(&mut self.registrations, registration, REGISTRATIONS);
            return;
        }
        let token = call.asked.token().unwrap_or_default().to_owned();
        let of = self.registrations.iter_mut().find(|it| it.token == token);
        let Some(of) = of else { return };
        if call.body.is_some() {
            // Whatever it said then of its cores, and of what it is.
            of.believed = of.believed.max(16);
        }
        match (
            &call.asked,
            said.map(|said| (said.answer.status, said.content)),
        ) {
            (ApiRequest::Sync(sync), said) => {
                of.believed = of.believed.max(match sync.cores {
                    None | Some(0) => 16,
                    Some(cores) => cores,
                });
                match said {
                    // Nobody answers, and it may have been done.
                    None => self.results += sync.done.len(),
                    Some((200, Content::Sync(answer))) => {
                        of.seq = of.seq.max(sync.seq);
                        let accepted = answer.accepted.into_iter();
                        let new = accepted.filter(|it| self.acknowledged.insert(it.clone()));
                        self.results += new.count();
                        for job in answer.jobs {
                            let lease = Lease {
                                name: job.lease,
                                number: job.number,
                                token: token.clone(),
                            };
                            keep(&mut self.leases, lease, LEASES);
                        }
                    }
                    Some(_) => {}
                }
            }
            (ApiRequest::NewJob(_), Some((_, Content::Job { number, .. }))) => {
                // It has no name there, only a number.
                let name = self.draw.pick(&NO_LEASES).to_owned();
                let lease = Lease {
                    name,
                    number,
                    token,
                };
                keep(&mut self.leases, lease, LEASES);
            }
            (ApiRequest::Complete { .. }, None | Some((200, _))) => self.results += 1,
            _ => {}
        }
    }

    /// A registration holds no more than its cores and one more, and what results let it: its own, or
    /// those of another whose jobs it has taken over.
    fn assert_holds_its_part(&self, call: &Call, trackers: &Trackers) {
        let token = call.asked.token();
        let of = self
            .registrations
            .iter()
            .find(|it| Some(&*it.token) == token);
        let Some(of) = of else { return };
        let allowance = Allowance {
            cores: i64::from(of.believed),
            earned: (self.results * GROWTH) as i64,
            ..Allowance::default()
        };
        let (held, most) = (
            trackers.audit.held_by(&of.token).len(),
            allowance.may_hold(),
        );
        assert!(
            held <= most,
            "a registration of {} at {} holds {held} jobs, and may hold {most}",
            self.who,
            of.stage
        );
    }
}

/// Keeps the last of a list.
fn keep<T>(list: &mut Vec<T>, new: T, most: usize) {
    if list.len() == most {
        list.remove(0);
    }
    list.push(new);
}

//! Whether this browser may compute now, and why not. One policy, pure.

use crate::reason::Reason;
use crate::settings::{Hours, Settings};
use crate::time::clock::Now;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

/// What the page knows of its surroundings. `None`: the browser does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Surroundings {
    /// Whether the page is hidden.
    pub hidden: bool,
    /// Whether the machine runs on its battery.
    pub on_battery: Option<bool>,
    /// What to add to UTC for local time, in minutes.
    pub utc_offset_min: i32,
}

/// Many volunteers choose the same full hour. So that they do not all begin at the same moment, each
/// begins up to this much later, and ends as much sooner.
const HOURS_SPREAD_MS: f64 = 300_000.0;

/// What the volunteer has asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Wish {
    /// Compute.
    Run,
    /// Pause; `until` is milliseconds since 1970, and `None` means until they resume.
    Pause {
        /// When to resume without being asked.
        until: Option<f64>,
    },
}

/// The verdict of the governor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// `None`: compute. Otherwise why not, and until when.
    pub rest: Option<Reason>,
    /// When to ask again at the latest though nothing has happened, in milliseconds since 1970.
    pub look_again: Option<f64>,
}

/// The policy. Of several reasons to rest the first is reported: paused, hidden, on battery, outside the
/// hours. `random` in `[0, 1)` must stay the same for this browser.
#[must_use]
pub fn govern(
    now: Now,
    random: f64,
    wish: Wish,
    settings: &Settings,
    around: &Surroundings,
) -> Verdict {
    let rest = |reason: Reason| Verdict {
        rest: Some(reason),
        look_again: reason.until(),
    };
    if let Wish::Pause { until } = wish
        && until.is_none_or(|until| now.wall < until)
    {
        return rest(Reason::Paused { until });
    }
    if around.hidden && !settings.background {
        return rest(Reason::Hidden);
    }
    if settings.pause_on_battery && around.on_battery == Some(true) {
        return rest(Reason::OnBattery);
    }
    let Some((inside, until)) = settings
        .hours
        .and_then(|hours| next_turn(now, random, hours, around.utc_offset_min))
    else {
        return Verdict {
            rest: None,
            look_again: None,
        };
    };
    Verdict {
        rest: (!inside).then_some(Reason::OutsideHours { until }),
        look_again: Some(until),
    }
}

/// Whether it is one of the `hours`, and when that changes; `None` where they are the whole day.
fn next_turn(now: Now, random: f64, hours: Hours, utc_offset_min: i32) -> Option<(bool, f64)> {
    // In whole milliseconds, whose remainder is exact.
    let local = now.wall as i64 + i64::from(utc_offset_min) * MINUTE_MS;
    let (from, to) = (
        i64::from(hours.from) * MINUTE_MS,
        i64::from(hours.to) * MINUTE_MS,
    );
    // Short hours are not shortened to nothing.
    let shift = ((HOURS_SPREAD_MS * random) as i64).min((to - from).rem_euclid(DAY_MS) / 4);
    // From now to the next time that local clocks show this moment; a whole day, where it is now.
    let until = |moment: i64| DAY_MS - (local - moment).rem_euclid(DAY_MS);
    let (begin, end) = (until(from + shift), until(to - shift));
    // Inside, they end before they begin again.
    (begin != end).then(|| (end < begin, now.wall.trunc() + begin.min(end) as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-25, 00:00 UTC.
    const MIDNIGHT: f64 = 1_795_564_800_000.0;

    fn at(hour: f64) -> Now {
        Now {
            mono: 0.0,
            wall: MIDNIGHT + hour * 60.0 * MINUTE_MS as f64,
        }
    }

    fn hours(from: u16, to: u16) -> Settings {
        Settings {
            hours: Some(Hours {
                from: from * 60,
                to: to * 60,
            }),
            ..Settings::default()
        }
    }

    fn ask(now: Now, settings: &Settings) -> Verdict {
        govern(now, 0.0, Wish::Run, settings, &Surroundings::default())
    }

    const GO: Verdict = Verdict {
        rest: None,
        look_again: None,
    };

    #[test]
    fn by_default_it_computes_at_any_hour_and_time_alone_changes_nothing() {
        assert_eq!(ask(at(3.0), &Settings::default()), GO);
    }

    #[test]
    fn a_pause_ends_at_its_moment_or_never() {
        let until = at(2.0).wall;
        let wish = Wish::Pause { until: Some(until) };
        let ask = |now, wish| {
            govern(
                now,
                0.0,
                wish,
                &Settings::default(),
                &Surroundings::default(),
            )
        };
        let rest = Verdict {
            rest: Some(Reason::Paused { until: Some(until) }),
            look_again: Some(until),
        };
        assert_eq!(ask(at(1.0), wish), rest);
        assert_eq!(ask(at(2.0), wish), GO);
        let endless = Verdict {
            rest: Some(Reason::Paused { until: None }),
            look_again: None,
        };
        assert_eq!(ask(at(1e6), Wish::Pause { until: None }), endless);
    }

    #[test]
    fn only_a_battery_that_is_told_of_and_minded_pauses() {
        let ask = |on_battery, pause_on_battery| {
            let settings = Settings {
                pause_on_battery,
                ..Settings::default()
            };
            let around = Surroundings {
                on_battery,
                ..Surroundings::default()
            };
            govern(at(0.0), 0.0, Wish::Run, &settings, &around).rest
        };
        assert_eq!(ask(Some(true), true), Some(Reason::OnBattery));
        assert_eq!(ask(Some(true), false), None);
        assert_eq!(ask(Some(false), true), None);
        assert_eq!(ask(None, true), None);
    }

    #[test]
    fn only_a_page_that_may_not_work_in_the_background_pauses_while_hidden() {
        let ask = |hidden, background| {
            let settings = Settings {
                background,
                ..Settings::default()
            };
            let around = Surroundings {
                hidden,
                ..Surroundings::default()
            };
            govern(at(0.0), 0.0, Wish::Run, &settings, &around).rest
        };
        assert_eq!(ask(true, false), Some(Reason::Hidden));
        assert_eq!(ask(true, true), None);
        assert_eq!(ask(false, false), None);
    }

    #[test]
    fn of_several_reasons_the_first_is_told() {
        let mut settings = Settings {
            background: false,
            ..hours(22, 6)
        };
        let around = Surroundings {
            hidden: true,
            on_battery: Some(true),
            utc_offset_min: 0,
        };
        let pause = Wish::Pause {
            until: Some(at(13.0).wall),
        };
        let code = |wish, settings: &Settings| {
            let verdict = govern(at(12.0), 0.0, wish, settings, &around);
            verdict.rest.map(|reason| reason.code())
        };
        assert_eq!(code(pause, &settings), Some("paused"));
        assert_eq!(code(Wish::Run, &settings), Some("hidden"));
        settings.background = true;
        assert_eq!(code(Wish::Run, &settings), Some("on_battery"));
        settings.pause_on_battery = false;
        assert_eq!(code(Wish::Run, &settings), Some("outside_hours"));
    }

    #[test]
    fn hours_begin_and_end_by_the_local_clock() {
        let inside = |end: f64| Verdict {
            rest: None,
            look_again: Some(at(end).wall),
        };
        let outside = |begin: f64| {
            let until = at(begin).wall;
            Verdict {
                rest: Some(Reason::OutsideHours { until }),
                look_again: Some(until),
            }
        };
        let day = hours(9, 17);
        assert_eq!(ask(at(8.0), &day), outside(9.0));
        assert_eq!(ask(at(9.0), &day), inside(17.0));
        assert_eq!(ask(at(16.99), &day), inside(17.0));
        assert_eq!(ask(at(17.0), &day), outside(33.0));
        let night = hours(22, 6);
        assert_eq!(ask(at(23.0), &night), inside(30.0));
        assert_eq!(ask(at(3.0), &night), inside(6.0));
        assert_eq!(ask(at(6.0), &night), outside(22.0));
        // Half past five in the morning where it is midnight in Greenwich.
        let around = Surroundings {
            utc_offset_min: 330,
            ..Surroundings::default()
        };
        let verdict = govern(at(0.0), 0.0, Wish::Run, &night, &around);
        assert_eq!(verdict, inside(0.5));
    }

    #[test]
    fn equal_hours_are_the_whole_day() {
        assert_eq!(ask(at(8.0), &hours(8, 8)), GO);
        assert_eq!(ask(at(8.0), &hours(0, 24)), GO);
    }

    #[test]
    fn browsers_begin_and_end_one_by_one_and_always_within_the_hours() {
        let night = hours(22, 6);
        let turns = |random, hour, settings: &Settings| {
            let around = Surroundings::default();
            govern(at(hour), random, Wish::Run, settings, &around).look_again
        };
        let minutes = |hour: f64, minutes: f64| Some(at(hour + minutes / 60.0).wall);
        assert_eq!(turns(0.5, 21.0, &night), minutes(22.0, 2.5));
        assert_eq!(turns(0.5, 23.0, &night), minutes(30.0, -2.5));
        // Of a minute a half is left at least.
        let hours = Some(Hours { from: 60, to: 61 });
        let minute = Settings {
            hours,
            ..Settings::default()
        };
        assert_eq!(turns(0.999, 0.0, &minute), minutes(1.0, 0.25));
        assert_eq!(turns(0.999, 1.01, &minute), minutes(1.0, 0.75));
    }

    /// Until the moment named nothing changes, and at that moment something does.
    #[test]
    fn the_moment_to_look_again_is_the_very_moment_of_a_change() {
        let ends = [0, 1, 359, 360, 720, 1_439, 1_440];
        let pauses = [None, Some(-0.5), Some(3.2), Some(40.0)];
        let mut changes = 0;
        for from in ends {
            for to in ends {
                for utc_offset_min in [-720, -210, 0, 345, 840] {
                    for half_hours in 0..48 {
                        for pause in pauses {
                            let now = at(f64::from(half_hours) / 2.0);
                            let wish = pause.map_or(Wish::Run, |hours| Wish::Pause {
                                until: Some(at(hours).wall),
                            });
                            let settings = Settings {
                                hours: Some(Hours { from, to }),
                                ..Settings::default()
                            };
                            let around = Surroundings {
                                utc_offset_min,
                                ..Surroundings::default()
                            };
                            let ask = |wall| {
                                let now = Now { wall, ..now };
                                govern(now, 0.0, wish, &settings, &around)
                            };
                            let verdict = ask(now.wall);
                            let Some(then) = verdict.look_again else {
                                assert_eq!(verdict, GO);
                                assert_eq!(from % 1_440, to % 1_440);
                                continue;
                            };
                            changes += 1;
                            assert!(then > now.wall);
                            for share in [0.01, 0.5, 0.99] {
                                let between = (now.wall + (then - now.wall) * share).floor();
                                assert_eq!(ask(between), verdict);
                            }
                            assert_eq!(ask(then - 1.0), verdict);
                            assert_ne!(ask(then).rest, verdict.rest);
                            if let Some(reason) = verdict.rest {
                                assert_eq!(reason.until(), Some(then));
                            }
                        }
                    }
                }
            }
        }
        assert!(changes > 10_000);
    }
}

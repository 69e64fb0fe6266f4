//! What other tabs and what answers may bring, and how much of it.

use distcompute_engine::client::call::{Answer, Call, Meaning};
use distcompute_engine::page::channel;
use distcompute_engine::page::channel::Listening;
use proptest::prelude::*;

use super::cases;
use super::parsers::CALLS;

proptest! {
    #![proptest_config(cases(300))]

    /// Whoever floods the channel, and however its messages are spread: in no second is more read than
    /// two windows hold, and who is silent for a window is heard again.
    #[test]
    fn a_flood_of_the_channel_is_read_in_part_and_what_comes_after_it_is_read(
        gaps in prop::collection::vec(prop_oneof![8 => 0.0..2.0_f64, 1 => 0.0..3_000.0_f64], 1..3_000),
    ) {
        let mut listening = Listening::default();
        let (mut now, mut closed_until, mut read) = (1_000.0, 0.0, Vec::new());
        for gap in gaps {
            now += gap;
            // A closed channel brings nothing.
            if now < closed_until {
                continue;
            }
            match listening.message(now) {
                None => read.push(now),
                Some(ms) => closed_until = now + f64::from(ms),
            }
        }
        let most = 2 * channel::MOST as usize;
        for (index, from) in read.iter().enumerate() {
            let within = read[index..].iter().take_while(|at| **at - from < channel::WINDOW_MS);
            prop_assert!(within.count() <= most);
        }
        now = now.max(closed_until) + channel::WINDOW_MS;
        prop_assert_eq!(listening.message(now), None);
        // Nor does a clock that was set back close it for longer.
        prop_assert_eq!(listening.message(0.0), None);
    }

    /// An ordinary crowd is read as it is.
    #[test]
    fn what_tabs_say_by_themselves_is_all_read(start in 0.0..1e9_f64, tabs in 1..10_u32) {
        let mut listening = Listening::default();
        let every = 1_000.0 / f64::from(10 * tabs + 60);
        for message in 0..2_000 {
            prop_assert_eq!(listening.message(start + every * f64::from(message)), None);
        }
    }

    /// No answer is read without end, whatever call it is to and whatever status it has.
    #[test]
    fn each_answer_has_a_bound_and_one_that_is_longer_a_code(
        call in prop::sample::select(&CALLS),
        status in prop_oneof![Just(200_u16), any::<u16>()],
        body in prop_oneof![any::<String>(), Just("200 OK".to_owned()), Just("7".to_owned())],
    ) {
        let most = call.most_bytes(status);
        let brings_jobs = status == 200 && matches!(call, Call::Sync | Call::NewJob);
        prop_assert_eq!(most, if brings_jobs { 64 << 20 } else { 64 << 10 });
        let answer = Answer { status, body, cut: true, ..Answer::default() };
        match call.meaning(&answer) {
            Meaning::Failed(fault) if status == 200 => {
                let is_page = answer.body.trim_ascii_start().starts_with('<');
                let code = if is_page { "not_a_tracker" } else { "answer_too_large" };
                prop_assert_eq!(fault.code.as_str(), code);
                prop_assert!(fault.is_lasting());
            }
            Meaning::Done => prop_assert!(false, "an answer that was cut passed for one"),
            _ => {}
        }
    }
}

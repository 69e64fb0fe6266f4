//! Lines that carry so many bytes and no more: whoever has one that carries its jobs gets on at a share
//! of it, and nobody has more fetched than it works on.

use distcompute_protocol::Stage;

use sim::{
    browser::{Browser, Line, Work},
    tracker::Model,
};

/// What a run came to.
#[derive(Debug, Clone, Copy)]
struct Figures {
    /// Bytes of inputs, and of outputs, of jobs that are done.
    done: f64,
    jobs: usize,
    /// Bytes of inputs that the tracker has handed out.
    handed: f64,
    grants: u64,
}

#[derive(Debug, Clone, Copy)]
struct Cell {
    kb: f64,
    mbit: f64,
    delay_ms: f64,
    loss: f64,
}

/// How long a run lasts: a minute, or as long as the line takes for so many jobs.
fn lasts_ms(cell: Cell) -> f64 {
    let job_ms = 1_000.0 * cell.kb / (125.0 * cell.mbit);
    (12.0 * job_ms).max(60_000.0)
}

fn browser(cell: Cell, shaped: bool, up: bool) -> Browser<Model> {
    let bytes = (1_000.0 * cell.kb) as usize;
    let mut model = Model::new(&[Stage::A], 0, true);
    model.max_body = 16 << 20;
    let most = 125.0 * cell.mbit * lasts_ms(cell) / bytes as f64;
    let jobs = (1.2 * most.min(60.0 * lasts_ms(cell) / 1_000.0 * 100.0)) as usize + 40;
    model.add_heavy(jobs, if up { 100 } else { bytes });
    let mut browser = Browser::new(model, &[Stage::A], 2, 7);
    browser.delay_ms = cell.delay_ms;
    browser.light = true;
    browser.line = shaped.then(|| Line {
        loss: cell.loss,
        ..Line::of(cell.mbit)
    });
    browser.handler = Box::new(move |_, _| Work {
        bytes: if up { bytes } else { 20 },
        ..Work::of(1.0)
    });
    browser
}

fn figures(cell: Cell, shaped: bool, up: bool) -> Figures {
    let mut browser = browser(cell, shaped, up);
    browser.run(lasts_ms(cell));
    let jobs = browser.tracker.closed();
    Figures {
        // With what stands around a text: the bytes are those on the wire.
        done: (1_000.0 * cell.kb + if up { 80.0 } else { 160.0 }) * jobs as f64,
        jobs,
        handed: browser.tracker.handed_bytes as f64,
        grants: browser.tracker.grants,
    }
}

/// Which share of the line, or of what the same jobs come to without one, a run is.
fn share(cell: Cell, up: bool) -> f64 {
    let shaped = figures(cell, true, up);
    let plain = 125.0 * cell.mbit * lasts_ms(cell);
    let bound = if plain > 1e9 {
        figures(cell, false, up).done.min(plain)
    } else {
        plain
    };
    let share = shaped.done / bound;
    eprintln!("up {up} {cell:?}: {share:.2} of the line, {shaped:?}");
    // Nothing goes to and fro: what is handed out is done, or in hand.
    let in_hand = 4_096 + shaped.jobs as u64;
    assert!(shaped.grants <= in_hand, "{cell:?}: {shaped:?}");
    if !up && cell.kb >= 25.0 {
        let line = 125.0 * cell.mbit * 10_000.0 + 6.0 * 1_000.0 * cell.kb;
        assert!(shaped.handed <= shaped.done + line, "{cell:?}: {shaped:?}");
    }
    share
}

const CELLS: [(f64, f64); 9] = [
    (1.0, 0.25),
    (1.0, 4.0),
    (25.0, 0.25),
    (25.0, 4.0),
    (25.0, 20.0),
    (200.0, 1.0),
    (200.0, 20.0),
    (3_000.0, 4.0),
    (3_000.0, 20.0),
];

/// Here the largest request is uploaded in little more than a round trip, so that others must follow before it is
/// answered.
const FAST_CELLS: [(f64, f64); 2] = [(25.0, 100.0), (3_000.0, 100.0)];

fn all_get_on(up: bool, cells: &[(f64, f64)]) {
    let mut slow = Vec::new();
    for delay_ms in [50.0, 300.0] {
        for &(kb, mbit) in cells {
            let loss = 0.0;
            let cell = Cell {
                kb,
                mbit,
                delay_ms,
                loss,
            };
            let share = share(cell, up);
            // Of small results the names of what is held, and of leases, are a good part of a request, and
            // how a browser comes to know its line is measured with the rest.
            let least = if up && kb < 10.0 { 0.72 } else { 0.8 };
            if share < least {
                slow.push((cell, share));
            }
        }
    }
    assert!(slow.is_empty(), "{slow:#?}");
}

#[test]
fn whoever_has_a_line_gets_on_at_a_share_of_it() {
    all_get_on(false, &CELLS);
}

#[test]
fn results_go_up_at_a_share_of_the_line() {
    all_get_on(true, &CELLS);
    all_get_on(true, &FAST_CELLS);
}

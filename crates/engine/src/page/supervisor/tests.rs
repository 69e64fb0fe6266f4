use super::*;
use crate::page::slot::{LONG_LIFE_MS, respawn_ms};
use crate::time::clock::Now;

/// A supervisor, and a clock that the test moves.
struct Page {
    supervisor: Supervisor,
    now: Now,
}

impl Page {
    fn new() -> Self {
        Self::with(Settings::default())
    }

    fn with(settings: Settings) -> Self {
        let wall = 1_000_000.0;
        Self {
            supervisor: Supervisor::new(settings, false),
            now: Now { mono: 0.0, wall },
        }
    }

    /// Computes, with a hub (worker 1) that has hub_reported and this many cores (workers 2, 3, …).
    fn computing(cores: u32) -> Self {
        let mut page = Self::new();
        page.does(Event::Command(Command::Start));
        page.does(Event::LockGranted);
        page.does(Event::WorkerReady(1));
        page.does(Event::FromHub(1, HubMessage::Status));
        page.does(Event::FromHub(1, HubMessage::Cores(cores)));
        for id in 2..2 + cores {
            page.does(Event::WorkerReady(id));
        }
        page
    }

    fn does(&mut self, event: Event) -> Vec<Action> {
        let mut cx = Cx::new(self.now, 1.0);
        self.supervisor.handle(&mut cx, event);
        cx.out
    }

    fn passes(&mut self, ms: f64) {
        self.now.mono += ms;
        self.now.wall += ms;
    }

    fn ticks(&mut self, times: u32) -> Vec<Action> {
        let tick = |_| {
            self.passes(1_000.0);
            self.does(Event::Tick)
        };
        (0..times).flat_map(tick).collect()
    }

    fn reason(&self) -> Option<Reason> {
        self.supervisor.reason()
    }
}

fn died(id: Id) -> Event {
    Event::WorkerDied(id, "unreachable executed".to_owned())
}

fn connect(hub: Id, worker: Id, core: u32) -> Action {
    Action::Connect { hub, worker, core }
}

const STOP: Command = Command::Stop { finish: false };
const FINISH: Command = Command::Stop { finish: true };
const PUT_BACK: HubCommand = HubCommand::Stop { finish: false };

#[test]
fn nothing_starts_by_itself_and_the_hub_says_how_many_cores_there_are() {
    let mut page = Page::new();
    assert_eq!(page.reason(), Some(Reason::Stopped));
    assert_eq!(page.does(Event::Hidden(true)), []);
    assert_eq!(page.does(Event::Hidden(false)), []);
    assert_eq!(
        page.does(Event::Command(Command::Start)),
        [Action::Lock(true)]
    );
    let granted = page.does(Event::LockGranted);
    assert_eq!(granted, [Action::Spawn(1), Action::Ticks(true)]);
    assert_eq!(page.does(Event::WorkerReady(1)), [Action::MakeHub(1)]);
    assert_eq!(page.does(Event::WorkerReady(1)), [], "once");
    assert_eq!(page.reason(), Some(Reason::Starting));
    page.does(Event::FromHub(1, HubMessage::Status));
    assert_eq!(page.reason(), None, "the hub's word");
    let wanted = page.does(Event::FromHub(1, HubMessage::Cores(2)));
    assert_eq!(wanted, [Action::Spawn(2), Action::Spawn(3)]);
    assert_eq!(page.does(Event::WorkerReady(3)), [connect(1, 3, 1)]);
    assert_eq!(page.does(Event::WorkerReady(2)), [connect(1, 2, 0)]);
    let wanted = page.does(Event::FromHub(1, HubMessage::Cores(1)));
    assert_eq!(wanted, [Action::Terminate(3)]);
    assert_eq!(
        page.does(Event::FromHub(2, HubMessage::Cores(9))),
        [],
        "no hub"
    );
}

#[test]
fn a_core_that_dies_is_reported_and_replaced_later_each_time_that_it_lives_short() {
    let mut page = Page::computing(1);
    page.passes(LONG_LIFE_MS);
    let order = HubCommand::CoreDied {
        core: 0,
        message: "unreachable executed".to_owned(),
    };
    assert_eq!(
        page.does(died(2)),
        [
            Action::Terminate(2),
            Action::ToHub(1, order.clone()),
            Action::Spawn(3)
        ],
        "after a long life at once"
    );
    assert_eq!(page.does(Event::WorkerReady(3)), [connect(1, 3, 0)]);
    let dies = page.does(died(3));
    assert_eq!(dies, [Action::Terminate(3), Action::ToHub(1, order)]);
    let until = page.now.wall + 1_000.0;
    assert_eq!(page.reason(), Some(Reason::WorkerFailed { until }));
    assert_eq!(page.supervisor.problem(), Some("unreachable executed"));
    assert_eq!(page.ticks(1), [Action::Spawn(4)]);
    page.does(Event::WorkerReady(4));
    assert_eq!(page.reason(), None);
    page.does(died(4));
    assert_eq!(page.ticks(1), []);
    assert_eq!(page.ticks(1), [Action::Spawn(5)]);
    assert_eq!(page.does(died(2)), [], "nobody dies twice");
}

#[test]
fn waits_double_from_a_second_to_a_minute() {
    let waits = |random| [0, 1, 2, 3, 6, 7, 1_000].map(|lives| respawn_ms(lives, random));
    let most = [0.0, 1e3, 2e3, 4e3, 32e3, 60e3, 60e3];
    assert_eq!(waits(1.0), most);
    assert_eq!(waits(0.0), most.map(|ms| ms / 2.0));
}

#[test]
fn what_the_hub_wants_replaced_is_replaced_without_telling_it() {
    let mut page = Page::computing(2);
    page.passes(LONG_LIFE_MS);
    assert_eq!(
        page.does(Event::FromHub(1, HubMessage::Replace(1))),
        [Action::Terminate(3), Action::Spawn(4)]
    );
    assert_eq!(page.does(Event::WorkerReady(4)), [connect(1, 4, 1)]);
    assert_eq!(page.does(Event::FromHub(1, HubMessage::Replace(7))), []);
}

#[test]
fn a_new_hub_gets_the_channels_of_the_cores_that_run_and_the_pause_that_is_on() {
    let mut page = Page::computing(2);
    let until = Some(page.now.wall + 60_000.0);
    page.does(Event::Command(Command::Pause { until }));
    page.passes(LONG_LIFE_MS);
    assert_eq!(page.does(died(1)), [Action::Terminate(1), Action::Spawn(4)]);
    assert_eq!(
        page.does(Event::WorkerReady(4)),
        [
            Action::MakeHub(4),
            Action::ToHub(4, HubCommand::Pause { until }),
            connect(4, 2, 0),
            connect(4, 3, 1)
        ]
    );
    page.passes(60_000.0);
    page.does(died(4));
    let ready = page.does(Event::WorkerReady(5));
    assert_eq!(
        ready[..2],
        [Action::MakeHub(5), connect(5, 2, 0)],
        "it is over"
    );
}

#[test]
fn a_silent_hub_is_asked_and_then_replaced() {
    let mut page = Page::computing(0);
    page.passes(LONG_LIFE_MS);
    assert_eq!(page.ticks(ASK_AFTER - 1), []);
    assert_eq!(page.ticks(1), [Action::ToHub(1, HubCommand::Ping)]);
    page.does(Event::FromHub(1, HubMessage::Status));
    let ticks = page.ticks(DEAD_AFTER);
    assert_eq!(
        ticks,
        [
            Action::ToHub(1, HubCommand::Ping),
            Action::Terminate(1),
            Action::Spawn(2)
        ]
    );
}

#[test]
fn a_frozen_page_judges_nobody() {
    let mut page = Page::computing(1);
    page.ticks(3);
    page.passes(86_400_000.0);
    assert_eq!(page.ticks(1), []);
    assert_eq!(page.reason(), None);
}

#[test]
fn who_never_calls_work_is_replaced_and_the_status_says_so() {
    let mut page = Page::new();
    page.does(Event::Command(Command::Start));
    page.does(Event::LockGranted);
    assert_eq!(page.ticks(READY_WITHIN - 1), []);
    assert_eq!(page.ticks(1), [Action::Terminate(1)]);
    assert!(
        page.supervisor
            .problem()
            .is_some_and(|p| p.contains("work()"))
    );
    assert_eq!(page.ticks(1), [Action::Spawn(2)]);
    // Whose script cannot be loaded has no message.
    page.does(Event::WorkerDied(2, String::new()));
    assert!(
        page.supervisor
            .problem()
            .is_some_and(|p| p.contains("script"))
    );
    let Some(Reason::WorkerFailed { until }) = page.reason() else {
        panic!("{:?}", page.reason());
    };
    assert_eq!(until, page.now.wall + 2_000.0);
    // Start again means now.
    let again = page.does(Event::Command(Command::Start));
    assert_eq!(again, [Action::Spawn(3)]);
    page.does(Event::WorkerReady(3));
    assert_eq!(page.reason(), Some(Reason::Starting));
}

#[test]
fn a_spawn_that_gives_no_worker_is_not_tried_again_until_start() {
    let mut page = Page::new();
    page.does(Event::Command(Command::Start));
    page.does(Event::LockGranted);
    let useless = page.does(Event::NotAWorker("a promise".to_owned()));
    assert!(useless.contains(&Action::Lock(false)));
    assert_eq!(page.reason(), Some(Reason::Failed));
    assert!(
        page.supervisor
            .problem()
            .is_some_and(|p| p.contains("promise"))
    );
    assert_eq!(page.ticks(100), []);
    let start = page.does(Event::Command(Command::Start));
    assert!(start.contains(&Action::Lock(true)));
    assert_eq!(page.reason(), Some(Reason::Starting));
}

#[test]
fn stop_waits_for_the_hub_and_then_lets_go_of_everything() {
    let mut page = Page::computing(1);
    assert_eq!(
        page.does(Event::Command(FINISH)),
        [Action::ToHub(1, HubCommand::Stop { finish: true })]
    );
    assert_eq!(page.reason(), Some(Reason::Finishing));
    // The hub falls silent; there is no hurry.
    assert_eq!(
        page.ticks(2 * STOPPED_WITHIN),
        [
            Action::ToHub(1, HubCommand::Ping),
            Action::Terminate(1),
            Action::Spawn(3)
        ]
    );
    // A new hub learns that it is to finish.
    let ready = page.does(Event::WorkerReady(3));
    let last = Action::ToHub(3, HubCommand::Stop { finish: true });
    assert_eq!(ready, [Action::MakeHub(3), connect(3, 2, 0), last]);
    // Enough of that.
    let stop = page.does(Event::Command(STOP));
    assert_eq!(stop, [Action::ToHub(3, PUT_BACK)]);
    assert_eq!(page.does(Event::Command(FINISH)), [], "no way back");
    assert_eq!(page.reason(), Some(Reason::Stopping));
    assert_eq!(
        page.does(Event::FromHub(3, HubMessage::Stopped)),
        [
            Action::Terminate(2),
            Action::Terminate(3),
            Action::AnnounceEnd,
            Action::Lock(false),
            Action::Ticks(false)
        ]
    );
    assert_eq!(page.reason(), Some(Reason::Stopped));
}

#[test]
fn a_hub_that_does_not_stop_is_ended_with_a_farewell() {
    let mut page = Page::computing(0);
    page.does(Event::Command(STOP));
    let ends = [
        Action::Farewell,
        Action::Terminate(1),
        Action::AnnounceEnd,
        Action::Lock(false),
        Action::Ticks(false),
    ];
    for _ in 1..STOPPED_WITHIN {
        assert_eq!(page.ticks(1), []);
        page.does(Event::FromHub(1, HubMessage::Status));
    }
    assert_eq!(page.ticks(1), ends);
    let mut page = Page::computing(0);
    page.does(Event::Command(STOP));
    let dies = page.does(died(1));
    assert_eq!(dies[0], Action::Terminate(1));
    assert_eq!(dies[1], Action::Farewell);
    assert_eq!(page.reason(), Some(Reason::Stopped));
}

#[test]
fn start_while_it_stops_starts_again_when_it_has_stopped() {
    let mut page = Page::computing(0);
    page.does(Event::Command(STOP));
    page.does(Event::Command(Command::Start));
    assert_eq!(page.reason(), Some(Reason::Stopping));
    let stopped = page.does(Event::FromHub(1, HubMessage::Stopped));
    assert_eq!(
        stopped[stopped.len() - 3..],
        [
            Action::Lock(false),
            Action::Lock(true),
            Action::Ticks(false)
        ]
    );
}

#[test]
fn a_new_version_ends_all_workers_and_starts_as_many() {
    let mut page = Page::computing(1);
    page.passes(LONG_LIFE_MS);
    assert_eq!(
        page.does(Event::FromHub(1, HubMessage::Renew)),
        [
            Action::Terminate(1),
            Action::Terminate(2),
            Action::Spawn(3),
            Action::Spawn(4)
        ]
    );
    // One that is renewed again at once waits.
    page.does(Event::WorkerReady(3));
    let again = page.does(Event::FromHub(3, HubMessage::Renew));
    assert_eq!(again, [Action::Terminate(3), Action::Terminate(4)]);
}

#[test]
fn what_is_fatal_ends_everything_and_is_not_tried_again() {
    let mut page = Page::computing(1);
    let fatal = page.does(Event::FromHub(1, HubMessage::Fatal));
    assert!(fatal.contains(&Action::Terminate(2)) && fatal.contains(&Action::Lock(false)));
    assert_eq!(page.reason(), Some(Reason::Failed));
    assert_eq!(page.supervisor.problem(), None, "the hub has said what");
    page.does(Event::Command(STOP));
    assert_eq!(page.reason(), Some(Reason::Stopped));
}

#[test]
fn a_second_tab_waits_shows_the_first_and_says_what_it_is_told() {
    let mut page = Page::new();
    page.does(Event::Command(Command::Start));
    assert_eq!(page.does(Event::LockTaken), []);
    assert_eq!(page.reason(), Some(Reason::AnotherTab));
    let pause = Command::Pause { until: None };
    assert_eq!(page.does(Event::Command(pause)), []);
    // The first closes: the pause that was said is still on.
    page.does(Event::LockGranted);
    assert_eq!(
        page.does(Event::WorkerReady(1)),
        [
            Action::MakeHub(1),
            Action::ToHub(1, HubCommand::Pause { until: None })
        ]
    );
    assert_eq!(
        page.does(Event::RemoteCommand(Command::Resume)),
        [Action::ToHub(1, HubCommand::Resume)]
    );
    assert_eq!(
        page.does(Event::RemoteCommand(STOP)),
        [Action::ToHub(1, PUT_BACK)],
        "and is not said again"
    );
}

#[test]
fn stop_in_any_tab_stops_those_that_wait_too() {
    let mut page = Page::new();
    page.does(Event::Command(Command::Start));
    page.does(Event::LockTaken);
    assert_eq!(page.does(Event::RemoteCommand(STOP)), [Action::Lock(false)]);
    assert_eq!(page.does(Event::LockGranted), [], "too late");
    assert_eq!(page.does(Event::RemoteCommand(Command::Resume)), []);
    assert_eq!(page.does(Event::RemoteCommand(Command::Start)), []);
    assert_eq!(page.reason(), Some(Reason::Stopped));
}

#[test]
fn a_tab_that_was_never_started_shows_one_that_computes_until_it_is_silent() {
    let mut page = Page::new();
    let told = page.does(Event::OtherComputes(true));
    assert_eq!(told, [Action::Ticks(true)]);
    assert_eq!(page.reason(), Some(Reason::AnotherTab));
    page.ticks(FORGOTTEN_AFTER - 1);
    page.does(Event::OtherComputes(true));
    page.ticks(FORGOTTEN_AFTER - 1);
    assert_eq!(page.reason(), Some(Reason::AnotherTab));
    assert_eq!(page.ticks(1), [Action::Ticks(false)]);
    assert_eq!(page.reason(), Some(Reason::Stopped));
    page.does(Event::OtherComputes(true));
    let gone = page.does(Event::OtherComputes(false));
    assert_eq!(gone, [Action::Ticks(false)]);
}

#[test]
fn a_hidden_page_gives_way_only_if_it_may_not_work_and_another_waits() {
    let mut page = Page::computing(0);
    page.does(Event::OthersWait(true));
    assert_eq!(page.does(Event::Hidden(true)), []);
    let foreground = Settings {
        background: false,
        ..Settings::default()
    };
    page.does(Event::OthersWait(false));
    page.does(Event::Command(Command::Set(foreground)));
    assert_eq!(
        page.does(Event::OthersWait(true)),
        [Action::ToHub(1, PUT_BACK)],
        "gives way"
    );
    page.does(Event::FromHub(1, HubMessage::Stopped));
    assert_eq!(page.reason(), Some(Reason::Hidden));
    assert_eq!(page.does(Event::Hidden(false)), [Action::Lock(true)]);
    page.does(Event::LockTaken);
    assert_eq!(page.does(Event::Hidden(true)), [Action::Lock(false)]);
}

#[test]
fn a_page_that_is_left_says_goodbye_unless_an_heir_goes_on() {
    for others_wait in [false, true] {
        let mut page = Page::computing(1);
        page.does(Event::OthersWait(others_wait));
        let left = page.does(Event::Left);
        assert_eq!(left.contains(&Action::Farewell), !others_wait);
        for action in [
            Action::Terminate(1),
            Action::Terminate(2),
            Action::Lock(false),
        ] {
            assert!(left.contains(&action), "{action:?}");
        }
        assert_eq!(page.does(Event::Hidden(true)), []);
        assert_eq!(page.does(Event::Returned), [Action::Lock(true)]);
    }
    let mut idle = Page::new();
    assert_eq!(idle.does(Event::Left), []);
    assert_eq!(idle.does(Event::Returned), []);
}

#[test]
fn freed_means_stopped_for_good_here_and_nowhere_else() {
    let mut page = Page::computing(0);
    assert_eq!(page.does(Event::Freed), [Action::ToHub(1, PUT_BACK)]);
    assert_eq!(page.does(Event::Command(Command::Start)), []);
    let stopped = page.does(Event::FromHub(1, HubMessage::Stopped));
    assert_eq!(stopped.last(), Some(&Action::Close));
    assert_eq!(page.does(Event::Freed), [], "once");
    assert_eq!(Page::new().does(Event::Freed), [Action::Close]);
}

#[test]
fn settings_reach_the_hub() {
    let mut page = Page::computing(0);
    let settings = Settings {
        cores: 4,
        ..Settings::default()
    };
    let set = Command::Set(settings);
    assert_eq!(
        page.does(Event::Command(set)),
        [Action::ToHub(1, HubCommand::Settings)]
    );
    assert_eq!(*page.supervisor.settings(), settings);
    // Also where nothing runs: all tabs of a browser have the same.
    let mut other = Page::new();
    assert_eq!(other.does(Event::RemoteCommand(set)), []);
    assert_eq!(*other.supervisor.settings(), settings);
}

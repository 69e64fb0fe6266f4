//! Clients that flood a real tracker with requests, and the service that honest clients get
//! meanwhile. The test acts as a proxy on this machine, which reports callers in `X-Forwarded-For`.

mod process;

use std::{
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream},
    net::TcpStream,
    task::JoinSet,
    time::sleep,
};

use self::process::{PROGRAM, Serving};

const BROWSERS: u8 = 100;
const FLOODERS: u8 = 5;

/// Connections of each flooder.
const CONNECTIONS: usize = 20;

/// The limit of requests per second and address: a fortieth of the default, because the program is
/// compiled without optimizations and shares the machine.
const REQUESTS_PER_S: u64 = 10;

/// How long an honest browser works between two requests, and on how many jobs: clients with short
/// jobs collect results for three seconds.
const WORK: Duration = Duration::from_secs(2);
const JOBS: u32 = 4;

/// The duration of one measurement.
const WINDOW: Duration = Duration::from_secs(6);

/// How often the throughput is measured at most, without and with the flood in turn. Other
/// processes on the machine slow down some of the measurements; what flooders take, they take in all
/// of them.
const PAIRS: usize = 6;

/// A persistent connection.
struct Caller {
    stream: BufStream<TcpStream>,
    from: String,
}

impl Caller {
    async fn connect(address: &str, from: String) -> Self {
        let stream = TcpStream::connect(address).await.expect("connected");
        let stream = BufStream::new(stream);
        Self { stream, from }
    }

    /// Returns status and body of the response.
    async fn ask(&mut self, request: &str, body: &str) -> (u16, Vec<u8>) {
        let head = format!(
            "{request} HTTP/1.1\r\nhost: x\r\nx-forwarded-for: {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            self.from,
            body.len()
        );
        self.stream.write_all(head.as_bytes()).await.expect("sent");
        self.stream.flush().await.expect("sent");
        let mut line = String::new();
        self.stream.read_line(&mut line).await.expect("an answer");
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status: {line:?}"));
        let mut length = 0;
        loop {
            line.clear();
            self.stream.read_line(&mut line).await.expect("a header");
            let Some((name, value)) = line.trim().split_once(": ") else {
                break;
            };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse().expect("a length");
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.expect("a body");
        (status, body)
    }
}

/// Works as a browser does, and counts the accepted results and the responses other than 200.
async fn browser(address: String, from: String, accepted: Arc<AtomicU64>, lost: Arc<AtomicU64>) {
    let mut caller = Caller::connect(&address, from).await;
    let (status, body) = caller.ask("GET /api/new?nickname=Honest&stage=a", "").await;
    assert_eq!(status, 200);
    let registered: Value = serde_json::from_slice(&body).expect("JSON");
    let (mut done, mut seq) = (Vec::new(), 0);
    loop {
        seq += 1;
        let body = json!({ "token": registered["token"], "seq": seq, "done": done, "want": JOBS });
        let (status, body) = caller.ask("POST /api/sync", &body.to_string()).await;
        if status == 200 {
            let answer: Value = serde_json::from_slice(&body).expect("JSON");
            let list = |name: &str| answer[name].as_array().expect("a list").clone();
            accepted.fetch_add(list("accepted").len() as u64, Ordering::SeqCst);
            let result = |job: &Value| json!({ "lease": job["lease"], "data": "done" });
            done = list("jobs").iter().map(result).collect();
        } else {
            lost.fetch_add(1, Ordering::SeqCst);
        }
        sleep(WORK).await;
    }
}

/// One flood by all flooders.
#[derive(Default)]
struct Flood {
    over: AtomicBool,
    /// Whether requests count that are sent now.
    counts: AtomicBool,
    let_through: AtomicU64,
    refused: AtomicU64,
    /// The number of flooders that have used up their burst.
    spent: AtomicU64,
}

/// Floods the tracker, and returns the throughput of the browsers meanwhile, how many requests a
/// second were let through, and how many were refused.
async fn flooded(address: &str, accepted: &AtomicU64) -> (f64, f64, u64) {
    let flood = Arc::<Flood>::default();
    let mut flooders = JoinSet::new();
    for at in 0..FLOODERS {
        let (address, from) = (address.to_owned(), format!("203.0.113.{at}"));
        flooders.spawn(flooder(address, from, Arc::clone(&flood)));
    }
    // The burst that an address has accumulated in ten seconds can be used at once.
    while flood.spent.load(Ordering::SeqCst) < u64::from(FLOODERS) {
        sleep(Duration::from_millis(20)).await;
    }
    let began = Instant::now();
    flood.counts.store(true, Ordering::SeqCst);
    let results = throughput(accepted).await;
    let through = flood.let_through.load(Ordering::SeqCst);
    let through = through as f64 / began.elapsed().as_secs_f64();
    flood.over.store(true, Ordering::SeqCst);
    flooders.join_all().await;
    (results, through, flood.refused.load(Ordering::SeqCst))
}

/// Sends requests that cause work as fast as it can, over several connections.
async fn flooder(address: String, from: String, flood: Arc<Flood>) {
    let sync = json!({ "token": "nobody", "seq": 1, "want": 1_000 }).to_string();
    let mut connections = JoinSet::new();
    let was_refused = Arc::<AtomicBool>::default();
    for _ in 0..CONNECTIONS {
        let (address, from) = (address.clone(), from.clone());
        let (flood, sync) = (Arc::clone(&flood), sync.clone());
        let was_refused = Arc::clone(&was_refused);
        connections.spawn(async move {
            let mut caller = Caller::connect(&address, from).await;
            let calls = [
                ("GET /api/new?nickname=None&stage=a", ""),
                ("POST /api/sync", sync.as_str()),
                ("GET /leaderboard", ""),
                ("GET /api/status", ""),
            ];
            for (request, body) in calls.iter().cycle() {
                if flood.over.load(Ordering::SeqCst) {
                    break;
                }
                // On a slow machine many requests of the burst are answered much later.
                let counts = flood.counts.load(Ordering::SeqCst);
                let (status, _) = caller.ask(request, body).await;
                if status == 429 {
                    flood.refused.fetch_add(1, Ordering::SeqCst);
                } else if counts {
                    flood.let_through.fetch_add(1, Ordering::SeqCst);
                }
                if status == 429 && !was_refused.swap(true, Ordering::SeqCst) {
                    flood.spent.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
    }
    connections.join_all().await;
}

/// Results accepted per second, measured over the window.
async fn throughput(accepted: &AtomicU64) -> f64 {
    let (before, began) = (accepted.load(Ordering::SeqCst), Instant::now());
    sleep(WINDOW).await;
    let after = accepted.load(Ordering::SeqCst);
    (after - before) as f64 / began.elapsed().as_secs_f64()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_flooders_leave_a_hundred_browsers_nine_tenths_of_their_throughput() {
    let folder = tempfile::tempdir().expect("a folder");
    let jobs = Command::new(PROGRAM)
        .args(["import", "--database", "sqlite:jobs.db"])
        .args(["--brace", "job-{00000..29999}"])
        .current_dir(folder.path())
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .status();
    assert!(jobs.expect("imported").success());
    let limit = REQUESTS_PER_S.to_string();
    let tracker = Serving::start(
        Command::new(PROGRAM)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(["--database", "sqlite:jobs.db", "--limit-requests", &limit])
            .current_dir(folder.path()),
    );
    let (accepted, lost) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
    let mut browsers = JoinSet::new();
    for at in 0..BROWSERS {
        let (address, from) = (tracker.address.clone(), format!("198.51.100.{at}"));
        let (accepted, lost) = (Arc::clone(&accepted), Arc::clone(&lost));
        // Browsers do not all begin at the same moment.
        sleep(WORK / u32::from(BROWSERS)).await;
        browsers.spawn(browser(address, from, accepted, lost));
    }
    sleep(2 * WORK).await;
    let usual = f64::from(JOBS) * f64::from(BROWSERS) / WORK.as_secs_f64();
    let most = REQUESTS_PER_S as f64 * f64::from(FLOODERS);
    let mut figures = Vec::new();
    for _ in 0..PAIRS {
        let quiet = throughput(&accepted).await;
        let (flooded, through, refused) = flooded(&tracker.address, &accepted).await;
        figures.push(format!(
            "{quiet:.1} results a second, {flooded:.1} of them in the flood; of the flood \
             {through:.0} requests a second were let through, {refused} refused"
        ));
        assert!(refused > 0, "{figures:#?}");
        assert!(through <= 1.2 * most, "{figures:#?}");
        assert_eq!(lost.load(Ordering::SeqCst), 0, "{figures:#?}");
        let ended = browsers.try_join_next();
        assert!(ended.is_none(), "a browser has failed: {ended:?}");
        if quiet > 0.5 * usual && flooded >= 0.9 * quiet {
            return;
        }
    }
    panic!("of {usual:.0} results a second: {figures:#?}");
}

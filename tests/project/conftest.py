"""A tracker, a volunteer and a faulty proxy for the tests of the package distcompute-project.

The tracker's program is DISTCOMPUTE_TRACKER_BIN, or the one in target/debug. It stores its jobs in a
file, or in the PostgreSQL database at the address DISTCOMPUTE_TEST_POSTGRES, whose contents are deleted.
Run with `python -m pytest tests/project`.
"""

from __future__ import annotations

import _thread
import collections
import contextlib
import http.client
import http.server
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator

import httpx
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "packages" / "python" / "src"))

PROGRAM = os.environ.get(
    "DISTCOMPUTE_TRACKER_BIN", str(ROOT / "target" / "debug" / "distcompute-tracker")
)
POSTGRES = os.environ.get("DISTCOMPUTE_TEST_POSTGRES")
# The rules do not depend on the database.
collect_ignore = ["test_rules.py"] if POSTGRES else []
TOKEN = "a secret of some length"
READY = "listening on "
MARK = "<!json!>"


class Tracker:
    """A tracker process with an empty database."""

    def __init__(self, folder: pathlib.Path, *flags: str) -> None:
        self.database = POSTGRES or f"sqlite:{folder / 'jobs.db'}"
        self.log = open(folder / "log", "a+", encoding="utf-8")
        # Settings for other trackers must not affect this one.
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("DISTCOMPUTE_")}
        self.flags = flags
        reset = ["import", "--database", self.database, "--reset", "--yes", "--jsonl", "-"]
        done = subprocess.run(
            [PROGRAM, *reset], input="", capture_output=True, text=True, env=self.env, timeout=60
        )
        assert done.returncode == 0, done.stderr
        self.listen = "127.0.0.1:0"
        self.start()
        self.listen = self.url.split("/")[2]

    def start(self) -> None:
        command = [PROGRAM, "serve", "--listen", self.listen, "--database", self.database]
        command += ["--project", "Test", "--admin-token", TOKEN, *self.flags]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self.log, text=True, env=self.env
        )
        assert self.process.stdout
        line = self.process.stdout.readline()
        self.log.seek(0)
        assert line.startswith(READY), f"the tracker did not start: {line!r} {self.log.read()}"
        self.url = line[len(READY) :].strip().rstrip("/")

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process.poll() is None:
            self.process.send_signal(how)
        self.process.wait(timeout=30)
        assert self.process.stdout
        self.process.stdout.close()

    def jobs(self) -> int:
        return int(httpx.get(self.url + "/api/status").json()["jobs"])


class Volunteer:
    """Computes jobs by `sync`, on a thread of its own."""

    def __init__(
        self, url: str, handler: Callable[[object], object], stage: str = "a", want: int = 64
    ) -> None:
        self.url = url
        self.want = want
        self.handler = handler
        self.http = httpx.Client(timeout=30)
        query = {"nickname": "Ann", "stage": stage}
        self.token = self.http.get(f"{url}/api/new", params=query).json()["token"]
        self.seq = 0
        self.fault: BaseException | None = None
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._work)
        self.thread.start()

    def _work(self) -> None:
        try:
            answer = self._sync()
            while not self.stop.is_set():
                done, failed = [], []
                for job in answer["jobs"]:
                    data = job["data"]
                    data = json.loads(data[len(MARK) :]) if data.startswith(MARK) else data
                    try:
                        output = self.handler(data)
                    except ArithmeticError as error:
                        failed.append({"lease": job["lease"], "error": f"Error: {error}\n  at f"})
                    else:
                        text = output if isinstance(output, str) else MARK + json.dumps(output)
                        done.append({"lease": job["lease"], "data": text})
                if not answer["jobs"]:
                    self.stop.wait(0.02)
                answer = self._sync(done=done, failed=failed)
        except BaseException as fault:
            self.fault = fault
            # The test would wait for results that do not come.
            traceback.print_exc()
            _thread.interrupt_main()

    def _sync(self, **lists: list[dict[str, str]]) -> dict[str, list[dict[str, str]]]:
        self.seq += 1
        body = {"token": self.token, "seq": self.seq, "want": self.want, "cores": 64, **lists}
        while True:
            try:
                answer = self.http.post(f"{self.url}/api/sync", json=body)
                break
            except httpx.TransportError:
                # The tracker is being restarted. The same number is the same request.
                if self.stop.wait(0.05):
                    return {"jobs": []}
        assert answer.status_code == 200, answer.text
        found: dict[str, list[dict[str, str]]] = answer.json()
        return found

    def end(self) -> None:
        """Ends it; may be called twice."""
        self.stop.set()
        self.thread.join(30)
        self.http.close()
        assert self.fault is None, self.fault





class Proxy:
    """Passes requests on to a tracker, except where a fault is injected.

    `faults` has one entry for each of the next requests to `path`: "drop" closes the connection before
    the tracker sees the request, "lose" after it has answered, "cut" in the middle of its answer; a
    number is answered in its place, with the headers of `headers`.
    """

    def __init__(self, url: str) -> None:
        self.faults: collections.deque[str | int | None] = collections.deque()
        self.path = "/api/"
        self.headers: dict[str, str] = {}
        self.seen: list[str] = []
        proxy = self
        upstream = httpx.URL(url)

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                fault = None
                if self.path.startswith(proxy.path):
                    proxy.seen.append(self.path)
                    fault = proxy.faults.popleft() if proxy.faults else None
                if isinstance(fault, int):
                    return self.reply(fault, proxy.headers, b"a proxy")
                if fault == "drop":
                    return self.hang_up()
                there = http.client.HTTPConnection(upstream.host, upstream.port, timeout=30)
                headers = {k: v for k, v in self.headers.items() if k.lower() != "accept-encoding"}
                there.request(self.command, self.path, body, headers)
                answer = there.getresponse()
                content = answer.read()
                there.close()
                if fault == "lose":
                    return self.hang_up()
                kept = {
                    name: value
                    for name, value in answer.getheaders()
                    if name.lower() not in ("connection", "transfer-encoding", "content-length")
                }
                self.reply(answer.status, kept, content, cut=fault == "cut")

            def reply(
                self, status: int, headers: dict[str, str], body: bytes, cut: bool = False
            ) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if cut else body)
                if cut:
                    self.hang_up()

            def hang_up(self) -> None:
                self.close_connection = True
                with contextlib.suppress(OSError):
                    self.connection.shutdown(socket.SHUT_RDWR)

            do_GET = do_POST = pass_on

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def end(self) -> None:
        self.server.shutdown()
        self.thread.join(30)
        self.server.server_close()


@pytest.fixture
def start(tmp_path: pathlib.Path) -> Iterator[Callable[..., Tracker]]:
    """Starts trackers with flags, and ends them after the test."""
    trackers: list[Tracker] = []

    def started(*flags: str) -> Tracker:
        trackers.append(Tracker(tmp_path, *flags))
        return trackers[-1]

    yield started
    for tracker in trackers:
        tracker.end()
        tracker.log.close()


@pytest.fixture
def tracker(start: Callable[..., Tracker]) -> Tracker:
    return start()


@pytest.fixture
def proxy(tracker: Tracker) -> Iterator[Proxy]:
    proxy = Proxy(tracker.url)
    yield proxy
    proxy.end()


@pytest.fixture
def volunteer() -> Iterator[Callable[..., Volunteer]]:
    """Starts volunteers, and ends them after the test."""
    volunteers: list[Volunteer] = []

    def started(
        url: str, handler: Callable[[object], object], stage: str = "a", want: int = 64
    ) -> Volunteer:
        volunteers.append(Volunteer(url, handler, stage, want))
        return volunteers[-1]

    yield started
    for one in volunteers:
        one.end()

"""A small tracker of the first protocol, with the faults that clients have to survive.

It knows nothing of what our tracker adds, shares no line with it, and keeps everything in memory:
a client that works against it has not been tested against its own family alone. Only the standard
library of Python is used.

    python3 tests/old/tracker.py --jobs 100 --files /page=www

prints `listening on http://127.0.0.1:PORT`. The faults, each as the first tracker had it:

- The output of a stage overwrites its input, and the next stage is handed `null`.
- `updateProgress` of an unknown token is 200, and of a text over 255 characters 404.
- A repeated `completeJob` is 403, and one that comes late closes whatever job is held by then.
- Five flags act, also those of one worker, and are never forgotten: never at stage a; at stage b the
  last one is a 422 and the worker keeps the job; later the job goes back without its input.
- A job that was put back may come to the same worker at once.
- A nickname over 128 characters, U+0000 or half a surrogate pair in a text is a 500.
- There are no CORS headers, unless --cors is given.

Not of the protocol, for tests: `GET /test/state` answers what there is as JSON, and
`POST /test/forget` deletes all workers as if they had been idle for too long.
"""

import argparse
import json
import mimetypes
import pathlib
import random
import signal
import sys
import threading
import time
import urllib.parse
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LETTERS = "abcde"
FLAGS_UNTIL_BACK = 5
JSON_MARK = "<!json!>"

UNKNOWN_WORKER = "The server could not find this worker. Did the worker time out?"
NO_JOBS = (
    "Either there are no new jobs available, or there was an error whilst finding a job. "
    "Keep retrying, as jobs are dynamically created."
)
NO_OPEN_JOB = "You do not have an open job."
ALREADY_COMPLETED = "This job has already been marked as completed."
NOT_WORKING = "This worker is not currently working on a job."

WORDS = ("calm", "river", "hematin", "hanking", "quiet", "lantern", "maple", "harbour")


class Refused(Exception):
    """An answer that is no success."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = status
        self.text = text


class Unforeseen(Exception):
    """What the first tracker had not thought of, and answered with 500."""


class Job:
    """One job; `data` has a text for each stage, as the database's columns had."""

    def __init__(self, number, text):
        self.number = number
        self.stage = "a"
        self.pending = False
        self.closed = False
        self.flags = 0
        self.data = dict.fromkeys(LETTERS)
        self.data["a"] = text

    def is_open_at(self, stage):
        return self.stage == stage and not self.pending and not self.closed


class Worker:
    """One registration."""

    def __init__(self, stage, nickname):
        self.stage = stage
        self.nickname = nickname
        self.display_name = "-".join([*random.sample(WORDS, 2), str(random.randrange(1000))])
        self.progress = "Initialized"
        self.job = None
        self.completed = 0
        self.last_seen = time.monotonic()

    def put_back(self):
        if self.job:
            self.job.pending = False
        self.job = None


class Tracker:
    """What the calls do, without HTTP. The caller holds `lock`."""

    def __init__(self, jobs, stages, project="An older project", idle_timeout_s=7200):
        self.lock = threading.Lock()
        self.project = project
        self.stages = stages
        self.idle_timeout_s = idle_timeout_s
        self.jobs = [Job(index + 1, text) for index, text in enumerate(jobs)]
        self.workers = {}
        self.leaderboard = {}

    def new(self, nickname, stage):
        self.check_stage(stage)
        if stage not in self.stages:
            raise Refused(400, f"The worker stage '{stage}' is disabled.")
        must_fit_a_column(nickname, 128)
        token = str(uuid.uuid4())
        worker = self.workers[token] = Worker(stage, nickname)
        return {
            "token": token,
            "display_name": worker.display_name,
            "project": self.project,
            "stage_name": self.stages[stage],
        }

    def validate_worker(self, token):
        return str(token in self.workers)

    def job_count(self, stage):
        self.check_stage(stage)
        return str(sum(job.is_open_at(stage) for job in self.jobs))

    def new_job(self, token):
        worker = self.worker(token)
        worker.put_back()
        there = [job for job in self.jobs if job.is_open_at(worker.stage)]
        if not there:
            raise Refused(403, NO_JOBS)
        worker.job = random.choice(there)
        worker.job.pending = True
        worker.last_seen = time.monotonic()
        return {"data": worker.job.data[worker.stage], "number": worker.job.number}

    def update_progress(self, token, progress):
        must_fit_a_column(progress)
        if len(progress) > 255:
            raise Refused(404, UNKNOWN_WORKER)
        if token in self.workers:
            self.workers[token].progress = progress
            self.workers[token].last_seen = time.monotonic()
        return "200 OK"

    def complete_job(self, token, data):
        worker = self.worker(token)
        if not worker.job:
            raise Refused(403, ALREADY_COMPLETED if worker.completed else NO_OPEN_JOB)
        must_fit_a_column(data)
        job = worker.job
        job.data[worker.stage] = data
        following = self.stage_beside(worker.stage, 1)
        if following:
            job.stage = following
        else:
            job.closed = True
        worker.put_back()
        worker.completed += 1
        worker.last_seen = time.monotonic()
        self.leaderboard[worker.nickname] = self.leaderboard.get(worker.nickname, 0) + 1
        return "200 OK"

    def flag_invalid_data(self, token):
        worker = self.worker(token)
        if not worker.job:
            raise Refused(403, NOT_WORKING)
        job = worker.job
        if worker.stage != "a":
            job.flags += 1
            if job.flags >= FLAGS_UNTIL_BACK and worker.stage == "b":
                raise Refused(422, invalid("none_required", ["body", "stage"], "Invalid", None))
            if job.flags >= FLAGS_UNTIL_BACK:
                job.stage = self.stage_beside(worker.stage, -1)
                job.data[job.stage] = None
        worker.put_back()
        worker.last_seen = time.monotonic()
        return "200 OK"

    def bye(self, token):
        self.worker(token).put_back()
        del self.workers[token]
        return "200 OK"

    def worker(self, token):
        if token not in self.workers:
            raise Refused(404, UNKNOWN_WORKER)
        return self.workers[token]

    def stage_beside(self, stage, step):
        letters = list(self.stages)
        index = letters.index(stage) + step
        return letters[index] if 0 <= index < len(letters) else None

    @staticmethod
    def check_stage(stage):
        if len(stage) != 1 or stage not in LETTERS:
            choices = "/".join(f"'{letter}'" for letter in LETTERS)
            raise Refused(400, f"Invalid worker stage: '{stage}'. Choose from {choices}.")

    def sweep(self, idle_s):
        """Deletes the workers that have not been heard from for so long."""
        now = time.monotonic()
        for token, worker in list(self.workers.items()):
            if now - worker.last_seen >= idle_s:
                worker.put_back()
                del self.workers[token]

    def state(self):
        """What tests look at."""
        jobs = [
            {
                "number": job.number,
                "stage": job.stage,
                "pending": job.pending,
                "closed": job.closed,
                "data": {stage: job.data[stage] for stage in self.stages},
            }
            for job in self.jobs
        ]
        workers = [
            {
                "stage": worker.stage,
                "nickname": worker.nickname,
                "progress": worker.progress,
                "completed": worker.completed,
                "job": worker.job and worker.job.number,
            }
            for worker in self.workers.values()
        ]
        return {"jobs": jobs, "workers": workers, "leaderboard": self.leaderboard}


def must_fit_a_column(text, most=None):
    """The database took no U+0000, no half of a surrogate pair, and no more than a column holds."""
    half = any("\ud800" <= letter <= "\udfff" for letter in text)
    if half or "\0" in text or (most and len(text) > most):
        raise Unforeseen


def invalid(kind, place, message, given):
    return json.dumps({"detail": [{"type": kind, "loc": place, "msg": message, "input": given}]})


CALLS = {
    "/api/new": ("GET", ("nickname", "stage"), Tracker.new),
    "/api/validateWorker": ("POST", ("token",), Tracker.validate_worker),
    "/api/jobCount": ("GET", ("stage",), Tracker.job_count),
    "/api/newJob": ("POST", ("token",), Tracker.new_job),
    "/api/updateProgress": ("POST", ("token", "progress"), Tracker.update_progress),
    "/api/completeJob": ("POST", ("token", "data"), Tracker.complete_job),
    "/api/flagInvalidData": ("POST", ("token",), Tracker.flag_invalid_data),
    "/api/bye": ("POST", ("token",), Tracker.bye),
}


class Handler(BaseHTTPRequestHandler):
    """HTTP around a tracker; the server has it, and the folders to serve."""

    protocol_version = "HTTP/1.1"
    # An answer goes out in two writes, and the second would wait for the first's acknowledgement.
    disable_nagle_algorithm = True

    def do_GET(self):
        self.answer("GET")

    def do_POST(self):
        self.answer("POST")

    def do_OPTIONS(self):
        if not self.server.cors:
            return self.send(405, "Method Not Allowed")
        return self.send(204, "", preflight=True)

    def answer(self, method):
        path = urllib.parse.urlsplit(self.path).path
        # Also where nobody wants it: what is not read would be taken for the next request.
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            if path in CALLS:
                return self.send(200, self.call(method, path, body))
            with self.server.tracker.lock:
                if (method, path) == ("GET", "/test/state"):
                    return self.send(200, self.server.tracker.state())
                if (method, path) == ("POST", "/test/forget"):
                    return self.send(200, str(self.server.tracker.sweep(0)))
                page = method == "GET" and self.page(path)
            if page:
                return self.send(200, page, "text/html")
            return self.file(path) if method == "GET" else self.send(404, "Not Found")
        except Refused as refused:
            kind = "application/json" if refused.status == 422 else "text/plain"
            return self.send(refused.status, refused.text, kind)
        except Unforeseen:
            return self.send(500, "Internal Server Error")

    def call(self, method, path, body):
        wanted, fields, handle = CALLS[path]
        if method != wanted:
            raise Refused(405, "Method Not Allowed")
        given = self.query() if method == "GET" else self.json(body)
        place = "query" if method == "GET" else "body"
        for field in fields:
            if field not in given:
                raise Refused(422, invalid("missing", [place, field], "Field required", given))
            if not isinstance(given[field], str):
                message = "Input should be a valid string"
                raise Refused(422, invalid("string_type", [place, field], message, given[field]))
        tracker = self.server.tracker
        with tracker.lock:
            tracker.sweep(tracker.idle_timeout_s)
            return handle(tracker, *(given[field] for field in fields))

    def query(self):
        query = urllib.parse.urlsplit(self.path).query
        return dict(urllib.parse.parse_qsl(query, keep_blank_values=True))

    def json(self, body):
        kind = self.headers.get_content_type()
        try:
            given = json.loads(body) if kind == "application/json" else None
        except ValueError:
            raise Refused(422, invalid("json_invalid", ["body", 0], "JSON decode error", {}))
        if not isinstance(given, dict):
            message = "Input should be a valid dictionary or object to extract fields from"
            raise Refused(422, invalid("model_attributes_type", ["body"], message, given))
        return given

    def page(self, path):
        """The pages for people, which no client reads."""
        tracker = self.server.tracker
        if path == "/":
            return f"<!doctype html><title>{len(tracker.workers)} workers</title>"
        if path == "/leaderboard":
            return f"<!doctype html><title>{len(tracker.leaderboard)} nicknames</title>"
        if not path.startswith("/worker/"):
            return None
        stage, _, name = urllib.parse.unquote(path[len("/worker/") :]).partition("/")
        if stage not in [one.lower() for one in tracker.stages.values()]:
            raise Refused(400, "Invalid worker stage.")
        if name not in [worker.display_name for worker in tracker.workers.values()]:
            raise Refused(404, "Worker not found.")
        return "<!doctype html><title>A worker</title>"

    def file(self, path):
        """What lies in a folder that is served; the longest address wins."""
        path = urllib.parse.unquote(path)
        for prefix, folder in sorted(self.server.files.items(), key=lambda item: -len(item[0])):
            if path != prefix and not path.startswith(prefix.rstrip("/") + "/"):
                continue
            file = (folder / path[len(prefix) :].lstrip("/")).resolve()
            file = file / "index.html" if file.is_dir() else file
            if folder in file.parents and file.is_file():
                kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
                return self.send(200, file.read_bytes(), kind)
        return self.send(404, "Not Found")

    def send(self, status, body, kind="text/plain", preflight=False):
        if isinstance(body, dict):
            body, kind = json.dumps(body), "application/json"
        content = body if isinstance(body, bytes) else body.encode("utf-8")
        self.send_response(status)
        if kind.startswith("text/"):
            kind += "; charset=utf-8"
        self.send_header("Content-Type", kind)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        if self.server.cors:
            self.send_header("Access-Control-Allow-Origin", "*")
        if preflight:
            self.send_header("Access-Control-Allow-Methods", "GET, POST")
            self.send_header("Access-Control-Allow-Headers", "Content-Type")
            self.send_header("Access-Control-Max-Age", "7200")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    """Serves a tracker; with `port` 0 the system chooses one."""

    daemon_threads = True

    def __init__(self, tracker, port=0, cors=False, files=None):
        super().__init__(("127.0.0.1", port), Handler)
        self.tracker = tracker
        self.cors = cors
        folders = (files or {}).items()
        self.files = {prefix: pathlib.Path(folder).resolve() for prefix, folder in folders}
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request, client_address):
        """A browser that goes away in the middle is nothing to speak of."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def job_text(value):
    """A job's data as the protocol has it: text, or an object or a list behind a mark."""
    return value if isinstance(value, str) else JSON_MARK + json.dumps(value)


def pair(text):
    name, found, value = text.partition("=")
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} has no =")
    return name, value


def read_arguments():
    parser = argparse.ArgumentParser(description="A tracker of the first protocol, for tests.")
    add = parser.add_argument
    add("--port", type=int, default=0, help="0, the default, lets the system choose")
    add("--jobs", type=int, default=100, help='how many there are: {"shard": 1} and so on')
    add("--jsonl", type=pathlib.Path, help="a file with a job a line, instead of --jobs")
    add("--stage", type=pair, action="append", help="for example a=CPU; the default, with b=GPU")
    add("--idle-timeout-s", type=float, default=7200, help="when a silent worker is deleted")
    add("--cors", action="store_true", help="let pages of other origins call, as few ever did")
    add("--files", type=pair, action="append", default=[], help="/page=FOLDER, to be served")
    return parser.parse_args()


def main():
    given = read_arguments()
    # Systems differ in what they know.
    for ending in (".js", ".mjs"):
        mimetypes.add_type("text/javascript", ending)
    mimetypes.add_type("application/wasm", ".wasm")
    if given.jsonl:
        lines = given.jsonl.read_text(encoding="utf-8").splitlines()
        jobs = [job_text(json.loads(line)) for line in lines if line]
    else:
        jobs = [job_text({"shard": index + 1}) for index in range(given.jobs)]
    stages = dict(given.stage or [("a", "CPU"), ("b", "GPU")])
    tracker = Tracker(jobs, stages, idle_timeout_s=given.idle_timeout_s)
    server = Server(tracker, given.port, given.cors, dict(given.files))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(f"listening on {server.url}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()

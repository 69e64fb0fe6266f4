"""Runs the unmodified Python package `distcompute-client` against a tracker.

The tracker's program is DISTCOMPUTE_TRACKER_BIN, or the one in target/debug. It stores its jobs in a
file, or in the PostgreSQL database at the address DISTCOMPUTE_TEST_POSTGRES, whose contents are deleted.
Run with `python -m unittest discover -s tests/python`.
"""

import contextlib
import io
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import threading
import unittest
from unittest import mock

import distcompute_client
import requests
from distcompute_client.errors import ServerError, WorkerTimedOutError, ZeroJobError

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get(
    "DISTCOMPUTE_TRACKER_BIN", str(ROOT / "target" / "debug" / "distcompute-tracker")
)
POSTGRES = os.environ.get("DISTCOMPUTE_TEST_POSTGRES")
READY = "listening on "


class Tracker:
    """A tracker process on a free port, with a temporary database."""

    def __init__(self, jobs, *flags):
        self.folder = tempfile.TemporaryDirectory()
        self.database = POSTGRES or "sqlite:" + os.path.join(self.folder.name, "jobs.db")
        self.log = open(os.path.join(self.folder.name, "log"), "w+", encoding="utf-8")
        # Settings for other trackers must not affect this one.
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("DISTCOMPUTE_")}
        lines = "\n".join(json.dumps(job) for job in jobs)
        self.run("import", "--reset", "--yes", "--jsonl", "-", stdin=lines)
        command = [PROGRAM, "serve", "--listen", "127.0.0.1:0", "--database", self.database]
        command += ["--project", "Conformance", "--stage", "a=CPU", "--stage", "b=GPU Farm"]
        self.process = subprocess.Popen(
            command + list(flags),
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env=self.env,
        )
        line = self.process.stdout.readline()
        if not line.startswith(READY):
            self.log.seek(0)
            raise AssertionError(f"the tracker did not start: {line!r} {self.log.read()}")
        self.url = line[len(READY) :].strip()

    def run(self, command, *flags, stdin=None):
        done = subprocess.run(
            [PROGRAM, command, "--database", self.database, *flags],
            input=stdin,
            capture_output=True,
            text=True,
            env=self.env,
            timeout=60,
        )
        if done.returncode != 0:
            raise AssertionError(f"{command} failed: {done.stderr}")
        return done.stdout

    def export(self, stage):
        lines = self.run("export", "--stage", stage).splitlines()
        return {line["number"]: line["data"] for line in map(json.loads, lines)}

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=30)
        self.process.stdout.close()
        self.log.close()
        self.folder.cleanup()
        return code


class Conformance(unittest.TestCase):
    flags = ()
    jobs = ("one", {"shard": 2, "parts": [1, 2]}, ["three", 3])

    def setUp(self):
        self.tracker = Tracker(self.jobs, *self.flags)
        self.addCleanup(lambda: self.assertEqual(self.tracker.close(), 0))
        # The client prints a line for each call, and repeats a call once after a crash.
        quiet = contextlib.redirect_stdout(io.StringIO())
        self.printed = quiet.__enter__()
        self.addCleanup(quiet.__exit__, None, None, None)

    def client(self, stage="a", nickname="anonymous", verbose=True):
        client = distcompute_client.init(
            url=self.tracker.url + "/", stage=stage, nickname=nickname, verbose=verbose
        )
        self.addCleanup(client.s.close)
        return client

    def post(self, call, **body):
        return requests.post(self.tracker.url + "/api/" + call, json=body, timeout=10)


class Calls(Conformance):
    def test_init_learns_who_it_is_and_where(self):
        client = self.client(stage="B", nickname="Cluster 2")
        self.assertEqual(client.project, "Conformance")
        self.assertEqual((client.stage, client.stage_name), ("b", "GPU Farm"))
        self.assertRegex(client.display_name, r"^[a-z]+-[a-z]+-\d{1,3}$")
        self.assertRegex(
            client.token, r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
        )

    def test_the_worker_page_that_the_client_prints_is_there(self):
        client = self.client(stage="b", nickname="<i>Ann</i>")
        address = self.printed.getvalue().strip().splitlines()[-1].split(" - ")[-1]
        self.assertTrue(address.endswith(f"/worker/gpu farm/{client.display_name}"), address)
        page = requests.get(address, timeout=10)
        self.assertEqual(page.status_code, 200)
        self.assertIn("&lt;i&gt;Ann&lt;/i&gt;", page.text)
        self.assertNotIn("<i>", page.text)

    def test_a_job_goes_through_both_stages_as_text_and_as_json(self):
        first = self.client()
        self.assertEqual(first.job_count(), 3)
        first.new_job()
        self.assertEqual((first.job, first.job_id), ("one", 1))
        self.assertEqual(first.job_count(), 2)
        first.complete_job({"found": [1, None, "ä\u2028"]})
        self.assertIsNone(first.job)
        first.new_job()
        self.assertEqual(first.job, {"shard": 2, "parts": [1, 2]})
        first.complete_job("plain")
        first.new_job()
        self.assertEqual(first.job, ["three", 3])
        first.complete_job([])

        second = self.client(stage="b")
        got = []
        for _ in range(3):
            second.new_job()
            got.append(second.job)
            second.complete_job(f"checked {second.job_id}")
        self.assertEqual(got, [{"found": [1, None, "ä\u2028"]}, "plain", []])
        self.assertEqual(
            self.tracker.export("a"), {1: {"found": [1, None, "ä\u2028"]}, 2: "plain", 3: []}
        )
        self.assertEqual(
            self.tracker.export("b"), {1: "checked 1", 2: "checked 2", 3: "checked 3"}
        )
        status = requests.get(self.tracker.url + "/api/status", timeout=10).json()
        self.assertEqual((status["jobs"], status["closed"]), (3, 3))

    def test_the_loop_of_the_documentation_ends_when_no_jobs_are_left(self):
        client = self.client(nickname="Looper")
        done = []
        while client.job_count() > 0:
            client.new_job()
            for part in range(3):
                client.log(f"{part} of 3")
            done.append(client.job_id)
            client.complete_job({"number": client.job_id})
        client.bye()
        self.assertEqual(done, [1, 2, 3])
        board = requests.get(self.tracker.url + "/leaderboard", timeout=10).text
        self.assertIn("Looper", board)

    def test_progress_is_on_the_dashboard_escaped_and_cut(self):
        client = self.client()
        client.log("<script>alert(1)</script>" + "x" * 300)
        page = requests.get(self.tracker.url + "/", timeout=10).text
        self.assertIn("&lt;script&gt;alert(1)&lt;/script&gt;xxx", page)
        self.assertNotIn("x" * 256, page)
        self.assertIn("x…", page)

    def test_bye_puts_the_job_back_and_ends_the_worker(self):
        client = self.client()
        client.new_job()
        self.assertEqual(client.job_count(), 2)
        client.bye()
        self.assertIsNone(client.job)
        self.assertEqual(client.job_count(), 3)
        self.assertFalse(client.is_alive())
        client.bye()

    def test_a_new_job_puts_the_old_one_back_and_is_another(self):
        client = self.client()
        client.new_job()
        first = client.job_id
        client.new_job()
        self.assertNotEqual(client.job_id, first)
        self.assertEqual(client.job_count(), 2)


class Checked(Conformance):
    """A project whose results count once two volunteers have handed in the same."""

    flags = ("--trust", "a=quorum:2", "--trust", "b=quorum:2")

    def client_at(self, address, stage):
        """A client behind a proxy of this machine, which says where it is. Only the environment of the
        package differs."""
        default = requests.sessions.default_headers

        def forwarded():
            headers = default()
            headers["X-Forwarded-For"] = address
            return headers

        with mock.patch("requests.sessions.default_headers", forwarded):
            return self.client(stage=stage)

    def test_a_project_is_finished_from_two_addresses_and_not_from_one(self):
        for stage in ("a", "b"):
            one = self.client_at("192.0.2.1", stage)
            same = self.client_at("192.0.2.1", stage)
            other = self.client_at("198.51.100.7", stage)
            given = {client: [] for client in (one, same, other)}

            def work(client):
                try:
                    while True:
                        client.new_job()
                        given[client].append(client.job_id)
                        client.complete_job(f"{stage} of {client.job_id}")
                except ZeroJobError:
                    pass

            work(one)
            work(same)
            self.assertEqual(self.tracker.export(stage), {})
            for _ in self.jobs:
                work(other)
                work(one)
            self.assertEqual(
                self.tracker.export(stage), {n: f"{stage} of {n}" for n in (1, 2, 3)}
            )
            self.assertEqual(sorted(given[other]), [1, 2, 3])
            self.assertEqual(sorted(given[one] + given[same]), [1, 2, 3])
        status = requests.get(self.tracker.url + "/api/status", timeout=10).json()
        self.assertEqual((status["jobs"], status["closed"]), (3, 3))


class Invited(Conformance):
    """A project that is not for everybody: its key can be a part of the address."""

    key = "only-for-the-invited"
    flags = ("--join-key", key)

    def init(self, address):
        client = distcompute_client.init(
            url=self.tracker.url + address, stage="a", nickname="Ann", verbose=True
        )
        self.addCleanup(client.s.close)
        return client

    def test_a_client_joins_by_the_address_that_contains_the_key(self):
        client = self.init(f"/join/{self.key}/")
        client.new_job()
        self.assertEqual(client.job, "one")
        client.log("half")
        client.complete_job("done")
        page = self.printed.getvalue().strip().splitlines()
        address = next(line for line in page if "/worker/" in line).split(" - ")[-1]
        self.assertIn(self.key, address)
        answer = requests.get(address, timeout=10)
        self.assertEqual(answer.status_code, 200)
        self.assertNotIn(self.key, answer.url)
        self.assertNotIn(self.key, answer.text)
        client.bye()

    def test_without_the_key_it_is_an_error_that_says_so(self):
        for address in ("", "/join/only-for-the-invitee"):
            with self.assertRaisesRegex(ServerError, "takes volunteers who have its join key"):
                self.init(address)
        status = requests.get(self.tracker.url + "/api/status", timeout=10).json()
        self.assertEqual(status["stages"][0]["workers"], 0)


class Errors(Conformance):
    def test_a_stage_that_does_not_exist_or_is_disabled_is_a_value_error(self):
        with self.assertRaisesRegex(ValueError, r"Invalid worker stage: 'x'\. Choose from"):
            self.client(stage="x")
        with self.assertRaisesRegex(ValueError, r"The worker stage 'c' is disabled\."):
            self.client(stage="c")

    def test_no_job_is_a_zero_job_error(self):
        client = self.client(stage="b")
        self.assertEqual(client.job_count(), 0)
        with self.assertRaisesRegex(ZeroJobError, "there are no new jobs available"):
            client.new_job()
        self.assertTrue(client.is_alive())

    def test_completing_or_flagging_what_one_does_not_hold_is_a_zero_job_error(self):
        client = self.client()
        with self.assertRaisesRegex(ZeroJobError, "You do not have an open job"):
            client.complete_job("x")
        with self.assertRaisesRegex(ZeroJobError, "not currently working on a job"):
            client.flag_invalid_data()

    def test_a_worker_that_is_gone_is_told_so_by_every_call(self):
        client = self.client()
        self.assertTrue(client.is_alive())
        self.assertEqual(self.post("bye", token=client.token).text, "200 OK")
        self.assertFalse(client.is_alive())
        for call in (
            client.new_job,
            client.flag_invalid_data,
            lambda: client.complete_job("x"),
        ):
            with self.assertRaisesRegex(WorkerTimedOutError, "Did the worker time out"):
                call()
        # Progress reports must fail too; the client repeats a failed one once.
        with self.assertRaises(WorkerTimedOutError):
            client.log("still here")

    def test_what_the_tracker_cannot_keep_is_a_server_error(self):
        with self.assertRaisesRegex(ServerError, "at most 128 characters"):
            self.client(nickname="x" * 129)
        client = self.client()
        client.new_job()
        with self.assertRaisesRegex(ServerError, r"U\+0000"):
            client.complete_job("a\0b")
        with self.assertRaisesRegex(ServerError, "JSON decode error"):
            client.complete_job("\ud800")
        # None of these calls has affected the job.
        client.complete_job("good")
        self.assertEqual(self.tracker.export("a"), {1: "good"})

    def test_data_of_a_type_that_no_job_has_does_not_leave_the_client(self):
        client = self.client()
        client.new_job()
        with self.assertRaises(ValueError):
            client.complete_job(7)
        client.complete_job("7")


class Flags(Conformance):
    flags = ("--invalid-after", "2")
    jobs = ("only",)

    def test_two_volunteers_send_a_job_back_to_be_made_again_from_its_own_input(self):
        maker = self.client()
        maker.new_job()
        maker.complete_job("wrong")
        checker = self.client(stage="b", nickname="Ann")
        for _ in range(2):
            checker.new_job()
            self.assertEqual(checker.job, "wrong")
            checker.flag_invalid_data()
            self.assertIsNone(checker.job)
        self.assertEqual(checker.job_count(), 1, "one volunteer alone does not send it back")
        other = self.client(stage="b", nickname="Bob")
        other.new_job()
        other.flag_invalid_data()
        self.assertEqual(checker.job_count(), 0)
        self.assertEqual(self.tracker.export("a"), {})
        maker.new_job()
        self.assertEqual(maker.job, "only")
        maker.complete_job("right")
        checker.new_job()
        self.assertEqual(checker.job, "right")
        checker.complete_job("done")
        self.assertEqual(self.tracker.export("b"), {1: "done"})


class Idle(Conformance):
    flags = ("--idle-timeout-s", "1", "--sweep-interval-s", "1")
    jobs = ("only",)

    def test_a_silent_worker_is_forgotten_and_its_job_is_open_again(self):
        silent = self.client()
        silent.new_job()
        # Polls until the worker is gone, and fails at the deadline if the tracker never deletes it.
        gone = threading.Event()
        for _ in range(200):
            if not silent.is_alive():
                break
            gone.wait(0.1)
        self.assertFalse(silent.is_alive())
        self.assertEqual(silent.job_count(), 1)
        with self.assertRaises(WorkerTimedOutError):
            silent.complete_job("too late")


class Many(Conformance):
    jobs = tuple(f"job {n}" for n in range(60))

    def test_clients_side_by_side_never_get_the_same_job(self):
        clients = [self.client(nickname=f"n{n}") for n in range(6)]
        taken, faults = [], []

        def work(client):
            try:
                while True:
                    client.new_job()
                    taken.append(client.job_id)
                    client.complete_job(client.job)
            except ZeroJobError:
                pass
            except Exception as fault:
                faults.append(fault)

        threads = [threading.Thread(target=work, args=(client,)) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual(faults, [])
        self.assertEqual(sorted(taken), list(range(1, 61)))


if __name__ == "__main__":
    unittest.main()

"""Runs the Python package `distcompute-client` against the tracker of the first protocol in tests/old,
and checks the defects of that tracker, because tests of clients against a tracker without them would
prove less.
"""

import contextlib
import io
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import distcompute_client
import requests
from distcompute_client.errors import ServerError, WorkerTimedOutError, ZeroJobError

PROGRAM = pathlib.Path(__file__).resolve().parents[1] / "old" / "server.mjs"
NODE = os.environ.get("DISTCOMPUTE_NODE", "node")
READY = "listening on "


class OldTracker(unittest.TestCase):
    flags = ("--jobs", "3")

    def setUp(self):
        command = [NODE, str(PROGRAM), *self.flags]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.stop)
        line = self.process.stdout.readline()
        self.assertTrue(line.startswith(READY), line)
        self.url = line[len(READY) :].strip()
        quiet = contextlib.redirect_stdout(io.StringIO())
        quiet.__enter__()
        self.addCleanup(quiet.__exit__, None, None, None)

    def stop(self):
        self.process.terminate()
        self.assertEqual(self.process.wait(timeout=30), 0)
        self.process.stdout.close()

    def client(self, stage="a", nickname="anonymous"):
        client = distcompute_client.init(url=self.url, stage=stage, nickname=nickname)
        self.addCleanup(client.s.close)
        return client

    def post(self, call, **body):
        return requests.post(f"{self.url}/api/{call}", json=body, timeout=10)

    def state(self):
        return requests.get(self.url + "/test/state", timeout=10).json()


class Calls(OldTracker):
    def test_the_loop_of_the_documentation_does_all_jobs(self):
        client = self.client(nickname="Looper")
        self.assertEqual((client.project, client.stage_name), ("An older project", "CPU"))
        inputs = []
        while client.is_alive() and client.job_count() > 0:
            client.new_job()
            inputs.append(client.job["shard"])
            client.log(f"{len(inputs)} of 3")
            client.complete_job({"made from": client.job_id})
        self.assertEqual(sorted(inputs), [1, 2, 3])
        with self.assertRaisesRegex(ZeroJobError, "there are no new jobs available"):
            client.new_job()
        self.assertEqual(self.state()["leaderboard"], {"Looper": 3})
        client.bye()
        self.assertEqual(self.state()["workers"], [])

    def test_what_it_does_not_know_it_refuses_in_the_words_of_the_protocol(self):
        with self.assertRaisesRegex(ValueError, r"Invalid worker stage: 'x'\. Choose from 'a'/'b'"):
            self.client(stage="x")
        with self.assertRaisesRegex(ValueError, r"The worker stage 'c' is disabled\."):
            self.client(stage="c")
        client = self.client()
        with self.assertRaisesRegex(ZeroJobError, "You do not have an open job"):
            client.complete_job("x")
        with self.assertRaisesRegex(ZeroJobError, "not currently working on a job"):
            client.flag_invalid_data()
        client.bye()
        self.assertFalse(client.is_alive())
        with self.assertRaises(WorkerTimedOutError):
            client.new_job()
        answers = [
            (self.post("newJob"), 422, "Field required"),
            (self.post("completeJob", token=client.token, data=None), 422, "valid string"),
            (requests.post(self.url + "/api/bye", data='{"token":"x"}', timeout=10), 422, "object"),
            (self.post("sync", token=client.token, seq=1), 404, "Not Found"),
            (requests.get(self.url + "/api/newJob", timeout=10), 405, "Method Not Allowed"),
        ]
        for answer, status, text in answers:
            self.assertEqual(answer.status_code, status)
            self.assertIn(text, answer.text)

    def test_it_says_nothing_that_the_first_protocol_does_not_have(self):
        query = {"nickname": "n", "stage": "a"}
        answer = requests.get(self.url + "/api/new", params=query, timeout=10)
        self.assertEqual(set(answer.json()), {"token", "display_name", "project", "stage_name"})
        self.assertNotIn("Access-Control-Allow-Origin", answer.headers)
        self.assertEqual(requests.options(self.url + "/api/new", timeout=10).status_code, 405)


class Faults(OldTracker):
    flags = ("--jobs", "1", "--stage", "a=CPU", "--stage", "b=GPU", "--stage", "c=Check")

    def job(self):
        return self.state()["jobs"][0]

    def take(self, stage):
        token = self.client(stage=stage).token
        return token, self.post("newJob", token=token).json()["data"]

    def hand_on(self, stage, output):
        token, data = self.take(stage)
        self.assertEqual(self.post("completeJob", token=token, data=output).text, "200 OK")
        return data

    def test_an_output_overwrites_its_input_and_the_next_stage_is_handed_null(self):
        self.assertEqual(self.hand_on("a", "made"), '<!json!>{"shard":1}')
        self.assertEqual(self.job()["data"], {"a": "made", "b": None, "c": None})
        self.assertIsNone(self.take("b")[1])

    def test_a_repeated_completion_is_refused(self):
        token, _ = self.take("a")
        self.post("completeJob", token=token, data="x")
        again = self.post("completeJob", token=token, data="x")
        text = "This job has already been marked as completed."
        self.assertEqual((again.status_code, again.text), (403, text))

    def test_progress_of_somebody_unknown_is_welcome_and_long_progress_is_not(self):
        self.assertEqual(self.post("updateProgress", token="?", progress="x").text, "200 OK")
        token = self.client().token
        self.assertEqual(self.post("updateProgress", token=token, progress="x" * 256).status_code, 404)
        self.assertEqual(self.post("validateWorker", token=token).text, "True")

    def test_flags_at_the_first_stage_do_nothing(self):
        token, _ = self.take("a")
        for _ in range(7):
            self.assertEqual(self.post("flagInvalidData", token=token).status_code, 200)
            self.assertEqual(self.post("newJob", token=token).status_code, 200)
        self.assertEqual(self.job()["stage"], "a")

    def test_the_fifth_flag_at_the_second_stage_is_refused_and_the_job_stays(self):
        self.hand_on("a", "made")
        token, _ = self.take("b")
        for _ in range(4):
            self.assertEqual(self.post("flagInvalidData", token=token).status_code, 200)
            self.post("newJob", token=token)
        self.assertEqual(self.post("flagInvalidData", token=token).status_code, 422)
        self.assertTrue(self.job()["pending"])
        self.assertEqual(self.job()["stage"], "b")

    def test_the_fifth_flag_later_sends_the_job_back_without_its_input(self):
        self.hand_on("a", "made")
        self.hand_on("b", "seen")
        token, _ = self.take("c")
        for _ in range(5):
            self.assertEqual(self.post("flagInvalidData", token=token).status_code, 200)
            self.post("newJob", token=token)
        self.assertEqual((self.job()["stage"], self.job()["data"]["b"]), ("b", None))

    def test_what_its_database_does_not_take_is_an_internal_error(self):
        with self.assertRaisesRegex(ServerError, "Internal Server Error"):
            self.client(nickname="x" * 129)
        token, _ = self.take("a")
        for data in ("a\0b", "\ud800"):
            self.assertEqual(self.post("completeJob", token=token, data=data).status_code, 500)
        self.assertEqual(self.post("completeJob", token=token, data="good").status_code, 200)

    def test_an_idle_worker_is_gone_and_its_job_is_open_again(self):
        client = self.client()
        client.new_job()
        self.assertEqual(client.job_count(), 0)
        requests.post(self.url + "/test/forget", timeout=10)
        self.assertFalse(client.is_alive())
        self.assertEqual(client.job_count(), 1)


class Files(OldTracker):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        inside = pathlib.Path(self.folder.name, "page")
        inside.mkdir()
        (inside / "index.html").write_text("<p>hello", encoding="utf-8")
        (inside / "worker.js").write_text("work();", encoding="utf-8")
        (inside / "kernel.wasm").write_bytes(b"\0asm")
        jobs = pathlib.Path(self.folder.name, "jobs.jsonl")
        jobs.write_text('"shard_1.tar"\n[2]\n', encoding="utf-8")
        self.flags = ("--jsonl", str(jobs), "--files", f"/page={inside}", "--cors")
        super().setUp()

    def test_page_and_tracker_share_an_origin(self):
        for name, kind, content in (
            ("", "text/html", b"<p>hello"),
            ("worker.js", "text/javascript", b"work();"),
            ("kernel.wasm", "application/wasm", b"\0asm"),
        ):
            answer = requests.get(f"{self.url}/page/{name}", timeout=10)
            self.assertEqual((answer.status_code, answer.content), (200, content))
            self.assertEqual(answer.headers["Content-Type"].split(";")[0], kind)
        for path in ("/page/nothing", "/page/..%2Fjobs.jsonl", "/elsewhere"):
            self.assertEqual(requests.get(self.url + path, timeout=10).status_code, 404)

    def test_jobs_come_from_a_file_and_other_origins_may_call(self):
        data = [job["data"]["a"] for job in self.state()["jobs"]]
        self.assertEqual(data, ["shard_1.tar", "<!json!>" + json.dumps([2])])
        preflight = requests.options(self.url + "/api/newJob", timeout=10)
        self.assertEqual(preflight.headers["Access-Control-Allow-Headers"], "Content-Type")


if __name__ == "__main__":
    unittest.main()

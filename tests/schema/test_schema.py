"""Tests the tracker against its own OpenAPI document: valid and invalid requests get the documented
answers, and never an internal error.

Run with `npm run test:more -- schema`.
"""

import os
import pathlib
import subprocess
import sys
import unittest

import requests

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "python"))

from test_conformance import Tracker  # noqa: E402 - found by the line above

TOKEN = "a token of the tests"
CHECKS = ",".join(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    ]
)


class Schema(unittest.TestCase):
    def test_the_tracker_answers_as_its_document_says(self):
        tracker = Tracker([str(n) for n in range(500)], "--admin-token", TOKEN)
        self.addCleanup(lambda: self.assertEqual(tracker.close(), 0))
        tokens = [
            requests.get(
                f"{tracker.url}/api/new", {"nickname": "schema", "stage": stage}, timeout=10
            ).json()["token"]
            for stage in "aaab"
        ]
        env = {
            **tracker.env,
            "SCHEMATHESIS_HOOKS": "schema_hooks",
            "PYTHONPATH": str(HERE),
            "DISTCOMPUTE_TEST_TOKENS": ",".join(tokens),
        }
        command = [
            os.path.join(os.path.dirname(sys.executable), "schemathesis"),
            "run",
            f"{tracker.url}/api/openapi.json",
            "--header",
            f"Authorization: Bearer {TOKEN}",
            "--checks",
            CHECKS,
            # Reproducible cases, so that failures can be repeated.
            "--generation-deterministic",
            "--max-examples",
            "60",
            "--phases",
            "examples,coverage,fuzzing",
        ]
        done = subprocess.run(
            command, env=env, cwd=tracker.folder.name, capture_output=True, text=True, timeout=240
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        # Operations that could not be tested must not count as passed.
        self.assertNotIn("Serialization not possible", done.stdout)
        log = pathlib.Path(tracker.log.name).read_text(encoding="utf-8")
        self.assertNotIn("panicked", log)
        self.assertNotIn(TOKEN, log)

"""The rules of the package without a network: waits, lines, memory, types and the built package."""

import datetime
import json
import pathlib
import subprocess
import sys
import tracemalloc
import zipfile
from dataclasses import replace

import httpx
import pytest

import conftest

from distcompute_project import Project, Result, StageStatus, Status, operations
from distcompute_project.backoff import Backoff
from distcompute_project.effect import Answer
from distcompute_project.refusal import retry_after
from distcompute_project.text import Lines

PACKAGE = conftest.ROOT / "packages" / "python"


def test_waits_grow_at_random_and_end_with_the_patience():
    backoff = Backoff(600)
    assert [backoff.fail(0, 1) for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert backoff.fail(0, 0) == 15
    assert backoff.fail(0, 0.5, asked=100) == 101
    assert backoff.fail(590, 1, asked=0.5) == 1.5
    assert backoff.fail(590, 1) is None
    assert backoff.fail(0, 1, asked=601) is None
    backoff.succeed()
    assert backoff.fail(5_000, 1) == 0.5


def test_the_time_to_wait_is_a_number_or_a_date():
    now = datetime.datetime(2026, 11, 29, 12, 0, 0, tzinfo=datetime.timezone.utc)

    def asked(text):
        return retry_after(Answer(429, {"retry-after": text}), now)

    assert asked("7") == 7
    assert asked("Sun, 29 Nov 2026 12:01:00 GMT") == 60
    assert asked("Sun, 29 Nov 2026 11:00:00 GMT") == 0
    for nonsense in ("", "soon", "-1", "1e9", "9" * 400):
        assert asked(nonsense) is None


def test_lines_end_at_line_feeds_only():
    text = '{"a":"\u2028\x0b\x85"}\n\n{"b":1}\nrest'.encode()
    for size in (1, 2, 3, 1_000):
        lines = Lines()
        found = [
            line
            for at in range(0, len(text), size)
            for line in lines.feed(text[at : at + size])
        ]
        assert [line.decode() for line in found] == ['{"a":"\u2028\x0b\x85"}', '{"b":1}']
        assert lines.is_broken_off


class FakeTracker:
    """Answers as a tracker would that has each job done at once, and keeps nothing but counts."""

    def __init__(self):
        self.jobs = 0

    def __call__(self, request):
        path, query = request.url.path, request.url.params
        if path == "/api/jobs":
            count = request.content.count(b"\n")
            first, self.jobs = self.jobs + 1, self.jobs + count
            body = {"added": count, "numbers": [{"first": first, "last": self.jobs}]}
            return httpx.Response(200, json=body)
        if path == "/api/status":
            stage = {"stage": "a", "name": "A", "open": 0, "held": 0, "done": self.jobs}
            stage |= {"set_aside": 0, "workers": 0, "failed": 0}
            body = {"project": "x", "jobs": self.jobs, "closed": self.jobs, "set_aside": 0}
            return httpx.Response(200, json={**body, "stages": [stage]})
        if "numbers" in query:
            numbers = [int(number) for number in query["numbers"].split(",")]
        else:
            after, limit = int(query["after"]), int(query["limit"])
            numbers = range(after + 1, min(after + limit, self.jobs) + 1)
        lines = (json.dumps({"cursor": n, "number": n, "data": f"out {n}"}) + "\n" for n in numbers)
        kind = {"content-type": "application/x-ndjson"}
        return httpx.Response(200, headers=kind, content=(line.encode() for line in lines))


def peak_of(work):
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize("what", ["add", "results", "map"])
def test_memory_does_not_grow_with_the_number_of_inputs(what, monkeypatch):
    monkeypatch.setattr("distcompute_project.operations.PAGE_LINES", 200)

    def work(count):
        fake = FakeTracker()
        client = httpx.Client(transport=httpx.MockTransport(fake))
        project = Project("https://tracker.example.org", "a secret", http=client)
        inputs = (f"{number}" * 100 for number in range(count))
        if what == "map":
            outputs = project.map(inputs, progress=False, ahead=400, batch_jobs=200)
            assert sum(1 for _ in outputs) == count
        elif what == "add":
            assert project.add(inputs, batch_jobs=200).count == count
        else:
            fake.jobs = count
            assert sum(1 for _ in project.results()) == count

    work(100)
    small, large = (peak_of(lambda: work(count)) for count in (1_000, 8_000))
    # The inputs and outputs alone would be megabytes more.
    assert large < small + 200_000, (small, large)


def test_the_bar_says_why_a_project_rests():
    stage = StageStatus("a", "A", 3, 2, 0, 0, 0, 0, None)
    status = Status("x", 5, 0, 1, 1, None, None, (stage,))
    assert operations._shown(status) == "3 open, 2 in work, 1 failed, 1 volunteer"
    for message, shown in [("", "by the operator"), ("Back at 8.\nReally", "Back at 8.")]:
        paused = replace(status, stages=(replace(stage, paused=message),))
        assert operations._shown(paused) == f"stage a is paused: {shown}"


def test_a_result_that_ends_within_its_line_is_asked_for_again():
    tries = []

    def answer(request):
        tries.append(request.url.params["after"])
        whole = b'{"cursor":1,"number":1,"data":"one"}\n'
        kind = {"content-type": "application/x-ndjson"}
        parts = {1: whole[:20], 2: whole + whole[:9], 3: b""}
        return httpx.Response(200, headers=kind, content=parts[len(tries)])

    client = httpx.Client(transport=httpx.MockTransport(answer))
    project = Project("https://tracker.example.org", http=client)
    assert list(project.results("a", follow=False)) == [Result(1, 1, "one")]
    assert tries == ["0", "0", "1"]


def test_mypy_finds_nothing_and_callers_get_types(tmp_path):
    usage = tmp_path / "usage.py"
    usage.write_text(
        "from collections.abc import AsyncGenerator, Iterator\n"
        "from typing import assert_type\n"
        "from distcompute_project import *\n"
        "def f(project: Project, twin: AsyncProject) -> None:\n"
        "    assert_type(project.map([[1]]), Iterator[Json])\n"
        "    both = project.map([[1]], return_exceptions=True)\n"
        "    assert_type(both, Iterator[Json | JobFailedError])\n"
        "    assert_type(project.results(), Iterator[Result])\n"
        "    assert_type(twin.map([[1]]), AsyncGenerator[Json, None])\n"
        "    assert_type(project.status().stage('a').open, int)\n"
        "    project.requeue(numbrs=[1])  # type: ignore[call-arg]\n",
        encoding="utf-8",
    )
    config = str(PACKAGE / "pyproject.toml")
    paths = [str(PACKAGE / "src" / "distcompute_project"), str(usage)]
    command = [sys.executable, "-m", "mypy", "--config-file", config, "--strict"]
    command += ["--python-version", "3.11", "--cache-dir", str(tmp_path / "cache"), *paths]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env={"MYPYPATH": str(PACKAGE / "src")}
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_wheel_contains_the_package_and_its_types(tmp_path):
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PACKAGE)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = pathlib.Path(tmp_path).glob("*.whl")
    with zipfile.ZipFile(wheel) as built:
        names = set(built.namelist())
        (metadata,) = (built.read(name).decode() for name in names if name.endswith("/METADATA"))
    here = {f"distcompute_project/{file.name}" for file in PACKAGE.glob("src/*/*.py")}
    assert here | {"distcompute_project/py.typed"} <= names
    assert not [name for name in names if name.split("/")[0].startswith("test")]
    assert "Name: distcompute-project" in metadata and "tracker" in metadata

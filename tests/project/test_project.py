"""The package against a real tracker, with faults on the way."""

import ast
import asyncio
import datetime
import inspect
import itertools
import pickle
import re
import signal
import threading

import pytest

from conftest import ROOT, TOKEN

import distcompute_project as dc
from distcompute_project import AsyncProject, Project


def square(data):
    return [data[0] ** 2]


@pytest.fixture
def project(tracker):
    with Project(tracker.url, TOKEN) as project:
        yield project


@pytest.fixture
def faulty(proxy, monkeypatch):
    # The waits are real, and a hundredth as long.
    monkeypatch.setattr("distcompute_project.backoff.FIRST_S", 0.005)
    with Project(proxy.url, TOKEN, patience_s=20) as project:
        yield project


def test_inputs_come_back_as_outputs_in_their_order(project, tracker, volunteer):
    volunteer(tracker.url, square)
    inputs = ([number] for number in range(500))
    assert list(project.map(inputs, batch_jobs=64, ahead=200, poll_s=0.05)) == [
        [number**2] for number in range(500)
    ]
    status = project.status()
    assert (status.jobs, status.closed, status.is_done) == (500, 500, True)
    assert list(project.map([], progress=False)) == []


def test_texts_arrive_as_they_were(project, tracker, volunteer):
    inputs = ["", "plain", " two\nlines\r\n\u2028\x1f ", "ä🙂", ["\u2028", None, 1.5, 10**30], {"a": {}}]
    inputs += [("a", "tuple"), "<!json!>[]"]
    volunteer(tracker.url, lambda data: data)
    expected = [list(one) if isinstance(one, tuple) else one for one in inputs]
    # A text with the mark is JSON, here as everywhere.
    expected[-1] = []
    assert list(project.map(inputs, progress=False, poll_s=0.05)) == expected


def test_what_cannot_be_a_job_is_named(project, tracker):
    for bad, words in [
        (7, r"Input 2 is a int.*\[7\]"),
        (None, r"Input 2 is a NoneType.*\[null\]"),
        ([float("nan")], "Input 2 cannot be written as JSON"),
        ({"x": {1, 2}}, "Input 2 cannot be written as JSON.*set"),
        ("\ud800", "Input 2.*surrogate"),
        ("a\0b", r"The tracker does not accept input 2: .*U\+0000"),
        ("<!json!>nonsense", "The tracker does not accept input 2: "),
    ]:
        with pytest.raises(dc.InvalidJobError, match=words) as caught:
            project.add(["first", "second", bad])
        assert (caught.value.index, caught.value.code) == (2, "invalid_job")
    for inputs in ("text", b"bytes", {"a": 1}):
        for call in (project.add, project.map):
            with pytest.raises(dc.InvalidRequestError, match=r"one (str|bytes|dict).*\[input\]"):
                call(inputs)
    assert tracker.jobs() == 0
    with pytest.raises(dc.InvalidJobError, match="input 5: .* 4 inputs before it were added"):
        project.add(["1", "2", "3", "4", "5", "\0"], batch_jobs=2)
    assert tracker.jobs() == 4


def test_results_are_followed_until_the_project_is_done(project, tracker, volunteer):
    added = project.add([[number] for number in range(100)])
    assert (added.count, added.ranges) == (100, (range(1, 101),))
    assert list(project.results(follow=False)) == []
    found = []
    following = threading.Thread(target=lambda: found.extend(project.results(poll_s=0.05)))
    following.start()
    volunteer(tracker.url, square)
    following.join(30)
    assert sorted(result.number for result in found) == list(added.numbers)
    assert all(result.data == [(result.number - 1) ** 2] for result in found)
    cursors = [result.cursor for result in found]
    assert cursors == sorted(cursors)
    behind = list(project.results(after=cursors[59]))
    assert behind == found[60:]
    assert [r.number for r in project.fetch([7, 3, 1000])] in ([3, 7], [7, 3])
    assert len(list(project.fetch(range(1, 1000)))) == 100


def test_following_ends_on_request(project):
    project.add(["never done"])
    stop = threading.Event()
    results = project.results(poll_s=60, stop=stop)
    ended = threading.Thread(target=lambda: list(results))
    ended.start()
    stop.set()
    ended.join(30)
    assert not ended.is_alive()


def test_each_stage_is_followed_to_its_own_end(start, volunteer):
    tracker = start("--stage", "a=Make", "--stage", "b=Check")
    with Project(tracker.url, TOKEN) as project:
        project.add([[3], [4]])
        volunteer(tracker.url, square)
        # Nobody works at the last stage, and the results of the first one are complete.
        assert sorted(r.data[0] for r in project.results("a", poll_s=0.05)) == [9, 16]
        assert project.status().stage("b").open == 2
        volunteer(tracker.url, lambda data: f"checked {data[0]}", "b")
        assert sorted(r.data for r in project.results(poll_s=0.05)) == ["checked 16", "checked 9"]
        with pytest.raises(dc.InvalidRequestError, match="'c' is disabled") as caught:
            next(project.results("c"))
        assert caught.value.code == "stage_disabled"


@pytest.mark.parametrize("fault", ["drop", "lose", "cut", 503, 502, 429])
def test_jobs_are_added_once_whatever_happens_to_the_connection(fault, faulty, proxy, tracker):
    proxy.path = "/api/jobs"
    proxy.faults.extend([fault, None, fault, fault])
    proxy.headers = {"Retry-After": "0"} if fault in (503, 429) else {}
    added = faulty.add(([number] for number in range(30)), batch_jobs=10)
    assert added.ranges == (range(1, 31),)
    assert tracker.jobs() == 30
    assert len(proxy.seen) == 6


@pytest.mark.parametrize("fault", ["drop", "lose", "cut", 503, 429])
def test_results_come_once_whatever_happens_to_the_connection(
    fault, faulty, proxy, tracker, volunteer
):
    faulty.add([[number] for number in range(200)])
    volunteer(tracker.url, square)
    proxy.faults.extend([None, fault] * 8)
    numbers = [result.number for result in faulty.results(poll_s=0.02)]
    assert sorted(numbers) == list(range(1, 201))
    assert len(proxy.faults) <= 14


def test_a_tracker_that_asks_to_wait_is_asked_again_after_that(faulty, proxy, tracker, caplog):
    proxy.path = "/api/jobs"
    proxy.faults.append(429)
    proxy.headers = {"Retry-After": "1"}
    before = datetime.datetime.now()
    faulty.add(["one"])
    assert datetime.datetime.now() - before >= datetime.timedelta(seconds=1)
    assert "answers 429" in caplog.text
    assert TOKEN not in caplog.text


def test_patience_ends(tracker, proxy):
    proxy.faults.extend([503] * 1_000)
    with Project(proxy.url, TOKEN, patience_s=0.2) as project:
        with pytest.raises(dc.UnreachableError, match="Check that it runs") as caught:
            project.status()
        assert (caught.value.code, caught.value.status) == ("unavailable", 503)
        with pytest.raises(dc.UnreachableError, match="with key='mine' adds the rest") as caught:
            project.add(["one"], key="mine")
        assert caught.value.key == "mine"
    with Project("http://127.0.0.1:9", TOKEN, patience_s=0.2) as project:
        with pytest.raises(dc.UnreachableError) as caught:
            project.status()
        assert caught.value.code == "unreachable"


def test_a_call_with_a_key_is_repeated_after_a_crash(project, tracker, volunteer):
    inputs = [[number] for number in range(25)]

    def broken_off():
        yield from inputs[:17]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        project.add(broken_off(), key="mine", batch_jobs=10)
    assert tracker.jobs() == 10
    added = project.add(inputs, key="mine", batch_jobs=10)
    assert (added.count, added.ranges) == (25, (range(1, 26),))
    assert project.add(inputs, key="mine", batch_jobs=10) == added
    assert tracker.jobs() == 25
    with pytest.raises(dc.KeyReusedError, match="begins at input 10 differs") as caught:
        project.add(inputs[:12] + inputs[:5], key="mine", batch_jobs=10)
    assert (caught.value.code, caught.value.status) == ("key_reused", 409)
    volunteer(tracker.url, square)
    mapped = project.map(inputs, key="mine", batch_jobs=10, poll_s=0.05, progress=False)
    assert [data[0] for data in mapped] == [number**2 for number in range(25)]
    assert tracker.jobs() == 25
    for key in ("", "a b", "ä", "x" * 101):
        with pytest.raises(dc.InvalidRequestError, match="key is"):
            project.add(inputs, key=key)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_tracker_that_is_restarted_is_waited_for(how, tracker, volunteer):
    with Project(tracker.url, TOKEN, patience_s=60) as project:

        def inputs():
            for number in range(40):
                if number == 25:
                    tracker.end(how)
                    threading.Timer(0.3, tracker.start).start()
                yield [number]

        assert project.add(inputs(), batch_jobs=10).count == 40
        assert tracker.jobs() == 40
        results = project.results(poll_s=0.05)
        worker = volunteer(tracker.url, square)
        first = list(itertools.islice(results, 5))
        worker.end()
        tracker.end(how)
        tracker.start()
        volunteer(tracker.url, square)
        numbers = [result.number for result in [*first, *results]]
        assert sorted(numbers) == list(range(1, 41))


def test_failed_jobs_are_reported_in_their_turn_and_done_again(start, volunteer):
    tracker = start("--max-attempts", "1", "--pause-after", "0")
    with Project(tracker.url, TOKEN) as project:
        bad = volunteer(tracker.url, lambda data: [100 // data[0]])
        outputs = list(
            project.map([[1], [0], [50]], return_exceptions=True, progress=False, poll_s=0.05)
        )
        assert (outputs[0], outputs[2]) == ([100], [2])
        error = outputs[1]
        assert isinstance(error, dc.JobFailedError)
        assert (error.job.number, error.job.input) == (2, [0])
        assert "division" in str(error) and "requeue" in str(error)
        assert str(pickle.loads(pickle.dumps(error))) == str(error)
        with pytest.raises(dc.JobFailedError):
            list(project.map([[0]], progress=False, poll_s=0.05))
        assert [job.number for job in project.set_aside()] == [2, 4]
        assert "division" in next(project.set_aside()).errors[0].error
        bad.end()
        tried = project.requeue(dry_run=True)
        assert (tried.count, tried.numbers) == (2, (2, 4))
        # More numbers than one request has.
        named = project.requeue([2, *range(1_000, 2_500)])
        assert (named.count, [left.number for left in named.left]) == (1, list(range(1_000, 2_500)))
        assert project.requeue(older_than=datetime.timedelta(days=1)).count == 0
        assert project.requeue().count == 1
        volunteer(tracker.url, lambda data: ["better"])
        found = {result.number: result.data for result in project.results(poll_s=0.05)}
        assert found == {1: [100], 2: ["better"], 3: [2], 4: ["better"]}
        now = datetime.datetime.now(datetime.timezone.utc)
        since = now - datetime.timedelta(hours=1)
        wrong = project.requeue(nickname="Ann", result_contains="better", since=since, dry_run=True)
        assert wrong.numbers == (2, 4) and wrong.sources[0].results == 2
        assert wrong.discarded == {"a": 2}
        ranged = project.requeue(range(4, 2, -1), dry_run=True)
        assert ranged.numbers == (3, 4)
        everything = project.requeue(states=["done", "open"], to="a", dry_run=True)
        assert everything.numbers == (1, 2, 3, 4)
        assert project.requeue(states=["set_aside", "failed"], dry_run=True).count == 0
        with pytest.raises(dc.InvalidRequestError):
            project.requeue(states=["finished"])
        with pytest.raises(dc.InvalidRequestError, match="states is a text"):
            project.requeue(states="done")
        with pytest.raises(dc.InvalidRequestError, match="no time zone"):
            project.requeue(since=datetime.datetime(2026, 1, 1))
        with pytest.raises(dc.InvalidRequestError, match="numbers is empty"):
            project.requeue([])


def test_a_requeue_whose_answer_is_lost_is_not_repeated(faulty, proxy):
    proxy.path = "/api/requeue"
    proxy.faults.append("lose")
    with pytest.raises(dc.UnreachableError, match="may or may not have done this"):
        faulty.requeue()
    proxy.faults.extend([503, "drop"])
    with pytest.raises(dc.UnreachableError):
        faulty.requeue()
    assert faulty.requeue().count == 0


def test_a_tracker_behind_a_path_is_found(start, volunteer):
    tracker = start("--base-path", "/far/away")
    url = tracker.url if tracker.url.endswith("/far/away") else tracker.url + "/far/away"
    volunteer(url, square)
    for address in (url, url + "/", f" {url} "):
        with Project(address, TOKEN + "\n") as project:
            assert list(project.map([[5]], progress=False, poll_s=0.05)) == [[25]]
    with Project(url.removesuffix("/away"), TOKEN) as project:
        with pytest.raises(dc.WrongAddressError, match="path"):
            project.status()


def test_wrong_addresses_and_tokens_are_explained(tracker, proxy):
    for url in ("tracker.example.org", "ftp://x", "http://", "http://a:b@x", "http://x?y", "", "http://[", 7):
        with pytest.raises(dc.WrongAddressError) as caught:
            Project(url, TOKEN)
        assert caught.value.code == "invalid_url"
    for token in ("", " ", "a\nb", "ä"):
        with pytest.raises(dc.NotAllowedError):
            Project(tracker.url, token)
    with pytest.warns(UserWarning, match="unencrypted"):
        Project("http://tracker.example.org", TOKEN).close()
    for token in (None, "a wrong secret of some length"):
        with Project(tracker.url, token) as project:
            assert project.status().jobs == 0
            with pytest.raises(dc.NotAllowedError, match="admin_token") as caught:
                project.add(["one"])
            assert (caught.value.code, caught.value.status) == ("not_allowed", 401)
            with pytest.raises(dc.NotAllowedError):
                next(project.results())
    with Project(proxy.url, TOKEN) as project:
        for status, headers, kind, code in [
            (200, {"Content-Type": "text/html"}, dc.WrongAddressError, "not_a_tracker"),
            (200, {"Content-Type": "application/json"}, dc.ServerError, "bad_answer"),
            (302, {"Location": "https://elsewhere.example"}, dc.WrongAddressError, "moved"),
            (404, {}, dc.WrongAddressError, "not_a_tracker"),
            (407, {}, dc.NotAllowedError, "not_allowed"),
            (413, {}, dc.InvalidRequestError, "too_large"),
            (500, {}, dc.ServerError, "internal"),
        ]:
            proxy.faults.append(status)
            proxy.headers = headers
            with pytest.raises(kind) as caught:
                project.status()
            assert caught.value.code == code
        assert TOKEN not in repr(project) + repr(project._cx)


def test_large_results_arrive(start, volunteer):
    tracker = start("--max-body", str(1 << 20))
    with Project(tracker.url, TOKEN) as project:
        # Each is nearly as large as an answer may be.
        volunteer(tracker.url, lambda data: data * 900_000, want=1)
        outputs = project.map(list("abcde"), progress=False, poll_s=0.05)
        assert [(data[0], len(data)) for data in outputs] == [(one, 900_000) for one in "abcde"]
        assert sum(len(result.data) for result in project.results(follow=False)) == 4_500_000
        assert sum(len(result.data) for result in project.fetch(range(1, 6))) == 4_500_000


def test_the_twin_for_asyncio_does_the_same(start, volunteer):
    tracker = start("--max-attempts", "1", "--pause-after", "0")

    async def inputs():
        for number in (1, 2, 0, 5):
            await asyncio.sleep(0)
            yield [number]

    async def main():
        async with AsyncProject(tracker.url, TOKEN, patience_s=20) as project:
            mapped = project.map(inputs(), return_exceptions=True, progress=False, poll_s=0.05)
            outputs = [output async for output in mapped]
            assert [outputs[at] for at in (0, 1, 3)] == [[10], [5], [2]]
            assert isinstance(outputs[2], dc.JobFailedError)
            assert [job.number async for job in project.set_aside()] == [3]
            assert (await project.requeue([3])).count == 1
            found = [result.number async for result in project.results(poll_s=0.05)]
            assert sorted(found) == [1, 2, 4]
            fetched = [result.data async for result in project.fetch([2])]
            assert fetched == [[5]]
            added = await project.add([[5], [10]], key="mine", progress=True)
            assert (await project.add([[5], [10]], key="mine")) == added
            assert (await project.status()).jobs == 6
            with pytest.raises(dc.KeyReusedError):
                await project.add([[6]], key="mine")
            tracker.end(signal.SIGKILL)
            threading.Timer(0.3, tracker.start).start()
            assert (await project.status()).jobs == 6

            await asyncio.to_thread(worker.end)
            await project.add(["never done"])
            stop = asyncio.Event()
            on_request = asyncio.ensure_future(read(project.results(poll_s=60, stop=stop)))
            cancelled = asyncio.ensure_future(read(project.results(poll_s=60)))
            stop.set()
            # Not at the end of its wait for more.
            await asyncio.wait_for(on_request, 30)
            cancelled.cancel()
            with pytest.raises(asyncio.CancelledError):
                await cancelled

    async def read(values):
        return [value async for value in values]

    worker = volunteer(tracker.url, lambda data: [10 // data[0]])
    asyncio.run(main())


def test_progress_is_shown_and_ends_with_the_outputs(project, tracker, volunteer, capsys):
    volunteer(tracker.url, square)
    assert len(list(project.map([[1]] * 20, poll_s=0.05))) == 20
    shown = capsys.readouterr().err
    assert "20/20" in shown and "mapping" in shown
    assert list(project.map([[2]], progress=False, poll_s=0.05)) == [[4]]
    assert capsys.readouterr().err == ""


def test_two_threads_share_a_project(project, tracker):
    faults = []

    def add(letter):
        try:
            project.add([f"{letter}{number}" for number in range(100)], batch_jobs=7)
        except Exception as fault:
            faults.append(fault)

    threads = [threading.Thread(target=add, args=(letter,)) for letter in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert faults == []
    assert tracker.jobs() == 400


def test_the_examples_of_the_guide_run(start, volunteer, tmp_path, monkeypatch):
    tracker = start()
    volunteer(tracker.url, lambda data: data)
    (tmp_path / "admin-token").write_text(TOKEN + "\n")
    monkeypatch.chdir(tmp_path)
    stored = []

    async def store(output):
        stored.append(output)

    names = {"store": stored.append, "save_position": stored.append, "token": TOKEN}
    guide = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", guide, re.DOTALL | re.MULTILINE)
    for block in blocks:
        code = block.replace("https://tracker.example.org", tracker.url)
        project = names.get("project")
        compiled = compile(code, "docs/python.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        if compiled.co_flags & inspect.CO_COROUTINE:
            names |= {"AsyncProject": AsyncProject, "store": store}
            asyncio.run(eval(compiled, names))
            project.close()
        else:
            exec(compiled, names)
    assert len(blocks) >= 6
    assert stored.count({"seed": 999}) == 2

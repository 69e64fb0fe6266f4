"""The operations on a project, as generators of effects: all rules, and no I/O."""

from __future__ import annotations

import datetime
import json
import logging
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import refusal
from .backoff import Backoff
from .effect import (
    END,
    Answer,
    Broken,
    Emit,
    Flow,
    Open,
    Read,
    Request,
    Send,
    Show,
    Take,
    Wait,
)
from .errors import (
    DistcomputeError,
    InvalidJobError,
    InvalidRequestError,
    JobFailedError,
    KeyReusedError,
    UnreachableError,
)
from .model import Added, FailedJob, Requeued, Result, Status, requeued_of, status_of
from .text import Lines, bad_answer, failed_of, line_of, result_of

log = logging.getLogger("distcompute_project")

BATCH_JOBS = 5_000
BATCH_BYTES = 1 << 20
"""The size of a request that adds jobs: what the tracker adds in one transaction."""

PAGE_LINES = 10_000
"""How many results are asked for at once; the tracker's limit, which also bounds the bytes."""

NUMBERS = 100
"""How many results can be asked for by their numbers."""

REQUEUED_AT_ONCE = 1_000
"""How many numbers one request to requeue jobs has; the tracker limits its size."""

FIRST_POLL_S = 0.25
"""The first wait for something new. Each further one is half as long again, up to `poll_s`."""

KEPT_BYTES = 64 << 20
"""Once the outputs that `map` holds back for their turn are larger than this, it fetches only the
next one."""

LONGEST_KEY = 100


@dataclass
class Context:
    """What all operations on a project share."""

    address: str
    token: str | None = field(repr=False)
    patience_s: float
    clock: Callable[[], float]
    random: Callable[[], float]
    """From 0 to 1."""


@dataclass
class Batch:
    """The lines of one request that adds jobs."""

    index: int
    """The position of the first input."""
    lines: list[bytes] = field(default_factory=list)
    bytes: int = 0


def _request(cx: Context, request: Request) -> Request:
    headers = dict(request.headers)
    if cx.token is not None:
        headers["Authorization"] = f"Bearer {cx.token}"
    return Request(request.method, request.path, request.query, headers, request.body)


def _pause(
    cx: Context,
    backoff: Backoff,
    why: str,
    *,
    asked: float | None = None,
    error: DistcomputeError | None = None,
) -> Flow[None]:
    """Waits before the next attempt, or raises the error if that would take too long."""
    wait = backoff.fail(cx.clock(), cx.random(), asked)
    if wait is None:
        what = f"gave no usable answer to {backoff.failures} attempts, for {cx.patience_s:g} s: {why}"
        raise UnreachableError(
            error.code if error else "unreachable",
            f"The tracker at {cx.address} {what}. Check that it runs and that this machine reaches it, "
            "and call again; a higher patience_s waits longer.",
            status=error.status if error else None,
        )
    log.warning("%s: %s; the next attempt is in %.1f s", cx.address, why, wait)
    yield Wait(wait)


def _call(cx: Context, request: Request, *, may_repeat: bool = True) -> Flow[Answer]:
    """Makes a call until it has an answer that is final, and returns it if its status is 200.

    With `may_repeat=False` it is not made again if the tracker may have carried it out.
    """
    backoff = Backoff(cx.patience_s)
    request = _request(cx, request)
    while True:
        asked, error = None, None
        try:
            answer: Answer = yield Send(request)
        except Broken as broken:
            if broken.is_final or (broken.was_sent and not may_repeat):
                raise _lost(cx, broken) from broken
            why = str(broken)
        else:
            if answer.status == 200:
                return answer
            error = refusal.refused(answer, cx.address)
            if not refusal.is_temporary(answer):
                raise error
            asked, why = refusal.retry_after(answer), str(error)
        yield from _pause(cx, backoff, why, asked=asked, error=error)


def _lost(cx: Context, broken: Broken) -> UnreachableError:
    if broken.is_final:
        message = f"The tracker at {cx.address} cannot be reached safely: {broken}."
    else:
        message = (
            f"The connection to {cx.address} broke before the answer ({broken}), so the tracker may or "
            "may not have done this. Look at status(); it can be called again."
        )
    return UnreachableError("unreachable", message)


def _json(cx: Context, request: Request, *, may_repeat: bool = True) -> Flow[Any]:
    """Makes a call whose answer is JSON, and returns that."""
    answer = yield from _call(cx, request, may_repeat=may_repeat)
    if not refusal.is_of(answer, "application/json"):
        raise refusal.no_tracker(answer, cx.address)
    try:
        return json.loads(answer.body)
    except ValueError as error:
        raise bad_answer(error) from error


def status(cx: Context) -> Flow[Status]:
    """Reads the progress of the project."""
    answer = yield from _json(cx, Request("GET", "/api/status"))
    try:
        return status_of(answer)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise bad_answer(repr(error)) from error


def _last_stage(cx: Context) -> Flow[str]:
    found = yield from status(cx)
    return found.stages[-1].stage


def key_of(key: str | None) -> str:
    """The given key, or a new one."""
    if key is None:
        return uuid.uuid4().hex
    if not (0 < len(key) <= LONGEST_KEY) or not all("!" <= letter <= "~" for letter in key):
        raise InvalidRequestError(
            "invalid_argument",
            f"key is {key!r}, and must have 1 to {LONGEST_KEY} visible ASCII characters without spaces.",
        )
    return key


def check_inputs(inputs: object) -> None:
    """Refuses what Python could iterate, and nobody means as a list of inputs."""
    if isinstance(inputs, (str, bytes, bytearray, dict)):
        name = type(inputs).__name__
        raise InvalidRequestError(
            "invalid_argument",
            f"The inputs are one {name}. Give an iterable of inputs, for one input [input].",
        )


class Adder:
    """Adds inputs in batches, each of which is added once however often it is sent."""

    def __init__(self, cx: Context, key: str, batch_jobs: int, batch_bytes: int) -> None:
        for name, value in (("batch_jobs", batch_jobs), ("batch_bytes", batch_bytes)):
            if value < 1:
                raise InvalidRequestError(
                    "invalid_argument", f"{name} is {value}, and must be at least 1."
                )
        self._cx = cx
        self._key = key
        self._batch_jobs = batch_jobs
        self._batch_bytes = batch_bytes
        self._batches = 0
        self._inputs = 0
        self._next: bytes | None = None
        self.is_done = False
        """Whether all inputs were added."""
        self.added = 0
        """How many inputs were added."""

    def step(self) -> Flow[list[range]]:
        """Adds the next batch, and returns the numbers of its jobs."""
        try:
            batch = yield from self._collect()
            if not batch.lines:
                return []
            numbers = yield from self._send(batch)
        except DistcomputeError as error:
            error.key = self._key
            raise
        self.added += len(batch.lines)
        return numbers

    def _collect(self) -> Flow[Batch]:
        batch = Batch(self._inputs)
        while len(batch.lines) < self._batch_jobs:
            line = self._next
            self._next = None
            if line is None:
                job = yield Take()
                if job is END:
                    self.is_done = True
                    break
                line = line_of(self._inputs, job)
                self._inputs += 1
            if batch.lines and batch.bytes + len(line) > self._batch_bytes:
                # Begins the next batch.
                self._next = line
                break
            batch.lines.append(line)
            batch.bytes += len(line)
        # An input that waits for the next batch is not one of this.
        batch.index = self._inputs - len(batch.lines) - (self._next is not None)
        return batch

    def _send(self, batch: Batch) -> Flow[list[range]]:
        headers = {
            "Idempotency-Key": f"{self._key}.{self._batches}",
            "Content-Type": "application/x-ndjson",
        }
        body = b"".join(batch.lines)
        request = Request("POST", "/api/jobs", headers=headers, body=body)
        try:
            answer = yield from _json(self._cx, request)
        except KeyReusedError as error:
            raise KeyReusedError(
                error.code,
                f"The key {self._key!r} was used before with other inputs: the batch that begins at "
                f"input {batch.index} differs. Repeat a call with the same inputs in the same order and "
                "the same batch sizes, and use another key for other inputs.",
                status=error.status,
            ) from None
        except InvalidRequestError as error:
            raise self._place(error, batch) from None
        except UnreachableError as error:
            message = (
                f"{error} {self.added} inputs were added, and perhaps the batch after them: the same "
                f"call with key={self._key!r} adds the rest, and nothing twice."
            )
            raise UnreachableError(error.code, message, status=error.status) from None
        self._batches += 1
        try:
            numbers = [range(int(one["first"]), int(one["last"]) + 1) for one in answer["numbers"]]
        except (KeyError, TypeError, ValueError) as error:
            raise bad_answer(repr(error)) from error
        if sum(map(len, numbers)) != len(batch.lines):
            raise bad_answer(
                f"{len(batch.lines)} jobs were sent, and it names others; a tracker that is older than "
                "this package does not know idempotency keys"
            )
        return numbers

    def _place(self, error: InvalidRequestError, batch: Batch) -> InvalidRequestError:
        """Names the input that the tracker does not accept, instead of the line of the batch."""
        found = str(error).partition("(body line ")[2].partition(")")[0]
        if not found.isdecimal():
            return error
        index = batch.index + int(found) - 1
        why = str(error).partition(": ")[2].partition(" (body line ")[0]
        why = why.replace(" Nothing was added.", "").rstrip(".")
        return InvalidJobError(
            index,
            f"The tracker does not accept input {index}: {why}. {self.added} inputs before it were "
            "added; correct this one, and add the rest.",
            status=error.status,
        )


def merged(ranges: list[range], more: Iterable[range]) -> None:
    """Appends ranges to a list, as few as they are."""
    for part in more:
        if ranges and ranges[-1].stop == part.start:
            ranges[-1] = range(ranges[-1].start, part.stop)
        else:
            ranges.append(part)


def add(cx: Context, key: str, batch_jobs: int, batch_bytes: int) -> Flow[Added]:
    """Adds all inputs."""
    adder = Adder(cx, key, batch_jobs, batch_bytes)
    ranges: list[range] = []
    while not adder.is_done:
        before = adder.added
        merged(ranges, (yield from adder.step()))
        yield Show(adder.added - before)
    return Added(adder.added, tuple(ranges), key)


class _Poll:
    """How long to wait for something new: longer each time that there was nothing."""

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        self.found()

    def found(self) -> None:
        self._next_s = min(FIRST_POLL_S, self._longest_s)

    def wait(self) -> Flow[None]:
        yield Wait(self._next_s)
        self._next_s = min(self._next_s * 1.5, self._longest_s)


def results(
    cx: Context, stage: str | None, after: int, follow: bool, poll_s: float
) -> Flow[None]:
    """Emits the results of a stage, and follows the project until no more can come."""
    if stage is None:
        stage = yield from _last_stage(cx)
    reader = _Reader(cx, stage, after)
    poll = _Poll(poll_s)
    is_last = not follow
    while True:
        count = yield from reader.page()
        if count > 0:
            poll.found()
            continue
        if is_last:
            return
        # What was finished when the status was read is among the results that are read after it.
        is_last = not _may_come(stage, (yield from status(cx)))
        if not is_last:
            yield from poll.wait()


def _may_come(stage: str, found: Status) -> bool:
    """Whether there are jobs that have not passed this stage, and can."""
    return any(one.stage <= stage and one.open + one.held > 0 for one in found.stages)


class _Reader:
    """Reads results page by page, and continues behind the last complete line."""

    def __init__(self, cx: Context, stage: str, after: int) -> None:
        self._cx = cx
        self._stage = stage
        self._after = after
        self._backoff = Backoff(cx.patience_s)

    def page(self) -> Flow[int]:
        """Emits the results of the next page, and returns how many there were; 0 is the end."""
        while True:
            asked, error = None, None
            before = self._after
            count = 0
            query = {"stage": self._stage, "after": str(before), "limit": str(PAGE_LINES)}
            request = _request(self._cx, Request("GET", "/api/results", query))
            try:
                answer: Answer = yield Open(request)
                if answer.status == 200:
                    if not refusal.is_of(answer, "application/x-ndjson"):
                        raise refusal.no_tracker(answer, self._cx.address)
                    lines = Lines()
                    while chunk := (yield Read()):
                        for line in lines.feed(chunk):
                            result = result_of(line)
                            self._after = result.cursor
                            count += 1
                            self._backoff.succeed()
                            yield Emit(result)
                    if count > 0 or not lines.is_broken_off:
                        self._backoff.succeed()
                        return count
                    raise Broken("an answer ended within a line", was_sent=True)
                error = refusal.refused(answer, self._cx.address)
                if not refusal.is_temporary(answer):
                    raise error
                asked, why = refusal.retry_after(answer), str(error)
            except Broken as broken:
                if broken.is_final:
                    raise _lost(self._cx, broken) from broken
                why = str(broken)
            yield from _pause(self._cx, self._backoff, why, asked=asked, error=error)


def _outputs(cx: Context, stage: str, numbers: Sequence[int]) -> Flow[list[tuple[Result, int]]]:
    """The existing outputs of these jobs with their sizes, perhaps not all if they are large."""
    query = {"stage": stage, "numbers": ",".join(map(str, numbers))}
    answer = yield from _call(cx, Request("GET", "/api/results", query))
    if not refusal.is_of(answer, "application/x-ndjson"):
        raise refusal.no_tracker(answer, cx.address)
    lines = Lines()
    return [(result_of(line), len(line)) for line in lines.feed(answer.body)]


def fetch(cx: Context, stage: str | None, numbers: Iterable[int]) -> Flow[None]:
    """Emits the outputs of jobs that have one, by their numbers."""
    if stage is None:
        stage = yield from _last_stage(cx)
    waiting = iter(numbers)
    while window := [number for number, _ in zip(waiting, range(NUMBERS))]:
        while window:
            found = yield from _outputs(cx, stage, window)
            for result, _ in found:
                yield Emit(result)
            # The last ones may have been left out because they are large.
            seen = {result.number for result, _ in found}
            window = [number for number in window if number not in seen] if found else []


def set_aside(cx: Context) -> Flow[None]:
    """Emits the jobs that are set aside, by number."""
    start: int | None = 1
    while start is not None:
        jobs, start = yield from _set_aside_page(cx, start)
        for job in jobs:
            yield Emit(job)


def _set_aside_page(cx: Context, start: int) -> Flow[tuple[list[FailedJob], int | None]]:
    answer = yield from _json(cx, Request("GET", "/api/setAside", {"from": str(start)}))
    try:
        return [failed_of(job) for job in answer["jobs"]], answer["next"]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise bad_answer(repr(error)) from error


class _Pending:
    """The numbers of the jobs of `map` whose turn has not come, in the order of the inputs."""

    def __init__(self) -> None:
        self._ranges: deque[range] = deque()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def extend(self, ranges: Iterable[range]) -> None:
        for part in ranges:
            self._ranges.append(part)
            self._count += len(part)

    def first(self, count: int) -> list[int]:
        found: list[int] = []
        for part in self._ranges:
            found.extend(part[: count - len(found)])
            if len(found) == count:
                break
        return found

    def pop(self) -> None:
        part = self._ranges.popleft()
        self._count -= 1
        if len(part) > 1:
            self._ranges.appendleft(part[1:])


def map_inputs(
    cx: Context,
    key: str,
    *,
    ahead: int,
    poll_s: float,
    batch_jobs: int,
    batch_bytes: int,
    return_exceptions: bool,
) -> Flow[None]:
    """Adds all inputs, and emits the output of each in its turn.

    Outputs are fetched by the numbers of the next jobs in turn, so that memory holds a few of them,
    whatever else is finished.
    """
    if ahead < 1:
        raise InvalidRequestError(
            "invalid_argument", f"ahead is {ahead}, and must be at least 1."
        )
    stage = yield from _last_stage(cx)
    adder = Adder(cx, key, min(batch_jobs, ahead), batch_bytes)
    pending = _Pending()
    found: dict[int, tuple[Result, int]] = {}
    poll = _Poll(poll_s)
    try:
        while True:
            has_added = not adder.is_done and len(pending) < ahead
            if has_added:
                pending.extend((yield from adder.step()))
            elif len(pending) == 0:
                return
            yield from _next_outputs(cx, stage, pending, found)
            count = 0
            while len(pending) > 0:
                head = pending.first(1)[0]
                if head not in found:
                    break
                output, _ = found.pop(head)
                pending.pop()
                count += 1
                yield Emit(output.data)
            if count > 0:
                poll.found()
                continue
            if has_added or len(pending) == 0:
                continue
            now = yield from status(cx)
            yield Show(text=_shown(now))
            if now.set_aside > 0:
                jobs, _ = yield from _set_aside_page(cx, head)
                failed = next((job for job in jobs if job.number == head), None)
                if failed:
                    error = JobFailedError(failed)
                    if not return_exceptions:
                        raise error
                    pending.pop()
                    yield Emit(error)
                    continue
            yield from poll.wait()
    except DistcomputeError as error:
        error.key = key
        raise


def _next_outputs(
    cx: Context, stage: str, pending: _Pending, found: dict[int, tuple[Result, int]]
) -> Flow[None]:
    """Fetches those of the next outputs that are there."""
    is_full = sum(size for _, size in found.values()) > KEPT_BYTES
    window = [number for number in pending.first(1 if is_full else NUMBERS) if number not in found]
    if window:
        for result, size in (yield from _outputs(cx, stage, window)):
            found[result.number] = (result, size)


def _shown(now: Status) -> str:
    """The state of the project, for the progress bar."""
    paused = next((stage for stage in now.stages if stage.paused is not None), None)
    if paused:
        lines = (paused.paused or "").splitlines()
        return f"stage {paused.stage} is paused: {lines[0][:60] if lines else 'by the operator'}"
    waiting = sum(stage.open for stage in now.stages)
    held = sum(stage.held for stage in now.stages)
    aside = f", {now.set_aside} failed" if now.set_aside else ""
    people = "1 volunteer" if now.volunteers == 1 else f"{now.volunteers} volunteers"
    return f"{waiting} open, {held} in work{aside}, {people}"


@dataclass(frozen=True)
class RequeueFilter:
    """Which jobs are worked on again; see `Project.requeue`."""

    numbers: Iterable[int] | None
    states: Iterable[str] | None
    stage: str | None
    to: str | None
    older_than: datetime.timedelta | float | None
    nickname: str | None
    result_contains: str | None
    address: str | None
    since: datetime.datetime | None
    until: datetime.datetime | None
    dry_run: bool

    def bodies(self) -> list[dict[str, object]]:
        """The bodies of the requests, of which there are several if there are many numbers."""
        if self.numbers is None:
            return [self._body({})]
        if isinstance(self.numbers, range) and abs(self.numbers.step) == 1 and self.numbers:
            ends = self.numbers[0], self.numbers[-1]
            return [self._body({"ranges": [[min(ends), max(ends)]]})]
        numbers = [int(number) for number in self.numbers]
        if not numbers:
            raise InvalidRequestError(
                "invalid_argument",
                "numbers is empty. Leave it out to requeue all jobs that are set aside.",
            )
        starts = range(0, len(numbers), REQUEUED_AT_ONCE)
        parts = (numbers[start : start + REQUEUED_AT_ONCE] for start in starts)
        return [self._body({"numbers": part}) for part in parts]

    def _body(self, named: Mapping[str, object]) -> dict[str, object]:
        older = self.older_than
        seconds = older.total_seconds() if isinstance(older, datetime.timedelta) else older
        if seconds is not None and not 0 <= seconds < float("inf"):
            raise InvalidRequestError(
                "invalid_argument", f"older_than is {older}, and must not be negative or endless."
            )
        states = self.states
        if isinstance(states, str):
            raise InvalidRequestError(
                "invalid_argument", f"states is a text. Give a list: [{states!r}]."
            )
        fields = {
            "states": None if states is None else list(states),
            "stage": self.stage,
            "to": self.to,
            "older_than_s": None if seconds is None else int(seconds),
            "nickname": self.nickname,
            "result_contains": self.result_contains,
            "address": self.address,
            "since": _moment("since", self.since),
            "until": _moment("until", self.until),
        }
        given: dict[str, object] = {k: v for k, v in fields.items() if v is not None}
        return {**named, **given, "dry_run": self.dry_run}


def _moment(name: str, moment: datetime.datetime | None) -> str | None:
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise InvalidRequestError(
            "invalid_argument",
            f"{name} has no time zone. Use datetime.now(timezone.utc), or moment.astimezone().",
        )
    return moment.astimezone(datetime.timezone.utc).isoformat().replace("+00:00", "Z")


def requeue(cx: Context, wanted: RequeueFilter) -> Flow[Requeued]:
    """Has jobs worked on again."""
    total = Requeued(0, (), (), (), {})
    for body in wanted.bodies():
        headers = {"Content-Type": "application/json"}
        content = json.dumps(body).encode()
        request = Request("POST", "/api/requeue", headers=headers, body=content)
        # A repetition could take back what was done again in the meantime.
        answer = yield from _json(cx, request, may_repeat=wanted.dry_run)
        try:
            part = requeued_of(answer)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise bad_answer(repr(error)) from error
        total = Requeued(
            total.count + part.count,
            total.left + part.left,
            total.numbers + part.numbers,
            total.sources + part.sources,
            {
                stage: total.discarded.get(stage, 0) + part.discarded.get(stage, 0)
                for stage in sorted({*total.discarded, *part.discarded})
            },
        )
    return total

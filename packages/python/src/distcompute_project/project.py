"""The class `Project`, whose calls block."""

from __future__ import annotations

import datetime
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import TracebackType
from typing import Literal, TypeVar, overload

import httpx

from . import operations
from .address import address_of, token_of
from .blocking import Driver
from .errors import JobFailedError
from .model import Added, FailedJob, Json, Requeued, Result, Status
from .operations import BATCH_BYTES, BATCH_JOBS, Context, RequeueFilter
from .progress import Bar
from .transport import TIMEOUT

Self = TypeVar("Self", bound="Project")


class Project:
    """A project, for its owner.

    ``url`` is the tracker's address, with its path if it is behind one. ``token`` is its setting
    ``admin_token``; without one only ``status`` works, and ``results`` if they are public.

    Calls that fail for lack of an answer, or with "later", are made again after random and growing
    waits and the times that the tracker names, until ``patience_s`` seconds are over; then they raise
    ``UnreachableError``. Each attempt is logged as a warning.

    ``http`` replaces the HTTP client, for example for certificates or proxies of your own. Close it
    yourself then.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        patience_s: float = 600.0,
        http: httpx.Client | None = None,
    ) -> None:
        address = address_of(url)
        self._cx = Context(
            address, token_of(token, address), patience_s, time.monotonic, random.random
        )
        self._is_own = http is None
        self._http = http or httpx.Client(timeout=TIMEOUT)

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._cx.address!r})"

    def close(self) -> None:
        """Closes the connections."""
        if self._is_own:
            self._http.close()

    def add(
        self,
        inputs: Iterable[object],
        *,
        key: str | None = None,
        progress: bool = False,
        batch_jobs: int = BATCH_JOBS,
        batch_bytes: int = BATCH_BYTES,
    ) -> Added:
        """Adds a job at stage ``a`` for each input: a str, a list or a dict.

        The inputs are taken and sent in batches, so they need not fit into memory. Each batch is added
        once however often the connection breaks. With a ``key`` of your own the same holds for the
        whole call: made again within a week with the same inputs, after a crash for example, it adds
        only what is missing. Without one, an error's ``key`` serves for that.

        Raises ``InvalidJobError`` with the position of an input that cannot be a job; the batches
        before that one have been added.
        """
        operations.check_inputs(inputs)
        key = operations.key_of(key)
        bar = partial(Bar, "adding", inputs) if progress else None
        driver = self._driver(inputs=iter(inputs), bar=bar)
        return driver.run(operations.add(self._cx, key, batch_jobs, batch_bytes))

    def results(
        self,
        stage: str | None = None,
        *,
        after: int = 0,
        follow: bool = True,
        poll_s: float = 2.0,
        stop: threading.Event | None = None,
    ) -> Iterator[Result]:
        """Yields the results of a stage, by default the last one, in the order of completion.

        Follows the running project, and ends when all jobs have passed the stage or are set aside, or
        when ``stop`` is set; with ``follow=False`` when all that is there was yielded. ``after`` is the
        cursor of a result: save the last one that you have processed, and go on behind it.

        A job that was sent back or requeued has another result later. That one counts.
        """
        flow = operations.results(self._cx, stage, after, follow, poll_s)
        return self._driver(stop=stop).iterate(flow)

    def fetch(self, numbers: Iterable[int], stage: str | None = None) -> Iterator[Result]:
        """Yields the results that exist of these jobs, at a stage, by default the last one."""
        return self._driver().iterate(operations.fetch(self._cx, stage, numbers))

    @overload
    def map(
        self,
        inputs: Iterable[object],
        *,
        key: str | None = None,
        progress: bool = True,
        return_exceptions: Literal[False] = False,
        ahead: int = 100_000,
        poll_s: float = 2.0,
        batch_jobs: int = BATCH_JOBS,
        batch_bytes: int = BATCH_BYTES,
    ) -> Iterator[Json]: ...

    @overload
    def map(
        self,
        inputs: Iterable[object],
        *,
        key: str | None = None,
        progress: bool = True,
        return_exceptions: Literal[True],
        ahead: int = 100_000,
        poll_s: float = 2.0,
        batch_jobs: int = BATCH_JOBS,
        batch_bytes: int = BATCH_BYTES,
    ) -> Iterator[Json | JobFailedError]: ...

    def map(
        self,
        inputs: Iterable[object],
        *,
        key: str | None = None,
        progress: bool = True,
        return_exceptions: bool = False,
        ahead: int = 100_000,
        poll_s: float = 2.0,
        batch_jobs: int = BATCH_JOBS,
        batch_bytes: int = BATCH_BYTES,
    ) -> Iterator[Json | JobFailedError]:
        """Adds the inputs as jobs, and yields the last stage's output of each, in their order.

        Inputs are added up to ``ahead`` jobs before the one whose output is next, and outputs are
        fetched in their turn, so that memory does not grow with the number of inputs. ``key`` is that of
        ``add``: the same call with the same key yields all outputs again, and computes only what is
        missing.

        A job that has failed too often raises ``JobFailedError`` in its turn, or with
        ``return_exceptions`` is yielded as one, and the others follow.

        If you end early, the jobs that were added stay in the project.
        """
        operations.check_inputs(inputs)
        flow = operations.map_inputs(
            self._cx,
            operations.key_of(key),
            ahead=ahead,
            poll_s=poll_s,
            batch_jobs=batch_jobs,
            batch_bytes=batch_bytes,
            return_exceptions=return_exceptions,
        )
        bar = partial(Bar, "mapping", inputs) if progress else None
        return self._driver(inputs=iter(inputs), bar=bar).iterate(flow)

    def status(self) -> Status:
        """Returns the progress of the project."""
        return self._driver().run(operations.status(self._cx))

    def set_aside(self) -> Iterator[FailedJob]:
        """Yields the jobs that are set aside because they failed too often, by number."""
        return self._driver().iterate(operations.set_aside(self._cx))

    def requeue(
        self,
        numbers: Iterable[int] | None = None,
        *,
        states: Iterable[str] | None = None,
        stage: str | None = None,
        to: str | None = None,
        older_than: datetime.timedelta | float | None = None,
        nickname: str | None = None,
        result_contains: str | None = None,
        address: str | None = None,
        since: datetime.datetime | None = None,
        until: datetime.datetime | None = None,
        dry_run: bool = False,
    ) -> Requeued:
        """Has jobs worked on again, with nothing counted against them.

        A job must match everything that is given. With nothing given these are all jobs that are set
        aside. ``numbers`` names jobs that are set aside, held or finished, which may be a ``range``;
        ``states`` are any of ``"open"``, ``"failed"`` (waiting after a failure), ``"held"``,
        ``"set_aside"`` and ``"done"``; ``older_than`` (seconds, or a ``timedelta``) jobs that have not
        changed for so long. The other conditions are on a result: whose it is, what text it contains,
        where it came from, and when.

        Finished jobs go back to the stage that finished them, and those with a matching result to the
        stage that made it; with ``to``, all go back to that stage. Their results from there on are
        discarded. ``dry_run`` only says which jobs match, and how many results would be discarded.

        If the connection breaks before the answer, this is not repeated and raises
        ``UnreachableError``.
        """
        wanted = RequeueFilter(
            numbers=numbers,
            states=states,
            stage=stage,
            to=to,
            older_than=older_than,
            nickname=nickname,
            result_contains=result_contains,
            address=address,
            since=since,
            until=until,
            dry_run=dry_run,
        )
        return self._driver().run(operations.requeue(self._cx, wanted))

    def _driver(
        self,
        *,
        inputs: Iterator[object] | None = None,
        stop: threading.Event | None = None,
        bar: Callable[[], Bar] | None = None,
    ) -> Driver:
        return Driver(self._http, self._cx.address, inputs=inputs, stop=stop, bar=bar)

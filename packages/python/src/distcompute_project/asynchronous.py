"""The class `AsyncProject`, the twin of `Project` for asyncio."""

from __future__ import annotations

import asyncio
import datetime
import random
import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable
from functools import partial
from types import TracebackType
from typing import Literal, TypeVar, Union, overload

import httpx

from . import operations
from .address import address_of, token_of
from .awaiting import Driver
from .errors import JobFailedError
from .model import Added, FailedJob, Json, Requeued, Result, Status
from .operations import BATCH_BYTES, BATCH_JOBS, Context, RequeueFilter
from .progress import Bar
from .transport import TIMEOUT

Self = TypeVar("Self", bound="AsyncProject")
Inputs = Union[Iterable[object], AsyncIterable[object]]


async def _one_by_one(inputs: Inputs) -> AsyncIterator[object]:
    if isinstance(inputs, AsyncIterable):
        async for value in inputs:
            yield value
    else:
        for value in inputs:
            yield value


class AsyncProject:
    """A project, for its owner: the calls of ``Project``, to be awaited.

    Inputs may be asynchronous iterables as well, and ``stop`` is an ``asyncio.Event``. A call that is
    cancelled can be made again as after an error.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        patience_s: float = 600.0,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        address = address_of(url)
        self._cx = Context(
            address, token_of(token, address), patience_s, time.monotonic, random.random
        )
        self._is_own = http is None
        self._http = http or httpx.AsyncClient(timeout=TIMEOUT)

    async def __aenter__(self: Self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._cx.address!r})"

    async def aclose(self) -> None:
        """Closes the connections."""
        if self._is_own:
            await self._http.aclose()

    async def add(
        self,
        inputs: Inputs,
        *,
        key: str | None = None,
        progress: bool = False,
        batch_jobs: int = BATCH_JOBS,
        batch_bytes: int = BATCH_BYTES,
    ) -> Added:
        """As ``Project.add``."""
        operations.check_inputs(inputs)
        key = operations.key_of(key)
        bar = partial(Bar, "adding", inputs) if progress else None
        driver = self._driver(inputs=_one_by_one(inputs), bar=bar)
        return await driver.run(operations.add(self._cx, key, batch_jobs, batch_bytes))

    def results(
        self,
        stage: str | None = None,
        *,
        after: int = 0,
        follow: bool = True,
        poll_s: float = 2.0,
        stop: asyncio.Event | None = None,
    ) -> AsyncGenerator[Result, None]:
        """As ``Project.results``."""
        flow = operations.results(self._cx, stage, after, follow, poll_s)
        return self._driver(stop=stop).iterate(flow)

    def fetch(
        self, numbers: Iterable[int], stage: str | None = None
    ) -> AsyncGenerator[Result, None]:
        """As ``Project.fetch``."""
        return self._driver().iterate(operations.fetch(self._cx, stage, numbers))

    @overload
    def map(
        self,
        inputs: Inputs,
        *,
        key: str | None = None,
        progress: bool = True,
        return_exceptions: Literal[False] = False,
        ahead: int = 100_000,
        poll_s: float = 2.0,
        batch_jobs: int = BATCH_JOBS,
        batch_bytes: int = BATCH_BYTES,
    ) -> AsyncGenerator[Json, None]: ...

    @overload
    def map(
        self,
        inputs: Inputs,
        *,
        key: str | None = None,
        progress: bool = True,
        return_exceptions: Literal[True],
        ahead: int = 100_000,
        poll_s: float = 2.0,
        batch_jobs: int = BATCH_JOBS,
        batch_bytes: int = BATCH_BYTES,
    ) -> AsyncGenerator[Json | JobFailedError, None]: ...

    def map(
        self,
        inputs: Inputs,
        *,
        key: str | None = None,
        progress: bool = True,
        return_exceptions: bool = False,
        ahead: int = 100_000,
        poll_s: float = 2.0,
        batch_jobs: int = BATCH_JOBS,
        batch_bytes: int = BATCH_BYTES,
    ) -> AsyncGenerator[Json | JobFailedError, None] | AsyncGenerator[Json, None]:
        """As ``Project.map``."""
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
        return self._driver(inputs=_one_by_one(inputs), bar=bar).iterate(flow)

    async def status(self) -> Status:
        """As ``Project.status``."""
        return await self._driver().run(operations.status(self._cx))

    def set_aside(self) -> AsyncGenerator[FailedJob, None]:
        """As ``Project.set_aside``."""
        return self._driver().iterate(operations.set_aside(self._cx))

    async def requeue(
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
        """As ``Project.requeue``."""
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
        return await self._driver().run(operations.requeue(self._cx, wanted))

    def _driver(
        self,
        *,
        inputs: AsyncIterator[object] | None = None,
        stop: asyncio.Event | None = None,
        bar: Callable[[], Bar] | None = None,
    ) -> Driver:
        return Driver(self._http, self._cx.address, inputs=inputs, stop=stop, bar=bar)

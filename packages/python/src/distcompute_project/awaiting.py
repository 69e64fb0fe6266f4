"""The driver for asyncio: carries out the effects of an operation with `httpx.AsyncClient`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any, TypeVar

import httpx

from .effect import END, Answer, Broken, Effect, Emit, Flow, Open, Read, Request, Send, Show, Take, Wait
from .progress import Bar
from .transport import ERROR_BYTES, NOTHING, Stopped, answer_of, arguments, broken

T = TypeVar("T")


async def _nothing() -> AsyncGenerator[Any, None]:
    return
    yield


class Driver:
    """Carries out one operation."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        address: str,
        *,
        inputs: AsyncIterator[object] | None = None,
        stop: asyncio.Event | None = None,
        bar: Callable[[], Bar] | None = None,
    ) -> None:
        self._client = client
        self._address = address
        self._inputs = inputs
        self._stop = stop
        self._make_bar = bar
        self._bar: Bar | None = None
        self._open: httpx.Response | None = None
        self._chunks: AsyncIterator[bytes] = _nothing()

    async def run(self, flow: Flow[T]) -> T:
        """Carries out an operation that returns its outcome."""
        outcome: list[T] = []
        async for _ in self._drive(flow, outcome):
            pass
        return outcome[0]

    async def iterate(self, flow: Flow[None]) -> AsyncGenerator[Any, None]:
        """Carries out an operation that emits values."""
        try:
            async with contextlib.aclosing(self._drive(flow, [])) as values:
                async for value in values:
                    yield value
        except Stopped:
            return

    async def _drive(self, flow: Flow[T], outcome: list[T]) -> AsyncGenerator[Any, None]:
        reply: Any = None
        failure: Broken | None = None
        if self._make_bar:
            self._bar = self._make_bar()
        try:
            while True:
                try:
                    effect = flow.send(reply) if failure is None else flow.throw(failure)
                except StopIteration as end:
                    outcome.append(end.value)
                    return
                reply, failure = None, None
                if isinstance(effect, Emit):
                    if self._bar:
                        self._bar.advance(1)
                    yield effect.value
                    self._end_if_stopped()
                    continue
                if isinstance(effect, Take):
                    # Apart, because the caller's inputs may come from the network too.
                    assert self._inputs is not None
                    reply = await anext(self._inputs, END)
                    continue
                try:
                    reply = await self._perform(effect)
                except (httpx.TransportError, httpx.DecodingError) as error:
                    failure = broken(error)
        finally:
            flow.close()
            await self._close()
            if self._bar:
                self._bar.close()

    async def _perform(self, effect: Effect) -> Any:
        if isinstance(effect, Send):
            return await self._send(effect.request)
        if isinstance(effect, Open):
            return await self._begin(effect.request)
        if isinstance(effect, Read):
            return await anext(self._chunks, b"")
        if isinstance(effect, Wait):
            if self._stop is None:
                await asyncio.sleep(effect.seconds)
            else:
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), effect.seconds)
            self._end_if_stopped()
        elif isinstance(effect, Show) and self._bar:
            self._bar.show(effect)
        return None

    async def _send(self, request: Request) -> Answer:
        answer = await self._begin(request)
        if answer.status == 200:
            body = b"".join([chunk async for chunk in self._chunks])
            await self._close()
            return Answer(answer.status, answer.headers, body)
        return answer

    async def _begin(self, request: Request) -> Answer:
        """Makes a call, and reads no more than its status and headers if it succeeds."""
        await self._close()
        built = self._client.build_request(**arguments(request, self._address))
        response = await self._client.send(built, stream=True)
        self._open = response
        self._chunks = response.aiter_bytes()
        if response.status_code == 200:
            return answer_of(response, b"")
        body = b""
        async for chunk in self._chunks:
            body += chunk
            if len(body) >= ERROR_BYTES:
                break
        await self._close()
        return answer_of(response, body[:ERROR_BYTES])

    async def _close(self) -> None:
        response, self._open = self._open, None
        self._chunks = _nothing()
        if response is not None:
            await response.aclose()
            response.stream = NOTHING

    def _end_if_stopped(self) -> None:
        if self._stop is not None and self._stop.is_set():
            raise Stopped

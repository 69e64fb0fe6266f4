"""The driver that blocks: carries out the effects of an operation with `httpx.Client`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import httpx

from .effect import END, Answer, Broken, Effect, Emit, Flow, Open, Read, Request, Send, Show, Take, Wait
from .progress import Bar
from .transport import ERROR_BYTES, NOTHING, Stopped, answer_of, arguments, broken

T = TypeVar("T")


class Driver:
    """Carries out one operation."""

    def __init__(
        self,
        client: httpx.Client,
        address: str,
        *,
        inputs: Iterator[object] | None = None,
        stop: threading.Event | None = None,
        bar: Callable[[], Bar] | None = None,
    ) -> None:
        self._client = client
        self._address = address
        self._inputs = inputs
        self._stop = stop
        self._make_bar = bar
        self._bar: Bar | None = None
        self._open: httpx.Response | None = None
        self._chunks: Iterator[bytes] = iter(())

    def run(self, flow: Flow[T]) -> T:
        """Carries out an operation that returns its outcome."""
        outcome: list[T] = []
        for _ in self._drive(flow, outcome):
            pass
        return outcome[0]

    def iterate(self, flow: Flow[None]) -> Iterator[Any]:
        """Carries out an operation that emits values."""
        try:
            yield from self._drive(flow, [])
        except Stopped:
            return

    def _drive(self, flow: Flow[T], outcome: list[T]) -> Iterator[Any]:
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
                    reply = next(self._inputs, END)
                    continue
                try:
                    reply = self._perform(effect)
                except (httpx.TransportError, httpx.DecodingError) as error:
                    failure = broken(error)
        finally:
            flow.close()
            self._close()
            if self._bar:
                self._bar.close()

    def _perform(self, effect: Effect) -> Any:
        if isinstance(effect, Send):
            return self._send(effect.request)
        if isinstance(effect, Open):
            return self._begin(effect.request)
        if isinstance(effect, Read):
            return next(self._chunks, b"")
        if isinstance(effect, Wait):
            if self._stop is None:
                time.sleep(effect.seconds)
            else:
                self._stop.wait(effect.seconds)
            self._end_if_stopped()
        elif isinstance(effect, Show) and self._bar:
            self._bar.show(effect)
        return None

    def _send(self, request: Request) -> Answer:
        answer = self._begin(request)
        if answer.status == 200:
            body = b"".join(self._chunks)
            self._close()
            return Answer(answer.status, answer.headers, body)
        return answer

    def _begin(self, request: Request) -> Answer:
        """Makes a call, and reads no more than its status and headers if it succeeds."""
        self._close()
        built = self._client.build_request(**arguments(request, self._address))
        response = self._client.send(built, stream=True)
        self._open = response
        self._chunks = response.iter_bytes()
        if response.status_code == 200:
            return answer_of(response, b"")
        body = b""
        for chunk in self._chunks:
            body += chunk
            if len(body) >= ERROR_BYTES:
                break
        self._close()
        return answer_of(response, body[:ERROR_BYTES])

    def _close(self) -> None:
        response, self._open = self._open, None
        self._chunks = iter(())
        if response is not None:
            response.close()
            response.stream = NOTHING

    def _end_if_stopped(self) -> None:
        if self._stop is not None and self._stop.is_set():
            raise Stopped

"""What both drivers have in common: how they use httpx."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from .effect import Answer, Broken, Request

TIMEOUT = httpx.Timeout(60.0, connect=10.0)

ERROR_BYTES = 64 << 10
"""How much of an error's body is read."""


NOTHING = httpx.ByteStream(b"")
"""Replaces the stream of a closed response. httpx's refers back to the response, which refers to the
request with its body: such circles would stay in memory until the garbage collector finds them."""


class Stopped(Exception):
    """The caller wants no more."""


def arguments(request: Request, address: str) -> dict[str, Any]:
    """The arguments of `httpx.Client.build_request`."""
    return {
        "method": request.method,
        "url": address + request.path,
        "params": request.query or None,
        "headers": request.headers,
        "content": request.body,
    }


def answer_of(response: httpx.Response, body: bytes) -> Answer:
    headers: Mapping[str, str] = response.headers
    return Answer(response.status_code, {name.lower(): headers[name] for name in headers}, body)


def broken(error: httpx.TransportError | httpx.DecodingError) -> Broken:
    """The failure of a request, in a few words."""
    name = type(error).__name__
    text = str(error) or {"ReadTimeout": "no answer in time"}.get(name, name)
    return Broken(
        text,
        was_sent=not isinstance(
            error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
        ),
        is_final="CERTIFICATE_VERIFY_FAILED" in text,
    )

"""What an operation asks its driver to do.

An operation (operations.py) is a generator: it yields one of these effects, and the driver carries it
out and sends back the outcome. There is one driver that blocks and one for asyncio, and the rules exist
once, without I/O.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, Union

END = object()
"""What `Take` returns at the end of the inputs."""


@dataclass(frozen=True)
class Request:
    """A call of the tracker."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = None


@dataclass(frozen=True)
class Answer:
    """The answer to a call. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    """The body; only the beginning of an error's; empty for `Open` if the status is 200."""


class Broken(Exception):
    """Raised into an operation: there is no answer, or it broke off."""

    def __init__(self, why: str, *, was_sent: bool, is_final: bool = False) -> None:
        super().__init__(why)
        self.was_sent = was_sent
        """Whether the tracker may have received the request."""
        self.is_final = is_final
        """Whether another attempt cannot succeed either."""


@dataclass(frozen=True)
class Send:
    """Make a call. Returns its `Answer`."""

    request: Request


@dataclass(frozen=True)
class Open:
    """Make a call whose body is read piece by piece. Returns its `Answer`."""

    request: Request


@dataclass(frozen=True)
class Read:
    """Read the next bytes of the open answer. Returns them, or `b""` at the end."""


@dataclass(frozen=True)
class Wait:
    """Wait. The operation does not go on if the caller wants to stop."""

    seconds: float


@dataclass(frozen=True)
class Take:
    """Take the next input. Returns it, or `END`."""


@dataclass(frozen=True)
class Emit:
    """Hand a value to the caller. The operation does not go on if the caller wants to stop."""

    value: Any


@dataclass(frozen=True)
class Show:
    """Show on the progress bar how the project is doing, and how many inputs are done."""

    done: int = 0
    text: str | None = None


Effect = Union[Send, Open, Read, Wait, Take, Emit, Show]

T = TypeVar("T")
Flow = Generator[Effect, Any, T]
"""An operation that returns a `T`."""

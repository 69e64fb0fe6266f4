"""Jobs and results as texts: the lines that are sent, and the data in the lines that arrive."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

from .errors import InvalidJobError, ServerError
from .model import FailedJob, Failure, Json, Result

MARK = "<!json!>"
"""Begins a text that is JSON."""


def line_of(index: int, job: object) -> bytes:
    """The line of the job list for an input. `index` is its position, for the error."""
    if not isinstance(job, (str, list, tuple, dict)):
        name = type(job).__name__
        example = json.dumps([job]) if isinstance(job, (int, float, bool, type(None))) else "[input]"
        raise InvalidJobError(
            index,
            f"Input {index} is a {name}. A job is a str, a list or a dict: put it into one, for "
            f"example {example}.",
        )
    try:
        text = json.dumps(job, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode() + b"\n"
    except UnicodeEncodeError:
        why = "it contains half of a surrogate pair, which is no character"
    except (TypeError, ValueError, RecursionError) as error:
        why = str(error)
    raise InvalidJobError(
        index, f"Input {index} cannot be written as JSON: {why}. Convert it before you add it."
    )


def data_of(text: str) -> Json:
    """The data that a text of the tracker stands for."""
    if text.startswith(MARK):
        return cast(Json, json.loads(text[len(MARK) :]))
    return text


def bad_answer(why: object) -> ServerError:
    """The error for an answer that does not have the form that the protocol says."""
    return ServerError(
        "bad_answer",
        f"The tracker's answer cannot be read: {why}. Is a proxy in between that changes it?",
    )


def result_of(line: bytes) -> Result:
    """Reads a line of results."""
    try:
        fields = json.loads(line)
        return Result(int(fields["cursor"]), int(fields["number"]), data_of(fields["data"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise bad_answer(error) from error


def failed_of(job: Mapping[str, Any]) -> FailedJob:
    """Reads a job of `GET /api/setAside`."""
    return FailedJob(
        number=int(job["number"]),
        stage=str(job["stage"]),
        reason=str(job["reason"]).rstrip("."),
        input=data_of(job["input"]),
        errors=tuple(
            Failure(at=str(one["at"]), nickname=str(one["nickname"]), error=str(one["error"]))
            for one in job["errors"]
        ),
    )


class Lines:
    """Divides a stream of bytes into lines.

    Only the line feed ends a line: other characters that Python's `splitlines` knows, such as
    U+2028, may be part of a JSON text.
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Takes the next bytes, and yields the lines that are complete."""
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            self._parts.append(chunk[start:end])
            line = b"".join(self._parts)
            self._parts.clear()
            start = end + 1
            if line:
                yield line
        if start < len(chunk):
            self._parts.append(chunk[start:])

    @property
    def is_broken_off(self) -> bool:
        """Whether the last line is incomplete."""
        return bool(self._parts)

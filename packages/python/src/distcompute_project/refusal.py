"""What an answer that is not the wanted one means: which error it is, and whether to try again."""

from __future__ import annotations

import datetime
import email.utils
import json
from collections.abc import Mapping
from typing import Any

from .effect import Answer
from .errors import (
    DistcomputeError,
    InvalidRequestError,
    KeyReusedError,
    NotAllowedError,
    ServerError,
    UnreachableError,
    WrongAddressError,
)

CODE = "distcompute-error"
"""The header with the code of an error."""

TEMPORARY = frozenset({408, 421, 425, 429, 502, 503, 504, *range(520, 525), 529, 530})
"""The statuses after which a later attempt may succeed (docs/protocol.md, answers of proxies)."""

_CLASSES: Mapping[str, type[DistcomputeError]] = {
    "not_allowed": NotAllowedError,
    "key_reused": KeyReusedError,
    "invalid_request": InvalidRequestError,
    "stage_invalid": InvalidRequestError,
    "stage_disabled": InvalidRequestError,
    "too_large": InvalidRequestError,
    "wrong_host": WrongAddressError,
    "not_a_tracker": WrongAddressError,
    "moved": WrongAddressError,
    "not_found": WrongAddressError,
    "method_not_allowed": WrongAddressError,
    "unavailable": UnreachableError,
    "too_many_requests": UnreachableError,
    "too_slow": UnreachableError,
}


def is_temporary(answer: Answer) -> bool:
    """Whether the same request may succeed later."""
    return answer.status in TEMPORARY and answer.headers.get(CODE) != "wrong_host"


def retry_after(answer: Answer, now: datetime.datetime | None = None) -> float | None:
    """How many seconds the answer asks to wait, if it does: a number, or a time."""
    text = answer.headers.get("retry-after", "").strip()
    if not text:
        return None
    if text.isdecimal() and len(text) < 10:
        return float(text)
    try:
        until = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=datetime.timezone.utc)
    now = now or datetime.datetime.now(datetime.timezone.utc)
    return max(0.0, (until - now).total_seconds())


def is_of(answer: Answer, kind: str) -> bool:
    """Whether an answer has this content type."""
    return answer.headers.get("content-type", "").split(";")[0].strip().lower() == kind


def fault_in(answer: Answer) -> tuple[list[str], str] | None:
    """The place and the message of the first fault of a 422."""
    try:
        fault: Mapping[str, Any] = json.loads(answer.body)["detail"][0]
        return [str(part) for part in fault["loc"]], str(fault["msg"])
    except (ValueError, KeyError, IndexError, TypeError):
        return None


def no_tracker(answer: Answer, address: str) -> WrongAddressError:
    """The error for an answer of something else than a tracker."""
    return WrongAddressError(
        "not_a_tracker",
        f"{address} answers, but not as a tracker does (status {answer.status}, "
        f"{answer.headers.get('content-type') or 'no content type'}). Check the address, with its path "
        "if the tracker is behind one; a proxy or a login page may also answer in its place.",
        status=answer.status,
    )


def refused(answer: Answer, address: str) -> DistcomputeError:
    """The error for an answer that is no success."""
    code = answer.headers.get(CODE)
    status = answer.status
    if code is None:
        return _from_elsewhere(answer, address)
    if code in ("not_found", "method_not_allowed"):
        message = (
            f"The tracker at {address} does not know this call. Is the path of the address right, and "
            "the tracker not older than this package?"
        )
    elif code == "not_allowed":
        message = (
            f"The tracker at {address} does not accept the token, or none was given. Pass its setting "
            f"admin_token: Project(url, token). It says: {_text(answer)}"
        )
    elif code == "invalid_request" and (fault := fault_in(answer)):
        place, text = fault
        message = f"The tracker does not accept this: {text} ({' '.join(place)})."
    else:
        message = _text(answer) or f"The tracker answers {code}."
    return _CLASSES.get(code, ServerError)(code, message, status=status)


def _from_elsewhere(answer: Answer, address: str) -> DistcomputeError:
    """The error for an answer without a code: of a proxy, or of another website."""
    status = answer.status
    if 300 <= status < 400:
        where = answer.headers.get("location", "elsewhere")
        return WrongAddressError(
            "moved",
            f"{address} refers to {where[:200]}. Use the new address: the token is not sent to another "
            "one by itself.",
            status=status,
        )
    if status in (401, 403, 407, 511):
        return NotAllowedError(
            "not_allowed",
            f"A server in front of {address} refuses the request (status {status}). It may want a "
            "login, or allow only some calls.",
            status=status,
        )
    if status == 413:
        return InvalidRequestError(
            "too_large",
            f"A server in front of {address} does not accept so large a request. Allow more there, or "
            "pass a smaller batch_bytes.",
            status=status,
        )
    if status in TEMPORARY:
        message = f"The server at {address} answers {status}."
        return UnreachableError("unavailable", message, status=status)
    if status >= 500:
        return ServerError("internal", f"The server at {address} fails ({status}).", status=status)
    return no_tracker(answer, address)


def _text(answer: Answer) -> str:
    text = " ".join(answer.body.decode(errors="replace").split())
    return text if len(text) <= 500 else text[:500] + "…"

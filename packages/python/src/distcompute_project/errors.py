"""Everything that this package raises: errors with a stable code and a sentence that says what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .model import FailedJob


class DistcomputeError(Exception):
    """The base of all errors of this package.

    Branch on the class or on `code`: the text is for people and may change.
    """

    def __init__(self, code: str, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        """The stable code: one of the tracker's (docs/protocol.md), or one of this package's."""
        self.status = status
        """The HTTP status, if the tracker, or a server in its place, has answered."""
        self.key: str | None = None
        """For `add` and `map`: the key with which a repeated call continues where this one ended."""

    def __reduce__(self) -> tuple[object, ...]:
        # The standard way calls the class with the message alone.
        return (_restored, (type(self), self.args, self.__dict__))


def _restored(
    kind: type[DistcomputeError], args: tuple[object, ...], state: dict[str, object]
) -> DistcomputeError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class UnreachableError(DistcomputeError):
    """There was no answer, or none but "later", for as long as `patience_s` allows.

    Codes: `unreachable`, `unavailable`, `too_many_requests`, `too_slow`.
    """


class WrongAddressError(DistcomputeError):
    """The address is malformed, or there is no tracker at it.

    Codes: `invalid_url`, `not_a_tracker`, `moved`, `not_found`, `wrong_host`.
    """


class NotAllowedError(DistcomputeError):
    """The token is missing or wrong. Codes: `not_allowed`, `invalid_token`."""


class InvalidRequestError(DistcomputeError):
    """An argument that the tracker, or this package, does not accept.

    Codes: `invalid_request`, `invalid_argument`, `stage_invalid`, `stage_disabled`, `too_large`.
    """


class InvalidJobError(InvalidRequestError):
    """An input that cannot be a job. Code `invalid_job`."""

    def __init__(self, index: int, message: str, *, status: int | None = None) -> None:
        super().__init__("invalid_job", message, status=status)
        self.index = index
        """The position of the input, from 0."""


class KeyReusedError(DistcomputeError):
    """The key was used before, for other inputs. Code `key_reused`."""


class ServerError(DistcomputeError):
    """The tracker failed, or its answer makes no sense. Codes: `internal`, `bad_answer`, others."""


class JobFailedError(DistcomputeError):
    """A job of `map` has failed for so many volunteers that it was set aside. Code `job_failed`."""

    def __init__(self, job: FailedJob) -> None:
        last = job.errors[-1].error.strip().splitlines()[:1] if job.errors else []
        cause = f" The last error: {last[0]}" if last else ""
        super().__init__(
            "job_failed",
            f"Job {job.number} is set aside at stage {job.stage}: {job.reason}.{cause} Its input and "
            "all errors are in `error.job`; `requeue([number])` has it done again.",
        )
        self.job = job
        """The job, with its input and its errors."""

"""When a failed request is made again, and when no more."""

from __future__ import annotations

FIRST_S = 0.5
LONGEST_S = 30.0


class Backoff:
    """Waits that grow and are random, until the patience is over."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._failures = 0
        self._since: float | None = None

    @property
    def failures(self) -> int:
        """How many attempts have failed since the last success."""
        return self._failures

    def succeed(self) -> None:
        """Notes a success: the next failure is the first one again."""
        self._failures = 0
        self._since = None

    def fail(self, now: float, random: float, asked: float | None = None) -> float | None:
        """Notes a failure, and returns how long to wait; `None` if the patience does not last so long.

        `random` is from 0 to 1, `asked` the time of a `Retry-After`, which is not cut short.
        """
        if self._since is None:
            self._since = now
        longest = min(LONGEST_S, FIRST_S * 2.0 ** min(self._failures, 16))
        self._failures += 1
        wait = longest * (0.5 + 0.5 * random)
        if asked is not None:
            # A little later than asked, so that not all who were asked come at once.
            wait = asked + min(wait, 1.0)
        if now + wait - self._since > self._patience_s:
            return None
        return wait

"""The progress bar."""

from __future__ import annotations

from collections.abc import Sized

from tqdm.auto import tqdm

from .effect import Show


class Bar:
    """A bar that counts jobs."""

    def __init__(self, what: str, inputs: object) -> None:
        total = len(inputs) if isinstance(inputs, Sized) else None
        self._bar = tqdm(total=total, desc=what, unit=" jobs", dynamic_ncols=True)

    def advance(self, count: int) -> None:
        """Notes that jobs are done."""
        self._bar.update(count)

    def show(self, effect: Show) -> None:
        """Carries out the effect."""
        if effect.done:
            self._bar.update(effect.done)
        if effect.text is not None:
            self._bar.set_postfix_str(effect.text)

    def close(self) -> None:
        """Leaves the bar as it is."""
        self._bar.close()

"""What the calls return."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union

Json = Union[str, list[Any], dict[str, Any]]
"""The data of a job or of a result: a text, or a JSON array or object."""


@dataclass(frozen=True)
class Added:
    """The jobs that `add` has added."""

    count: int
    """How many."""
    ranges: tuple[range, ...]
    """Their numbers, in the order of the inputs."""
    key: str
    """With this key and the same inputs, `add` adds nothing again."""

    @property
    def numbers(self) -> Iterator[int]:
        """The numbers, one by one, in the order of the inputs."""
        return (number for part in self.ranges for number in part)


@dataclass(frozen=True)
class Result:
    """An output of a stage."""

    cursor: int
    """Its position in the order of completion: `results(after=cursor)` goes on behind it."""
    number: int
    """The number of the job."""
    data: Json
    """What the handler returned."""


@dataclass(frozen=True)
class StageStatus:
    """The progress of one stage. Counts are of jobs unless they say otherwise."""

    stage: str
    name: str
    open: int
    """Jobs that wait for a volunteer."""
    held: int
    """Jobs that a volunteer works on."""
    done: int
    """Outputs of this stage."""
    set_aside: int
    """Jobs that failed too often."""
    workers: int
    """Connected workers."""
    failed: int
    """How many failures were reported."""
    paused: str | None
    """If the stage is paused: the error of its jobs, or the operator's message."""


@dataclass(frozen=True)
class Status:
    """The progress of a project."""

    project: str
    jobs: int
    """All jobs."""
    closed: int
    """Jobs that have passed all stages."""
    set_aside: int
    """Jobs that failed too often, and wait for a decision (`requeue`)."""
    volunteers: int
    """Distinct volunteers who are connected."""
    estimate_s: int | None
    """How long the rest takes at the present rate, if that can be said."""
    estimate_unknown: str | None
    """Why it cannot be said: `no_volunteers`, `stage_paused`, …"""
    stages: tuple[StageStatus, ...]
    """The enabled stages, in their order."""

    @property
    def is_done(self) -> bool:
        """Whether every job is either closed or set aside."""
        return self.closed + self.set_aside >= self.jobs

    def stage(self, letter: str) -> StageStatus:
        """The stage with this letter. Raises `KeyError` if it is not enabled."""
        for stage in self.stages:
            if stage.stage == letter:
                return stage
        raise KeyError(letter)


@dataclass(frozen=True)
class Failure:
    """A failure of a job for one volunteer."""

    at: str
    """When, as an RFC 3339 time."""
    nickname: str
    error: str
    """The error's name, message and stack."""


@dataclass(frozen=True)
class FailedJob:
    """A job that is set aside."""

    number: int
    stage: str
    reason: str
    input: Json
    """Its input at this stage."""
    errors: tuple[Failure, ...]
    """Its latest failures, oldest first."""


@dataclass(frozen=True)
class Left:
    """A job that was named and remains as it was."""

    number: int
    why: str


@dataclass(frozen=True)
class Source:
    """Where results came from that a requeue would discard."""

    address: str
    results: int
    since: str
    until: str


@dataclass(frozen=True)
class Requeued:
    """The effect of `requeue`."""

    count: int
    """How many jobs are, or with `dry_run` would be, worked on again."""
    left: tuple[Left, ...]
    """Jobs that were named and remain as they were."""
    numbers: tuple[int, ...]
    """The matching jobs, at most the first 10,000; only with `dry_run`."""
    sources: tuple[Source, ...]
    """Where the results that would be discarded came from; only with `dry_run`."""
    discarded: Mapping[str, int]
    """How many results of each stage would be discarded; only with `dry_run`."""


def status_of(answer: Mapping[str, Any]) -> Status:
    """Reads the answer of `GET /api/status`."""
    stages = tuple(
        StageStatus(
            stage=str(stage["stage"]),
            name=str(stage["name"]),
            open=int(stage["open"]),
            held=int(stage["held"]),
            done=int(stage["done"]),
            set_aside=int(stage["set_aside"]),
            workers=int(stage["workers"]),
            failed=int(stage["failed"]),
            paused=stage.get("paused"),
        )
        for stage in answer["stages"]
    )
    return Status(
        project=str(answer["project"]),
        jobs=int(answer["jobs"]),
        closed=int(answer["closed"]),
        set_aside=int(answer["set_aside"]),
        volunteers=int(answer.get("volunteers", 0)),
        estimate_s=answer.get("estimate_s"),
        estimate_unknown=answer.get("estimate_unknown"),
        stages=stages,
    )


def requeued_of(answer: Mapping[str, Any]) -> Requeued:
    """Reads the answer of `POST /api/requeue`."""
    left: Sequence[Mapping[str, Any]] = answer.get("left", ())
    sources: Sequence[Mapping[str, Any]] = answer.get("sources", ())
    discarded: Sequence[Mapping[str, Any]] = answer.get("discarded", ())
    return Requeued(
        count=int(answer["requeued"]),
        left=tuple(Left(int(one["number"]), str(one["why"])) for one in left),
        numbers=tuple(int(number) for number in answer.get("numbers") or ()),
        sources=tuple(
            Source(
                address=str(one["address"]),
                results=int(one["results"]),
                since=str(one["since"]),
                until=str(one["until"]),
            )
            for one in sources
        ),
        discarded={str(one["stage"]): int(one["results"]) for one in discarded},
    )

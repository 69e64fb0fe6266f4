"""For the owners of distcompute projects: add jobs, follow results, map inputs to outputs.

>>> from distcompute_project import Project
>>> project = Project("https://tracker.example.org", open("admin-token").read())
>>> for output in project.map([{"seed": 1}, {"seed": 2}]):
...     print(output)

Volunteers' programs use ``distcompute-client`` instead.
"""

from .asynchronous import AsyncProject
from .errors import (
    DistcomputeError,
    InvalidJobError,
    InvalidRequestError,
    JobFailedError,
    KeyReusedError,
    NotAllowedError,
    ServerError,
    UnreachableError,
    WrongAddressError,
)
from .model import (
    Added,
    FailedJob,
    Failure,
    Json,
    Left,
    Requeued,
    Result,
    Source,
    StageStatus,
    Status,
)
from .project import Project

__all__ = [
    "Added",
    "AsyncProject",
    "DistcomputeError",
    "FailedJob",
    "Failure",
    "InvalidJobError",
    "InvalidRequestError",
    "JobFailedError",
    "Json",
    "KeyReusedError",
    "Left",
    "NotAllowedError",
    "Project",
    "Requeued",
    "Result",
    "ServerError",
    "Source",
    "StageStatus",
    "Status",
    "UnreachableError",
    "WrongAddressError",
]

"""Kinds of job: each is one decorated function with its arguments, in `workspace/tasks/` or in a plugin.

class CountArguments(Arguments):
    kind: Literal["count"] = "count"
    column: str = Field(description="The column whose values are counted.")

@job("Count values", CountArguments)
def count(work: Work, asked: CountArguments) -> None:
    ...
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from synth.registry import Registry
from workspace.arguments import Arguments
from workspace.catalog.rows import Job


@dataclass(frozen=True)
class JobKind:
    """One kind of job."""

    name: str
    title: str
    """What such a job does, as a page says it: `Train` is followed by the generator and the table."""
    arguments: type[Arguments]
    do: Callable[[Any, Any], None]
    """The function that does it: given the `Work`, and the arguments."""
    stages: tuple[str, ...]
    """The stages whose cost the estimate knows, in their order."""
    offered: bool
    """Whether the pages and `POST /jobs` start one with nothing more than a table and the arguments."""
    place: int

    def arguments_of(self, job: Job) -> Any:
        """What the job was asked to do, as an instance of `arguments`."""
        return self.arguments.model_validate({**job.arguments, "kind": self.name}, extra="ignore")


KINDS: Registry[JobKind] = Registry(
    "kind of job", "workspace.tasks", group="understudy.jobs", place=lambda kind: kind.place, decorator="job"
)

Do = TypeVar("Do", bound=Callable[[Any, Any], None])


def job(
    title: str,
    arguments: type[Arguments],
    *,
    stages: tuple[str, ...] = (),
    offered: bool = True,
    place: int = 100,
) -> Callable[[Do], Do]:
    """Make a kind of job of a function `(work, asked)`, where `asked` is an instance of `arguments`.

    The kind's name is the function's. `place` orders the list of kinds.
    """

    def declare(do: Do) -> Do:
        KINDS.add(do.__name__, JobKind(do.__name__, title, arguments, do, stages, offered, place))
        return do

    return declare


def secrets_of(job: Job) -> dict[str, str]:
    """The secrets among a job's arguments, encrypted or empty, by name; none of a kind whose plugin is gone."""
    names = KINDS[job.kind].arguments.secrets if job.kind in KINDS else ()
    return {name: job.arguments.get(name, "") for name in names}


def with_secrets() -> list[str]:
    """The kinds of job whose arguments hold secrets."""
    return [name for name, kind in KINDS.items() if kind.arguments.secrets]

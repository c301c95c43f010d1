"""What a metric is: a function from `Tables` to a `Score`, with a `Card` that says how to read it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from synth.schema import Schema

Family = Literal["fidelity", "utility", "privacy", "dialogue"]


@dataclass(frozen=True)
class Tables:
    """What a metric looks at. All three tables conform to `schema` (see `synth.schema.conform`)."""

    train: pd.DataFrame
    """The rows the generator learned from."""
    holdout: pd.DataFrame | None
    """Real rows no generator has seen; None when the analyst kept none back."""
    synthetic: pd.DataFrame
    """The rows to judge."""
    schema: Schema
    target: str | None = None
    """The column to predict in the utility metrics."""
    seed: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    """What the analyst chose for single metrics, such as the sensitive columns."""


class Score(BaseModel):
    """A measured value beside what real data scores."""

    model_config = ConfigDict(extra="forbid")

    value: float | None = Field(description="The measurement; None when it could not be made, and `note` says why.")
    reference: float | None = Field(
        None, description="The same measurement with holdout rows in the synthetic's place."
    )
    ci: tuple[float, float] | None = Field(None, description="95 % interval of the value.")
    detail: dict[str, Any] = Field(default_factory=dict, description="What the chart draws; plain JSON values.")
    note: str = Field("", description="What the reader must know, in a sentence.")


class Card(BaseModel):
    """How to read a metric."""

    model_config = ConfigDict(extra="forbid")

    name: str
    title: str
    family: Family
    question: str = Field(description="The question it answers, as a data owner would ask it.")
    low: float = Field(description="The smallest value it can take.")
    high: float | None = Field(description="The largest value it can take; None: no bound.")
    good: Literal["high", "low", "reference"] = Field(
        description="Which values are good: high ones, low ones, or those near what real data scores."
    )
    why: str = Field("", description="Why that is good, in a sentence.")
    cost: Literal["cheap", "medium", "dear"] = "cheap"
    needs: tuple[Literal["holdout", "target"], ...] = ()
    source: str = Field("", description="Paper or library that defines it.")


@dataclass(frozen=True)
class Metric:
    card: Card
    measure: Callable[[Tables], Score]

    def __call__(self, tables: Tables) -> Score:
        return self.measure(tables)


def metric(
    title: str,
    family: Family,
    question: str,
    low: float,
    high: float | None,
    good: Literal["high", "low", "reference"],
    *,
    why: str = "",
    cost: Literal["cheap", "medium", "dear"] = "cheap",
    needs: tuple[str, ...] = (),
    source: str = "",
) -> Callable[[Callable[[Tables], Score]], Metric]:
    """Make a metric of a function; its name is the metric's name."""

    def make(measure: Callable[[Tables], Score]) -> Metric:
        card = Card(
            name=measure.__name__,
            title=title,
            family=family,
            question=question,
            low=low,
            high=high,
            good=good,
            why=why,
            cost=cost,
            needs=needs,
            source=source,
        )
        return Metric(card, measure)

    return make

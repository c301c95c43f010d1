"""What a metric is: a function of tables, or of conversations, that gives a `Score`; its `Card` says how to read it.

Quick to import: whoever reads stored scores needs neither pandas nor the metrics themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import wraps
from math import inf
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, Protocol, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    InstanceOf,
    SerializeAsAny,
    ValidationError,
    WithJsonSchema,
)

from metrics.detail import Detail
from synth.errors import Invalid
from synth.schema import Schema

if TYPE_CHECKING:
    import pandas as pd

Family = Literal["fidelity", "utility", "privacy", "dialogue"]
Cost = Literal["cheap", "medium", "dear"]
Good = Literal["high", "low", "reference"]
Found = TypeVar("Found")
D = TypeVar("D", bound=Detail)


class NotMeasurable(Invalid):
    """Raised inside a metric whose question these rows cannot answer; the message says why and what to do."""


# Scores and cards --------------------------------------------------------------------------------------------------

Measured = Annotated[float, AfterValidator(lambda value: round(value, 12))]
"""A measured number without floating-point noise: 1, not 0.9999999999999999."""


class Score(BaseModel):
    """A measured value beside its benchmark, what held-out real rows score."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    value: Measured | None = Field(
        description="The measurement; None when it could not be made, and `note` says why.", examples=[0.97]
    )
    reference: Measured | None = Field(
        None, description="The benchmark: the same measurement on held-out real rows.", examples=[0.99]
    )
    ci: tuple[Measured, Measured] | None = Field(
        None, description="95 % interval of the value.", examples=[[0.96, 0.98]]
    )
    reference_ci: tuple[Measured, Measured] | None = Field(
        None, description="95 % interval of the reference.", examples=[[0.98, 0.99]]
    )
    at_holdout_size: Measured | None = Field(
        None,
        description="The value on as many synthetic rows as are held out, where the number of rows matters: "
        "this is compared with the benchmark.",
        examples=[0.97],
    )
    detail: Annotated[
        SerializeAsAny[InstanceOf[Detail]] | dict[str, Any],
        WithJsonSchema({"type": "object", "additionalProperties": True}),
    ] = Field(
        default_factory=dict,
        description="What it found beside the value, and the chart draws: each metric's own, of plain JSON values.",
        examples=[{"columns": {"age": 0.98}}],
    )
    note: str = Field("", description="What the reader should know, in a sentence.", examples=[""])

    def detail_as(self, model: type[D]) -> D | None:
        """The detail, or that part of it which `model` reads; None where the detail holds something else.

        A fresh score holds its metric's own model, and a stored one plain values: both are read alike.
        """
        if isinstance(self.detail, model):
            return self.detail
        try:
            return model.model_validate(self.detail, from_attributes=True, extra="ignore")
        except ValidationError:
            return None


class Card(BaseModel):
    """How to read a metric."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="The name that calls use.", examples=["column_shapes"])
    title: str = Field(description="The name that people use.", examples=["Column shapes"])
    family: Family = Field(description="What it is about.", examples=["fidelity"])
    question: str = Field(
        description="The question it answers, as a data owner would ask it.",
        examples=["Does each column look like the real one?"],
    )
    low: float | None = Field(description="The smallest value it can take; None: no bound.", examples=[0])
    high: float | None = Field(description="The largest value it can take; None: no bound.", examples=[1])
    good: Good = Field(
        description="Which values are good: high ones, low ones, or those near the benchmark.", examples=["high"]
    )
    why: str = Field(
        "", description="Why that is good, in a sentence.", examples=["Every column is spread like the real one."]
    )
    cost: Cost = Field("cheap", description="How long it takes, compared with the others.", examples=["cheap"])
    needs: tuple[Literal["holdout", "target"], ...] = Field(
        (), description="What it cannot be computed without.", examples=[["holdout"]]
    )
    source: str = Field("", description="Paper or library that defines it.", examples=["SDMetrics"])
    matters: float = Field(
        0.01, description="A smaller difference from the benchmark is of no consequence.", examples=[0.01]
    )
    every_row: bool = Field(
        False, description="Whether it needs every row, however large the tables are.", examples=[False]
    )
    plain: str = Field("", description="A plain name for it, where there is one.", examples=[""])


# Metrics -----------------------------------------------------------------------------------------------------------


class Subject(Protocol):
    """What a metric looks at."""

    def ready(self, card: Card) -> Self:
        """Itself as the metric of this card reads it. Raises NotMeasurable where it lacks what the metric needs."""


S = TypeVar("S", bound=Subject)


@dataclass(frozen=True)
class Metric(Generic[S]):
    """A metric of tables or of conversations: called with them, it always answers with a `Score`."""

    card: Card
    measure: Callable[[S], Score]
    detail: type[Detail] | None = None
    """The model of its scores' detail; None: plain values."""
    place: float = inf
    """Where it stands in its family; without one it comes last."""

    def __call__(self, subject: S) -> Score:
        try:
            return self.measure(subject.ready(self.card))
        except NotMeasurable as reason:
            return Score(value=None, note=str(reason))


# Tables ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Tables:
    """The tables that a metric compares. All three conform to `schema` (see `synth.schema.casting.conform`)."""

    train: pd.DataFrame
    """The rows the generator learned from."""
    holdout: pd.DataFrame | None
    """Held-out real rows, which no generator has seen; None when none were held out."""
    synthetic: pd.DataFrame
    """The rows to evaluate."""
    schema: Schema
    target: str | None = None
    """The column to predict in the utility metrics."""
    seed: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    """Choices for single metrics, such as the sensitive columns; see `OPTIONS`."""
    shared: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)
    """Cache of what several metrics use; see `once`."""

    def ready(self, card: Card) -> Tables:
        """The tables as a metric reads them: conformed, with the holdout that it needs."""
        tables = conformed(self)
        if "holdout" in card.needs and tables.holdout is None:
            raise NotMeasurable(
                "No rows were held out, so there is no benchmark to compare with. Hold out some rows of this dataset."
            )
        return tables


OPTIONS = {
    "sensitive": "Columns no attacker must learn: list of names (CAP disclosure, attribute inference, l-diversity).",
    "quasi_identifiers": "Quasi-identifiers, which an attacker may already know: list of names (attacks, k-anonymity).",
    "rules": "Conditions that every row meets, such as 'dropoff >= pickup' or 'age >= 18': list of texts (validity).",
    "epsilon": "Privacy budget of a differentially private generator: a number.",
}


def once(compute: Callable[..., Found]) -> Callable[..., Found]:
    """Cache `compute(tables, ...)` for each `Tables`, so that several metrics share it."""

    @wraps(compute)
    def remembered(tables: Tables, *about: Any) -> Found:
        key = (compute.__module__, compute.__qualname__, *about)
        if key not in tables.shared:
            tables.shared[key] = compute(tables, *about)
        return tables.shared[key]

    return remembered


@once
def conformed(tables: Tables) -> Tables:
    """The same tables, each with exactly the schema's columns and dtypes.

    Raises NotMeasurable when a table lacks a column, holds values its kind does not allow, or has no rows.
    """
    ready = replace(
        tables,
        train=_fitted("train", tables.train, tables.schema),
        holdout=None if tables.holdout is None else _fitted("holdout", tables.holdout, tables.schema),
        synthetic=_fitted("synthetic", tables.synthetic, tables.schema),
    )
    # Conformed tables are conformed already: metrics may call each other.
    ready.shared[(conformed.__module__, conformed.__qualname__)] = ready
    return ready


def _fitted(side: str, table: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """One table with the schema's columns and dtypes."""
    from synth.schema.casting import conform

    absent = [name for name in schema.names if name not in table.columns]
    if absent:
        raise NotMeasurable(
            f"The {side} table lacks the column(s) {', '.join(map(repr, absent))} that the schema names. "
            "Give all tables the same columns."
        )
    if not len(table):
        raise NotMeasurable(f"The {side} table has no rows.")
    try:
        return conform(table, schema).reset_index(drop=True)
    except Invalid as error:
        raise NotMeasurable(f"The {side} table does not fit the schema. {error}") from error

"""Rules between columns that every synthetic row keeps, such as `pickup <= dropoff`.

A rule is plain data: found by `synth.constraints.discovery.suggest_rules`, edited in the browser, stored in
`Schema.rules`. It says of each row whether it is kept; a row that lacks a value the rule speaks of keeps it. How
generators are made to keep rules is in `synth.constraints.enforcer`. What compares values needs pandas, and is imported
where it is used, so that a schema is quick to import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from synth.schema.kinds import Bound

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @property
    def named(self) -> list[str]:
        """The columns that the rule speaks of."""
        raise NotImplementedError

    def applies(self, table: pd.DataFrame) -> np.ndarray:
        """Row by row, whether all values are there that the rule speaks of."""
        return table[self.named].notna().all(axis=1).to_numpy()

    def holds(self, table: pd.DataFrame) -> np.ndarray:
        """Row by row, whether the rule is kept where it applies (elsewhere anything)."""
        raise NotImplementedError

    def kept(self, table: pd.DataFrame) -> np.ndarray:
        """Row by row, whether the rule is kept or does not apply. `table` conforms to its schema."""
        return ~self.applies(table) | self.holds(table)


class Ordering(_Rule):
    """One column never exceeds another: `low <= high`, or `low < high` when strict.

    Datetimes are compared as moments, or by the days on which they lie: handed in at noon of the due day is in time.
    """

    kind: Literal["order"] = Field("order", description="Which kind of rule it is.", examples=["order"])
    low: str = Field(description="The column with the smaller values.", examples=["pickup"])
    high: str = Field(description="The column with the larger values.", examples=["dropoff"])
    strict: bool = Field(False, description="Whether the two may not be equal.", examples=[False])
    by: Literal["moment", "day"] = Field(
        "moment", description="Whether datetimes are compared as moments or by whole days.", examples=["day"]
    )

    def __str__(self) -> str:
        return f"{self.low} {'<' if self.strict else '<='} {self.high}" + (" by day" if self.by == "day" else "")

    @property
    def named(self) -> list[str]:
        return [self.low, self.high]

    def holds(self, table: pd.DataFrame) -> np.ndarray:
        low, high = self.ends(table)
        return low < high if self.strict else low <= high

    def ends(self, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Numbers that compare as the values of the two columns do; datetimes, or their days, in microseconds."""
        from synth.schema.comparing import days_of, measured_alike

        low, high = table[self.low], table[self.high]
        return (days_of(low), days_of(high)) if self.by == "day" else measured_alike(low, high)


class Range(_Rule):
    """A column stays within bounds, each of which may be left open (None)."""

    kind: Literal["range"] = Field("range", description="Which kind of rule it is.", examples=["range"])
    column: str = Field(description="The column.", examples=["age"])
    low: Bound | None = Field(None, description="The smallest value it may have; unset: no bound.", examples=[18])
    high: Bound | None = Field(None, description="The largest value it may have; unset: no bound.", examples=[99])

    def __str__(self) -> str:
        low = "" if self.low is None else f"{self.low} <= "
        return f"{low}{self.column}" + ("" if self.high is None else f" <= {self.high}")

    @property
    def named(self) -> list[str]:
        return [self.column]

    def holds(self, table: pd.DataFrame) -> np.ndarray:
        from synth.schema.comparing import within

        return within(table[self.column], self.low, self.high)


class Allowed(_Rule):
    """A column holds one of the listed values."""

    kind: Literal["allowed"] = Field("allowed", description="Which kind of rule it is.", examples=["allowed"])
    column: str = Field(description="The column.", examples=["shift"])
    values: list[Bound] = Field(min_length=1, description="The values it may have.", examples=[["day", "night"]])

    def __str__(self) -> str:
        return f"{self.column} is one of {', '.join(map(str, self.values))}"

    @property
    def named(self) -> list[str]:
        return [self.column]

    def holds(self, table: pd.DataFrame) -> np.ndarray:
        from synth.schema.comparing import one_of

        return one_of(table[self.column], self.values)


class Combination(_Rule):
    """Values of these columns come together only as they do in the real table, such as city and state."""

    kind: Literal["combination"] = Field(
        "combination", description="Which kind of rule it is.", examples=["combination"]
    )
    columns: list[str] = Field(
        min_length=2,
        description="Columns whose values occur together only as they do in the real table.",
        examples=[["city", "state"]],
    )

    def __str__(self) -> str:
        return f"{' + '.join(self.columns)} as seen together"

    @property
    def named(self) -> list[str]:
        return list(self.columns)


class ExactlyOne(_Rule):
    """In each row exactly one of these columns is set: true, other than 0, or filled at all."""

    kind: Literal["exactly_one"] = Field(
        "exactly_one", description="Which kind of rule it is.", examples=["exactly_one"]
    )
    columns: list[str] = Field(
        min_length=2,
        description="Columns of which exactly one is set in each row.",
        examples=[["by_car", "by_train"]],
    )

    def __str__(self) -> str:
        return f"exactly one of {', '.join(self.columns)}"

    @property
    def named(self) -> list[str]:
        return list(self.columns)

    def applies(self, table: pd.DataFrame) -> np.ndarray:
        import numpy as np

        return np.ones(len(table), bool)

    def holds(self, table: pd.DataFrame) -> np.ndarray:
        return self.set_in(table).sum(axis=1) == 1

    def set_in(self, table: pd.DataFrame) -> np.ndarray:
        """Rows x columns: which are set."""
        import numpy as np

        from synth.schema.comparing import is_set

        return np.column_stack([is_set(table[column]) for column in self.columns])


class Sum(_Rule):
    """A column is the sum of others; differences up to `tolerance` are rounding."""

    kind: Literal["sum"] = Field("sum", description="Which kind of rule it is.", examples=["sum"])
    total: str = Field(description="The column that holds the sum.", examples=["total"])
    parts: list[str] = Field(min_length=2, description="The columns that add up to it.", examples=[["fare", "tip"]])
    tolerance: float = Field(0.005, ge=0, description="How far the sum may be off, for rounding.", examples=[0.005])

    def __str__(self) -> str:
        return f"{self.total} = {' + '.join(self.parts)}"

    @property
    def named(self) -> list[str]:
        return [self.total, *self.parts]

    def holds(self, table: pd.DataFrame) -> np.ndarray:
        from synth.schema.comparing import measure

        total = measure(table[self.total]).astype(float)
        off = abs(total - sum(measure(table[part]).astype(float) for part in self.parts))
        return off <= self.tolerance + 1e-9 * abs(total)


Rule = Annotated[Ordering | Range | Allowed | Combination | ExactlyOne | Sum, Field(discriminator="kind")]


class RuleReport(BaseModel):
    """How a rule fared: `broken` is the share of the model's own rows that broke it, before it was kept in all."""

    rule: str = Field(description="The rule, in words.")
    rows: int = Field(description="Rows of the model to which the rule applies.")
    broken: float = Field(description="Share of them that broke it.")

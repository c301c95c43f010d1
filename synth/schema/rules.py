"""Rules between columns that every synthetic row keeps, such as `pickup <= dropoff`.

A rule is plain data: found by `synth.constraints.discovery.suggest_rules`, edited in the browser, stored in
`Schema.rules`. It says of each row whether it is kept; a row that lacks a value the rule speaks of keeps it. It also
repairs rows that break it. When rules are checked and repaired, with any generator, is in `synth.constraints.enforcer`.
What compares values needs pandas, and is imported where it is used, so that a schema is quick to import.

A new kind of rule is a class here and its place in `Rule`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict, Field

from synth.schema.kinds import Bound

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


class Seen(NamedTuple):
    """Combinations of values as JSON has them, a list for each column, and the number of rows of each combination."""

    values: dict[str, list[Any]]
    counts: list[int]


class RepairTools(Protocol):
    """What a repair may use: digits and dtypes of the columns, chance, and cells to set."""

    @property
    def fixed(self) -> Collection[str]:
        """Columns that are never changed."""

    @property
    def rng(self) -> np.random.Generator: ...

    @property
    def seen(self) -> Seen | None:
        """What `seen_in` told of the real rows."""

    def step(self, name: str) -> Any:
        """The least difference of two values of a column, as is added to one."""

    def decimals(self, *names: str) -> int | None:
        """The digits after the point that the values of all these columns make do with; None: not known."""

    def conformed(self, values: pd.DataFrame) -> pd.DataFrame:
        """Values with the dtypes of the columns that they are named after."""

    def put(self, table: pd.DataFrame, name: str, rows: np.ndarray, values: pd.Series) -> None:
        """Set the cells of a column in `rows`."""


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    exact: ClassVar[bool] = False
    """Whether hardly any row keeps it by chance, so that it is repaired at once and not drawn again first."""

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

    def kept(self, table: pd.DataFrame, seen: Seen | None = None) -> np.ndarray:
        """Row by row, whether the rule is kept or does not apply. `table` conforms to its schema."""
        return ~self.applies(table) | self.holds(table)

    def seen_in(self, table: pd.DataFrame) -> Seen | None:
        """What of the real table must be known to keep the rule; None: nothing."""
        return None

    def repair(self, table: pd.DataFrame, rows: np.ndarray, tools: RepairTools) -> None:
        """Change the cells of `table` in `rows`, which break the rule, as little as it asks."""
        raise NotImplementedError


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

    def repair(self, table: pd.DataFrame, rows: np.ndarray, tools: RepairTools) -> None:
        """Set the end that may move to the other (when strict, one step beyond)."""
        import pandas as pd

        from synth.schema.comparing import as_written, moved_to, on_days_of

        move_low = self.high in tools.fixed
        if move_low and self.low in tools.fixed:
            return
        name, base = (self.low, self.high) if move_low else (self.high, self.low)
        values, anchor = table[name].iloc[rows], table[base].iloc[rows]
        if self.by == "day":
            days = as_written(anchor) + pd.Timedelta(days=self.strict * (-1 if move_low else 1))
            tools.put(table, name, rows, on_days_of(days, values))
            return
        if self.strict:
            anchor = anchor - tools.step(name) if move_low else anchor + tools.step(name)
        if pd.api.types.is_datetime64_any_dtype(values.dtype):
            anchor = moved_to(anchor, values.dtype)
        tools.put(table, name, rows, tools.conformed(anchor.to_frame(name).reset_index(drop=True))[name])


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

    def repair(self, table: pd.DataFrame, rows: np.ndarray, tools: RepairTools) -> None:
        """Move the values to the bound that they lie beyond."""
        from synth.schema.comparing import clipped

        if self.column not in tools.fixed:
            tools.put(table, self.column, rows, clipped(table[self.column].iloc[rows], self.low, self.high))


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

    def repair(self, table: pd.DataFrame, rows: np.ndarray, tools: RepairTools) -> None:
        """Draw one of the values."""
        import numpy as np
        import pandas as pd

        if self.column not in tools.fixed:
            values = pd.DataFrame({self.column: tools.rng.choice(np.array(self.values, object), len(rows))})
            tools.put(table, self.column, rows, tools.conformed(values)[self.column])


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

    def kept(self, table: pd.DataFrame, seen: Seen | None = None) -> np.ndarray:
        """Row by row, whether the values were seen together, or one is missing."""
        import numpy as np

        from synth.schema.comparing import keys_of

        values = self._told(seen).values
        known = set(zip(*(values[name] for name in self.columns), strict=True))
        return ~self.applies(table) | np.array([key in known for key in keys_of(table[self.columns])], bool)

    def seen_in(self, table: pd.DataFrame) -> Seen:
        """The combinations and how often each occurs; those of one row only where they make up the table."""
        from synth.schema.comparing import as_json

        counted = table[self.columns].dropna().value_counts(sort=False).reset_index(name="__rows__")
        rows = counted.pop("__rows__").to_numpy()
        # A combination of one person is left out, unless so many are that the rule would lose half the table.
        often = rows > 1
        if rows[often].sum() >= rows.sum() / 2:
            counted, rows = counted[often], rows[often]
        return Seen({name: [as_json(value) for value in counted[name]] for name in self.columns}, rows.tolist())

    def repair(self, table: pd.DataFrame, rows: np.ndarray, tools: RepairTools) -> None:
        """Replace the combination by one seen with the value of the leading column (or of those that are fixed)."""
        import numpy as np
        import pandas as pd

        from synth.schema.comparing import keys_of

        seen, fixed = self._told(tools.seen), set(tools.fixed)
        values, counts = tools.conformed(pd.DataFrame(seen.values)), np.array(seen.counts, float)
        leading = [name for name in self.columns if name in fixed] or self.columns[:1]
        partners: dict[tuple, list[int]] = {}
        for place, key in enumerate(keys_of(values[leading])):
            partners.setdefault(key, []).append(place)
        anyone = None if set(self.columns) & fixed else list(range(len(counts)))
        chosen: list[int] = []
        repairable: list[int] = []
        for row, key in zip(rows, keys_of(table[leading].iloc[rows]), strict=True):
            places = partners.get(key, anyone)
            if places:
                weights = counts[places]
                point = tools.rng.random() * weights.sum()
                chosen.append(places[np.searchsorted(np.cumsum(weights), point, side="right")])
                repairable.append(row)
        for name in self.columns if repairable else ():
            if name not in fixed:
                picked = values[name].iloc[np.array(chosen)].reset_index(drop=True)
                tools.put(table, name, np.array(repairable), picked)

    def _told(self, seen: Seen | None) -> Seen:
        if seen is None:
            raise ValueError(f"Whether {self} is kept cannot be told without what was seen in the real table.")
        return seen


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

    def repair(self, table: pd.DataFrame, rows: np.ndarray, tools: RepairTools) -> None:
        """Keep one of the columns that are set; where none is, set one as some other row has it."""
        import numpy as np
        import pandas as pd

        if set(tools.fixed) & set(self.columns):
            return
        rng, is_set = tools.rng, self.set_in(table)
        mine = is_set[rows]
        shares = np.where(mine.any(axis=1, keepdims=True), mine, np.maximum(is_set.mean(axis=0), 1e-9))
        keep = np.argmax(rng.random(shares.shape) ** (1 / np.maximum(shares, 1e-12)), axis=1)
        for place, name in enumerate(self.columns):
            column = table[name]
            numeric = column.dtype == "boolean" or pd.api.types.is_numeric_dtype(column.dtype)
            unset = rows[(keep != place) & mine[:, place]]
            if len(unset):
                none = pd.Series([0 if numeric else None] * len(unset)).astype(column.dtype)
                tools.put(table, name, unset, none)
            to_set = rows[(keep == place) & ~mine[:, place]]
            donors = np.flatnonzero(is_set[:, place])
            if len(to_set) and (len(donors) or numeric):
                known = column.iloc[rng.choice(donors, len(to_set))] if len(donors) else pd.Series([1] * len(to_set))
                tools.put(table, name, to_set, known.reset_index(drop=True).astype(column.dtype))


class Sum(_Rule):
    """A column is the sum of others; differences up to `tolerance` are rounding."""

    kind: Literal["sum"] = Field("sum", description="Which kind of rule it is.", examples=["sum"])
    exact: ClassVar[bool] = True

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

    def repair(self, table: pd.DataFrame, rows: np.ndarray, tools: RepairTools) -> None:
        """Sum up the total; where the total is fixed, stretch the parts that are not, the last taking the rounding."""
        import numpy as np
        import pandas as pd

        def put(name: str, values: np.ndarray, decimals: int | None) -> None:
            rounded = np.round(values, 9 if decimals is None else decimals)
            tools.put(table, name, rows, pd.Series(rounded).astype(table[name].dtype))

        parts = {name: table[name].iloc[rows].to_numpy(float) for name in self.parts}
        if self.total not in tools.fixed:
            put(self.total, np.sum(list(parts.values()), axis=0), tools.decimals(*self.named))
            return
        free = [name for name in self.parts if name not in tools.fixed]
        if not free:
            return
        total = table[self.total].iloc[rows].to_numpy(float)
        left = total - sum(values for name, values in parts.items() if name not in free)
        before = sum(parts[name] for name in free)
        with np.errstate(divide="ignore", invalid="ignore"):
            stretch = np.where(before != 0, left / before, 0.0)
        for name in free[:-1]:
            new, decimals = parts[name] * stretch, tools.decimals(name)
            new = new if decimals is None else np.round(new, decimals)
            left = left - new
            put(name, new, decimals)
        put(free[-1], left, tools.decimals(free[-1]))


Rule = Annotated[Ordering | Range | Allowed | Combination | ExactlyOne | Sum, Field(discriminator="kind")]


class RuleReport(BaseModel):
    """How a rule fared: `broken` is the share of the model's own rows that broke it, before it was kept in all."""

    rule: str = Field(description="The rule, in words.")
    rows: int = Field(description="Rows of the model to which the rule applies.")
    broken: float = Field(description="Share of them that broke it.")

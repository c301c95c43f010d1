"""What a table's columns are: their kinds, roles and formats.

A `Schema` is detected when a table arrives, edited by the analyst in the browser, and read by every
generator and every metric. `conform` gives a table the one pandas dtype each kind has throughout the house:

| kind       | pandas dtype       | missing | in a CSV                                   |
|------------|--------------------|---------|--------------------------------------------|
| `number`   | `float64`          | NaN     | `decimals` digits, or the shortest that reads back |
| `integer`  | `Int64`            | NA      | digits                                     |
| `boolean`  | `boolean`          | NA      | `labels` (false, true)                     |
| `datetime` | `datetime64[us]` (with `timezone`: `datetime64[us, tz]`) | NaT | `format`, as strftime writes it |
| `category` | `category` of str  | NaN     | the text itself                            |
| `text`     | `string`           | NA      | the text itself                            |
"""

from __future__ import annotations

from typing import Literal, Self

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, model_validator

Kind = Literal["number", "integer", "category", "boolean", "datetime", "text"]
Role = Literal["feature", "id", "target", "pii", "drop"]


class Column(BaseModel):
    """One column as the analyst sees it, and as it is written back to a file."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="The header, as in the file.")
    kind: Kind = Field(description="What the values are.")
    role: Role = Field("feature", description="What the column is for.")
    decimals: int | None = Field(
        None, ge=0, le=18, description="Digits after the point; None: as many as a value needs."
    )
    format: str | None = Field(None, description="How a datetime is written, as strftime has it.")
    timezone: str | None = Field(None, description="Time zone of a datetime, when the file names one.")
    labels: tuple[str, str] | None = Field(None, description="How a boolean is written: (false, true).")
    missing: str = Field("", description="What stands in the file where a value is missing.")
    pii: str | None = Field(None, description="Which personal data it holds: name, email, phone, ...")


class Schema(BaseModel):
    """The columns of one table, in file order."""

    model_config = ConfigDict(extra="forbid")

    columns: list[Column]

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [column.name for column in self.columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"Column names must differ; these occur twice: {', '.join(twice)}.")
        return self

    def __iter__(self):
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)

    def __getitem__(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def target(self) -> str | None:
        """The column to predict, or None."""
        return next((column.name for column in self.columns if column.role == "target"), None)

    def having(self, *, kinds: tuple[Kind, ...] = (), roles: tuple[Role, ...] = ()) -> list[str]:
        """Names of the columns that have one of `kinds` and one of `roles` (empty: any)."""
        return [
            column.name
            for column in self.columns
            if (not kinds or column.kind in kinds) and (not roles or column.role in roles)
        ]

    @property
    def modelled(self) -> Schema:
        """The columns a generator learns: features and target that are not free text."""
        return Schema(columns=[c for c in self.columns if c.role in ("feature", "target") and c.kind != "text"])


def dtype_of(column: Column) -> str | pd.DatetimeTZDtype:
    """The pandas dtype that a column's kind has throughout the house."""
    if column.kind == "datetime":
        return pd.DatetimeTZDtype("us", column.timezone) if column.timezone else "datetime64[us]"
    return {"number": "float64", "integer": "Int64", "boolean": "boolean", "category": "category", "text": "string"}[
        column.kind
    ]


def conform(table: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """The schema's columns of `table`, in its order, each with its kind's dtype.

    Raises ValueError when a column is absent or holds values its kind does not allow.
    """
    absent = [name for name in schema.names if name not in table.columns]
    if absent:
        raise ValueError(f"The table lacks the column(s) {', '.join(map(repr, absent))} that its schema names.")
    return pd.DataFrame({column.name: _conformed(table[column.name], column) for column in schema}, index=table.index)


def _conformed(values: pd.Series, column: Column) -> pd.Series:
    dtype = dtype_of(column)
    if values.dtype == dtype and column.kind != "category":
        return values
    try:
        if column.kind == "category":
            if isinstance(values.dtype, pd.CategoricalDtype) and pd.api.types.is_string_dtype(values.cat.categories):
                return values
            return values.astype("string").astype(object).astype("category")
        if column.kind == "integer":
            # Through float64 when the values are not integers yet, since "3.0" means 3.
            return pd.to_numeric(values).round().astype("Int64")
        if column.kind == "number":
            return pd.to_numeric(values).astype("float64")
        if column.kind == "datetime":
            parsed = pd.to_datetime(values, utc=bool(column.timezone))
            return parsed.dt.tz_convert(column.timezone).astype(dtype) if column.timezone else parsed.astype(dtype)
        return values.astype(dtype)
    except (ValueError, TypeError) as error:
        raise ValueError(f"Column {column.name!r} is declared {column.kind} but holds other values: {error}") from error

"""What a table's columns are, and the rules between them.

A `Schema` is detected when a table arrives (`synth.schema.detection`), edited by the analyst in the browser, and read
by every generator and every metric. It is plain data: `synth.schema.casting` gives a table its dtypes.
"""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from synth.schema.kinds import Column, Kind, Role
from synth.schema.rules import Ordering, Rule


class Schema(BaseModel):
    """The columns of one table, in file order."""

    model_config = ConfigDict(extra="forbid")

    columns: list[Column] = Field(
        description="The columns, in the order of the file.", examples=[[{"name": "age", "kind": "integer"}]]
    )
    locale: str = Field(
        "en_US", description="Language and country of faked personal data, such as de_DE.", examples=["en_US"]
    )
    rules: list[Rule] = Field(
        default_factory=list,
        description="What every synthetic row keeps between its columns.",
        examples=[[{"kind": "range", "column": "age", "low": 18}]],
    )

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        names = [column.name for column in self.columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"Column names must differ; these occur twice: {', '.join(twice)}.")
        for rule in self.rules:
            if absent := [name for name in rule.named if name not in names]:
                raise ValueError(f"The rule {rule} speaks of {', '.join(map(repr, absent))}, which is no column.")
            other = [name for name in rule.named if self[name].kind != "datetime"]
            if isinstance(rule, Ordering) and rule.by == "day" and other:
                raise ValueError(f"The rule {rule} compares days, but {', '.join(map(repr, other))} is no datetime.")
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

    @property
    def released(self) -> Schema:
        """The columns that a synthetic table has: all that are not dropped."""
        columns = [column for column in self.columns if column.role != "drop"]
        names = {column.name for column in columns}
        return self.model_copy(
            update={"columns": columns, "rules": [rule for rule in self.rules if names >= set(rule.named)]}
        )

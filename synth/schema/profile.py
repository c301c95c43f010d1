"""What one column holds, in numbers: what the Data page shows of it."""

from __future__ import annotations

from pydantic import BaseModel, Field

from synth.schema.kinds import Kind


class TopValue(BaseModel):
    """A frequent value, as it stands in the file, and how many rows hold it."""

    value: str = Field(description="The value, as it stands in the file.", examples=["36"])
    rows: int = Field(description="How many rows hold it.", examples=[898])


class Histogram(BaseModel):
    """How the values spread: `counts[i]` of them lie between `edges[i]` and `edges[i + 1]`."""

    edges: list[float] | list[str] = Field(description="Numbers, or times in ISO 8601.", examples=[[17, 53.5, 90]])
    counts: list[int] = Field(description="Values between each edge and the next.", examples=[[20114, 12447]])


class ColumnProfile(BaseModel):
    """What one column holds, in the numbers that the Data page shows."""

    name: str = Field(description="The column.", examples=["age"])
    kind: Kind = Field(description="What the values are.", examples=["integer"])
    rows: int = Field(description="Rows of the table.", examples=[32561])
    missing: int = Field(description="Rows without a value.", examples=[0])
    distinct: int = Field(description="Different values.", examples=[73])
    minimum: float | str | None = Field(None, description="Smallest value; for datetimes in ISO 8601.", examples=[17])
    maximum: float | str | None = Field(None, description="Largest value.", examples=[90])
    mean: float | str | None = Field(None, description="Mean value.", examples=[38.6])
    std: float | None = Field(None, description="Standard deviation (n - 1); of numbers only.", examples=[13.6])
    shortest: int | None = Field(
        None, description="Characters of the shortest text; of categories and texts.", examples=[3]
    )
    longest: int | None = Field(None, description="Characters of the longest text.", examples=[12])
    top: list[TopValue] = Field(
        default_factory=list,
        description="The most frequent values, at most ten.",
        examples=[[{"value": "36", "rows": 898}]],
    )
    samples: list[str] = Field(
        default_factory=list, description="A few values, as they stand in the file.", examples=[["39", "50"]]
    )
    histogram: Histogram | None = Field(
        None, description="Of numbers and datetimes.", examples=[{"edges": [17, 53.5, 90], "counts": [20114, 12447]}]
    )
    note: str = Field("", description="What the reader should know about how the column was read.", examples=[""])

    @property
    def missing_share(self) -> float:
        return self.missing / self.rows if self.rows else 0.0

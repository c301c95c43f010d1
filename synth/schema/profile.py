"""What one column holds, in numbers: what the Data page shows of it."""

from __future__ import annotations

from pydantic import BaseModel, Field

from synth.schema.kinds import Kind


class TopValue(BaseModel):
    """A frequent value, as it stands in the file, and how many rows hold it."""

    value: str = Field(description="The value, as it stands in the file.")
    rows: int = Field(description="How many rows hold it.")


class Histogram(BaseModel):
    """How the values spread: `counts[i]` of them lie between `edges[i]` and `edges[i + 1]`."""

    edges: list[float] | list[str] = Field(description="Numbers, or times in ISO 8601.")
    counts: list[int] = Field(description="Values between each edge and the next.")


class ColumnProfile(BaseModel):
    """What one column holds, in the numbers that the Data page shows."""

    name: str = Field(description="The column.")
    kind: Kind = Field(description="What the values are.")
    rows: int = Field(description="Rows of the table.")
    missing: int = Field(description="Rows without a value.")
    distinct: int = Field(description="Different values.")
    minimum: float | str | None = Field(None, description="Smallest value; for datetimes in ISO 8601.")
    maximum: float | str | None = Field(None, description="Largest value.")
    mean: float | str | None = Field(None, description="Mean value.")
    std: float | None = Field(None, description="Standard deviation (n - 1); of numbers only.")
    shortest: int | None = Field(None, description="Characters of the shortest text; of categories and texts.")
    longest: int | None = Field(None, description="Characters of the longest text.")
    top: list[TopValue] = Field(default_factory=list, description="The most frequent values, at most ten.")
    samples: list[str] = Field(default_factory=list, description="A few values, as they stand in the file.")
    histogram: Histogram | None = Field(None, description="Of numbers and datetimes.")
    note: str = Field("", description="What the reader should know about how the column was read.")

    @property
    def missing_share(self) -> float:
        return self.missing / self.rows if self.rows else 0.0

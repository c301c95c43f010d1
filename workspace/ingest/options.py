"""What one may say about how a file is read, and what reading it gives."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import ConfigDict, Field

from synth.strict import StrictNumbers
from workspace.ingest.delimited import Columns

PREVIEW_ROWS = 50


class ReadOptions(StrictNumbers):
    """How a file is to be read; None: detect."""

    model_config = ConfigDict(extra="forbid")

    encoding: str | None = Field(
        None, description="A name that Python knows, such as utf-8, utf-16, cp1252 or shift_jis.", examples=["utf-8"]
    )
    delimiter: str | None = Field(None, description="Separates two cells; empty: there is one column.", examples=[";"])
    quote: str | None = Field(
        None, max_length=1, description="Encloses a cell; empty: cells are not quoted.", examples=['"']
    )
    escape: str | None = Field(
        None,
        max_length=1,
        description="Precedes a quote within a cell; empty: the quote is doubled.",
        examples=["\\"],
    )
    header: int | None = Field(
        None, title="Header rows", ge=0, le=20, description="Rows of the header; 0: the file has none.", examples=[1]
    )
    skip_rows: int | None = Field(
        None,
        title="Skip rows at the start",
        ge=0,
        description="Lines before the header or the first row.",
        examples=[0],
    )
    skip_footer: int | None = Field(
        None, title="Skip rows at the end", ge=0, description="Rows to leave out at the end.", examples=[0]
    )
    decimal: str | None = Field(
        None, title="Decimal mark", pattern="^[.,]$", description="The decimal mark of numbers.", examples=[","]
    )
    day_first: bool | None = Field(None, description="Whether 03/04/2020 is the third of April.", examples=[True])
    sheet: str | None = Field(None, description="Which sheet of an Excel file.", examples=["Sheet1"])
    table: int | None = Field(
        None,
        ge=0,
        le=1,
        description="Of several tables in a file: 1 the first, 0 all with a header like its own.",
        examples=[1],
    )


@dataclass
class Texts:
    """What a file says: columns of texts, and how they were found."""

    names: list[str]
    columns: Columns
    options: ReadOptions
    """As decided."""
    summary: str
    """What was decided, in one line."""
    notes: list[str] = field(default_factory=list)
    """What the reader of the table should know, each in a sentence."""
    lines: int = 0
    sheets: list[str] = field(default_factory=list)

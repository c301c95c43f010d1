"""What a column is: its kind, its role, and how its values are written in a file."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["number", "integer", "category", "boolean", "datetime", "text"]
Role = Literal["feature", "id", "target", "pii", "drop"]
Bound = bool | int | float | str
"""A value as rules and conditions write it, in JSON; a datetime in ISO 8601."""


class Column(BaseModel):
    """One column as the analyst sees it, and as it is written back to a file."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="The header, as in the file.", examples=["age"])
    kind: Kind = Field(description="What the values are.", examples=["integer"])
    role: Role = Field("feature", description="What the column is for.", examples=["feature"])
    decimals: int | None = Field(
        None, ge=0, le=18, description="Digits after the point, at most; None: as many as a value needs.", examples=[2]
    )
    least_decimals: int = Field(0, ge=0, le=18, description="Digits after the point, at least.", examples=[0])
    decimal_mark: Literal[".", ","] = Field(
        ".", description="What stands before the decimals in the file.", examples=["."]
    )
    thousands: str = Field("", max_length=1, description="What groups the digits by three in the file.", examples=[","])
    prefix: str = Field("", description="What stands before every number in the file, such as $.", examples=["$"])
    suffix: str = Field("", description="What stands after every number in the file, such as %.", examples=["%"])
    format: str | None = Field(
        None,
        description="How a datetime is written, as strftime has it, with %3f for milliseconds.",
        examples=["%Y-%m-%d"],
    )
    timezone: str | None = Field(
        None, description="Time zone of a datetime, when the file names one.", examples=["Europe/Oslo"]
    )
    labels: tuple[str, str] | None = Field(
        None, description="How a boolean is written: (false, true).", examples=[["no", "yes"]]
    )
    missing: str = Field("", description="What stands in the file where a value is missing.", examples=[""])
    pii: str | None = Field(
        None,
        description="Which personal data it holds, of `synth.schema.pii.PII`: name, email, ...",
        examples=["email"],
    )
    mixed: bool = Field(
        False,
        description="Whether cells are written in several forms, such as 12.50 beside n/a, 300 g beside 1.2 kg, or 128/82. "
        "The form of each cell is then learned and drawn with its values.",
        examples=[False],
    )
    text: Literal["fake", "empty"] = Field(
        "fake",
        description="What a synthetic table has in place of free text: words without meaning, or nothing.",
        examples=["fake"],
    )
    rare: Literal["auto", "similar", "blank", "label", "coarser", "keep"] = Field(
        "auto",
        description="What comes in place of levels that too few rows hold, of a category: auto (decided by whether the "
        "column is about people, and how much would stay), similar (a kept level of the rows most alike in the other "
        "columns), blank (nothing), label (`rare_label`), coarser (the beginning that several of them share, such as A01 "
        "of A01.1), or keep (they come out as they are).",
        examples=["auto"],
    )
    rare_below: int | None = Field(
        None,
        ge=1,
        le=1000,
        description="A level that fewer rows hold is rare; None: 5 in columns about people, 2 in others.",
        examples=[5],
    )
    rare_label: str = Field(
        "other", min_length=1, description="What stands for rare levels where `rare` is label.", examples=["other"]
    )

"""What will hurt before it hurts: findings in words about a table's columns, each with a fix in one click."""

from __future__ import annotations

from pydantic import BaseModel

from synth.schema import Column, ColumnProfile, Schema


class Finding(BaseModel):
    """Something about a column that will hurt, and how to mend it."""

    column: str
    code: str
    text: str
    fix: Column | None = None
    fix_label: str = ""


def preflight(profiles: list[ColumnProfile], schema: Schema) -> list[Finding]:
    """The findings about a table, in the order of its columns."""
    findings = []
    for profile in profiles:
        column = schema[profile.name]
        if column.role in ("feature", "target") and profile.distinct <= 1:
            what = "is empty" if not profile.distinct else "holds one value only"
            fix = column.model_copy(update={"role": "drop"})
            text = f"{column.name} {what}: there is nothing to learn from it."
            findings.append(Finding(column=column.name, code="constant", text=text, fix=fix, fix_label="Leave it out"))
    return findings

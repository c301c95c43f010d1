"""Checks before training: problems in a dataset's columns, in words, each with a fix in one click."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Literal

import pyarrow as pa
from pydantic import BaseModel, Field

from synth.columns.rare import OF_PEOPLE, Protection
from synth.linear import whole, within
from synth.schema import Column, Schema
from synth.schema.dates import read_dates
from synth.schema.pii import words_of
from synth.schema.profile import ColumnProfile

MANY_LEVELS = 1_000
NEARLY_EMPTY = 0.95
MOSTLY = 0.8
"""Share of the frequent values that must be dates or numbers for the others to stand out."""
MARKERS = frozenset({"?", "na", "n/a", "#n/a", "n.a.", "nan", "null", "<na>", "(null)", "-", "--", "."})
"""Texts among categories that usually mark a missing value; "none" and "unknown" may well be answers."""
CLOCK = within(r"\b(time|timestamp|ts|date|at|epoch|unix|created|updated|when)\b")
"""Words of a header that speak of a moment."""
INTEGER, CODE = whole("-?[0-9]+"), whole("[A-Z]{1,3}")
DAY_OR_MONTH, LEADING_ZERO = within("%-?[dm]"), within("0[0-9]")
NUMBER = whole(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
SAID = {
    "name": "names of people",
    "first_name": "first names",
    "last_name": "last names",
    "username": "user names",
    "email": "e-mail addresses",
    "phone": "telephone numbers",
    "address": "postal addresses",
    "street": "streets",
    "city": "cities beside other personal data",
    "zip": "postal codes beside other personal data",
    "company": "companies beside other personal data",
    "card": "payment card numbers",
    "ssn": "social-security or identity numbers",
    "iban": "bank account numbers",
    "ip": "network addresses",
    "url": "web addresses beside other personal data",
    "date_of_birth": "dates of birth",
}
"""Every kind of personal data in words."""


Severity = Literal["leak", "lost", "worth a look", "handled"]
SEVERITIES: dict[str, Severity] = {
    "repeated_id": "leak",
    "personal_learned": "leak",
    "all_different": "leak",
    "free_text": "lost",
    "dates_as_text": "lost",
    "numbers_as_text": "lost",
    "rare_lost": "lost",
    "id": "handled",
    "personal": "handled",
    "read_as_missing": "handled",
    "rare_replaced": "handled",
    "rare_chosen": "handled",
}
"""How much each finding matters; those that are not named are worth a look."""


class Finding(BaseModel):
    """A problem of a column, and its fix."""

    column: str = Field(description="The column it is about.", examples=["city"])
    code: str = Field(description="Which finding it is, in a word.", examples=["constant"])
    severity: Severity = Field(
        "worth a look",
        description="How much it matters: leak (real values could come out), lost (what the column says is lost), worth a "
        "look, or handled (nothing is left to do).",
        examples=["worth a look"],
    )
    text: str = Field(
        description="What was found and what it does, for the analyst.",
        examples=["Every row has the same value: there is nothing to learn."],
    )
    fix: Column | None = Field(
        None,
        description="The column after the fix.",
        examples=[{"name": "city", "kind": "category", "role": "drop"}],
    )
    fix_label: str = Field("", description="The fix in a few words, for a button.", examples=["Leave it out"])


Check = Callable[[ColumnProfile, Column], Iterator[Finding]]


def preflight(profiles: list[ColumnProfile], schema: Schema, protections: Sequence[Protection] = ()) -> list[Finding]:
    """The findings about a dataset, in the order of its columns; columns left out have none.

    `protections`: what is done about the rare levels of columns.
    """
    findings, about_rare = [], {one.column: one for one in protections}
    for profile in profiles:
        column = schema[profile.name]
        if column.role != "drop":
            for check in CHECKS:
                findings += check(profile, column)
            if column.name in about_rare:
                findings += _rare(about_rare[column.name], column)
    return findings


def _finding(column: Column, code: str, text: str, label: str = "", **changes: Any) -> Finding:
    fix = Column.model_validate(column.model_dump() | changes) if changes else None
    severity = SEVERITIES.get(code, "worth a look")
    return Finding(column=column.name, code=code, severity=severity, text=text, fix=fix, fix_label=label)


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


# Nothing to learn --------------------------------------------------------------------------------------------------


def _empty(profile: ColumnProfile, column: Column) -> Iterator[Finding]:
    if not profile.distinct:
        yield _finding(column, "empty", "Every cell is empty: there is nothing to learn.", "Leave it out", role="drop")
    elif profile.distinct == 1 and not profile.missing:
        value = profile.top[0].value
        text = f"Every row holds {_shown(value)}: there is nothing to learn."
        yield _finding(column, "constant", text, "Leave it out", role="drop")
    elif profile.missing_share > NEARLY_EMPTY:
        filled = profile.rows - profile.missing
        text = f"Only {_rows(filled)} of {profile.rows:,} hold a value: too few to learn from."
        yield _finding(column, "nearly_empty", text, "Leave it out", role="drop")


# Who or what a row is about ----------------------------------------------------------------------------------------


def _identifier(profile: ColumnProfile, column: Column) -> Iterator[Finding]:
    filled = profile.rows - profile.missing
    if column.role == "id":
        text = f"Unique identifier ({profile.distinct:,} values): not learned; replaced by new ids of the same pattern."
        yield _finding(column, "id", text, "Leave it out", role="drop")
        return
    tokens = words_of(column.name).split()
    named = bool(tokens) and tokens[-1] in ("id", "ids", "uuid", "guid", "identifier")
    learned = column.role == "feature" and column.kind in ("integer", "category", "text")
    if learned and named and filled > profile.distinct > 20:
        text = (
            f"It looks like a foreign key: {profile.distinct:,} different values in {_rows(filled)}. A generator would "
            f"reproduce real keys."
        )
        yield _finding(column, "repeated_id", text, "Make new ids", role="id")
    elif learned and column.kind == "category" and filled == profile.distinct > 20:
        text = "Every value is unique: a generator could only repeat them."
        yield _finding(column, "all_different", text, "Make new ids", role="id")


def _personal(profile: ColumnProfile, column: Column) -> Iterator[Finding]:
    if not column.pii:
        return
    said = SAID.get(column.pii, column.pii)
    if column.role == "pii":
        text = f"It holds {said}: not learned; replaced by made-up ones."
        yield _finding(column, "personal", text, "Leave it out", role="drop")
    elif column.role != "id":
        text = f"It seems to hold {said}. A generator would learn real ones and could reveal them."
        yield _finding(column, "personal_learned", text, "Replace by made-up ones", role="pii")


# Kinds that are not what they seem ---------------------------------------------------------------------------------


def _date_in_digits(profile: ColumnProfile, column: Column) -> Iterator[Finding]:
    """Days as 19990131 and Unix timestamps, which look like numbers."""
    if column.kind != "integer" or column.role not in ("feature", "target") or column.decimals:
        return
    low, high, seen = float(profile.minimum or 0), float(profile.maximum or 0), _seen(profile)
    if low >= 18_000_101 and high <= 22_001_231 and all(_is_day(text) for text in seen):
        text = f"The numbers are dates, such as {seen[0]}. Read as numbers, most synthetic values would be no dates."
        yield _finding(column, "date_as_number", text, "Read as dates", kind="datetime", format="%Y%m%d")
        return
    for code, unit, scale in (("%s", "seconds", 1), ("%s%3f", "milliseconds", 1_000)):
        is_recent = 631_152_000 * scale <= low and high <= 2_051_222_400 * scale  # 1990 to 2035
        named = CLOCK.search(words_of(column.name))
        if is_recent and high > low and (named or scale > 1) and profile.distinct > 0.2 * profile.rows:
            text = f"The numbers seem to be Unix timestamps, in {unit}."
            yield _finding(column, "date_as_number", text, "Read as dates", kind="datetime", format=code)


def _is_day(text: str) -> bool:
    try:
        datetime.strptime(text, "%Y%m%d")
    except ValueError:
        return False
    return len(text) == 8


def _almost_typed(profile: ColumnProfile, column: Column) -> Iterator[Finding]:
    """Dates or numbers, but for a few other texts."""
    if column.kind not in ("category", "text") or column.role not in ("feature", "target") or profile.distinct < 5:
        return
    seen = _seen(profile)
    for what, is_one in (("numbers", _is_number), ("dates", _is_date)):
        others = [text for text in seen if not is_one(text)]
        if not others or len(others) > (1 - MOSTLY) * len(seen) + 1 or len(seen) - len(others) < 4:
            continue
        text = f"Most values are {what}, but some are not, such as {_shown(others[0])}: all are learned as text."
        regular = [text for text in seen if is_one(text)]
        if len(others) == 1:
            label = f"Read as {what}, {_shown(others[0])} as missing"
            yield _finding(column, f"{what}_as_text", text, label, missing=others[0], **_typed(what, regular))
        else:
            yield _finding(column, f"{what}_as_text", text)
        return


def _typed(what: str, texts: list[str]) -> dict[str, Any]:
    if what == "dates":
        found = read_dates(pa.array(texts))
        return {"kind": "datetime", "format": found.format, "timezone": found.timezone} if found else {}
    whole = all(map(INTEGER.fullmatch, texts))
    return {"kind": "integer" if whole else "number"}


def _is_number(text: str) -> bool:
    return NUMBER.fullmatch(text.strip()) is not None and not LEADING_ZERO.match(text)


def _is_date(text: str) -> bool:
    return read_dates(pa.array([text])) is not None


def _doubtful(profile: ColumnProfile, column: Column) -> Iterator[Finding]:
    """A format that the texts leave open, with the other reading as the fix."""
    if not profile.note:
        return
    turned = {"%d": "%m", "%-d": "%-m", "%m": "%d", "%-m": "%-d"}
    if column.kind == "datetime" and column.format:
        other = DAY_OR_MONTH.sub(lambda match: turned[match[0]], column.format)
        label = "Read the day first" if other.lstrip("%-").startswith("d") else "Read the month first"
        yield _finding(column, "day_or_month", profile.note, label, format=other)
    elif column.thousands == ",":
        changes = {"thousands": "", "decimal_mark": ",", "kind": "number", "decimals": 3}
        yield _finding(column, "decimal_comma", profile.note, "Read it as a decimal comma", **changes)


# Problematic values ----------------------------------------------------------------------------------------------


def _marker(profile: ColumnProfile, column: Column) -> Iterator[Finding]:
    """A text that usually marks a missing value."""
    if column.kind != "category" or column.role not in ("feature", "target") or profile.distinct < 2:
        return
    codes = sum(CODE.fullmatch(top.value) is not None for top in profile.top)
    for top in profile.top:
        word = top.value.strip().lower()
        if word not in MARKERS or top.value == column.missing or (word.isalpha() and codes > 1):
            continue
        text = f"{_shown(top.value)} in {_rows(top.rows)} seems to mark a missing value, but is learned as a value."
        yield _finding(column, "stand_in", text, f"Read {_shown(top.value)} as missing", missing=top.value)
        return


def _read_as_missing(profile: ColumnProfile, column: Column) -> Iterator[Finding]:
    if column.missing and column.kind in ("number", "integer", "datetime") and profile.missing:
        text = f"{_rows(profile.missing)} without a value: {_shown(column.missing)} is read as missing."
        yield _finding(column, "read_as_missing", text, "Learn it as text instead", kind="category", missing="")


def _many_levels(profile: ColumnProfile, column: Column) -> Iterator[Finding]:
    filled = profile.rows - profile.missing
    if column.kind != "category" or column.role not in ("feature", "target") or filled == profile.distinct:
        return
    if profile.distinct > MANY_LEVELS or profile.distinct > max(50, 0.5 * filled):
        text = (
            f"It has {profile.distinct:,} different values in {_rows(filled)}: most are too rare to learn, and neural "
            f"generators become slow."
        )
        yield _finding(column, "many_levels", text, "Treat as free text", kind="text")


def _rare(found: Protection, column: Column) -> Iterator[Finding]:
    """What is done about levels that few rows hold."""
    labels = dict(zip(("False", "True"), column.labels or ("false", "true"), strict=True))
    for level, rows in found.smallest.items():
        shown = labels[level] if column.kind == "boolean" else level
        text = (
            f"{_shown(shown)} is held by {_rows(rows)} only. It is drawn as rarely as it occurs and never turned into "
            f"another value; drawing more of it takes {OF_PEOPLE} rows."
        )
        yield _finding(column, "rare_class", text)
    if not found.rare_levels or found.smallest:
        return
    few = f"fewer than {found.below} rows each" if found.below > 2 else "a single row each"
    touched = f"{found.rare_levels:,} of {found.levels:,} values are held by {few}"
    share = f"{_rows(found.rare_rows)}, {found.rare_rows / found.rows:.1%}"
    about = f"As it is about people ({found.about}), " if found.about else ""
    comes = INSTEAD[found.place].format(label=_shown(column.rare_label))
    if found.outcome == "replaced":
        text = f"{touched} ({share}). {about or 'So that no single row can be told, '}none of them is drawn: {comes}."
        yield _finding(column, "rare_replaced", text, "Draw them all", rare="keep")
    elif found.outcome == "lost":
        text = (
            f"{touched} ({share}): less than half of the column would stay. {about}none of them is drawn; {comes}. Choose a "
            "coarser group, a label, a blank or another number of rows, or confirm it."
        )
        yield _finding(column, "rare_lost", text, "Replace them all the same", rare="similar")
    elif found.outcome == "chosen" and found.changes:
        text = f"{touched} ({share}). As you chose, {comes}."
        yield _finding(column, "rare_chosen", text, "Decide automatically", rare="auto", rare_below=None)
    elif found.place != "keep" and not found.about and column.kind == "category" and found.levels > 2:
        text = (
            f"{touched} ({share}). Without them too little of the column would stay, and it is not about people, so they are "
            "drawn as they are. If they could point at somebody, replace them."
        )
        yield _finding(column, "rare_kept", text, "Replace them by similar values", rare="similar")


INSTEAD = {
    "similar": "a more frequent value of the rows most alike in the other columns comes in their place",
    "blank": "their cells are left blank",
    "label": "{label} stands for them",
    "coarser": "the beginning that several of them share comes in their place, such as A01 for A01.1",
    "keep": "they are drawn as they are",
}


def _free_text(profile: ColumnProfile, column: Column) -> Iterator[Finding]:
    if column.kind == "text" and column.role in ("feature", "target") and profile.distinct:
        text = "Free text may name people, so it is not learned; replaced by placeholder text."
        yield _finding(column, "free_text", text, "Leave it out", role="drop")


def _shown(text: str) -> str:
    """A value as it is quoted in a sentence."""
    return f"“{text if len(text) <= 40 else text[:39] + '…'}”"


def _seen(profile: ColumnProfile) -> list[str]:
    """The values that a profile shows, each once."""
    return list(dict.fromkeys([*(top.value for top in profile.top), *profile.samples]))


CHECKS: list[Check] = [
    _empty,
    _identifier,
    _personal,
    _date_in_digits,
    _almost_typed,
    _doubtful,
    _marker,
    _read_as_missing,
    _many_levels,
    _free_text,
]
"""Every check, in the order in which a column's findings are shown."""

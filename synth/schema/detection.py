"""Which schema a table has: kinds, roles and written forms, told from its values and headers."""

from __future__ import annotations

import pandas as pd

from synth.schema.casting import parsed
from synth.schema.forms import LOOKED_AT, holds_values
from synth.schema.kinds import Column
from synth.schema.pii import DEPENDENT, pii_of, words_of
from synth.schema.schema import Schema
from synth.schema.texts import Levels, Reading, read_texts

ID_WORDS = frozenset(
    {"id", "ids", "uuid", "guid", "key", "identifier", "no", "nr", "num", "number", "code", "index", "pk", "mrn", "ref"}
    | {"reference", "serial", "account", "acct", "imei", "vin", "isbn", "ean", "upc", "sku", "barcode", "hash", "token"}
)
TARGET_NAMES = frozenset({"target", "label", "class", "y", "outcome", "churn", "income", "survived", "diagnosis"})


def detect(table: pd.DataFrame) -> Schema:
    """The schema of a table in memory: kinds, roles, and how values are written.

    Columns of texts are read as those of a file would be; columns that have a dtype already keep its kind.
    """
    columns = [_column_of(str(name), table[name]) for name in table.columns]
    return Schema(columns=settle_roles(columns))


def _column_of(name: str, values: pd.Series) -> Column:
    if pd.api.types.is_bool_dtype(values.dtype):
        return Column(name=name, kind="boolean", labels=("False", "True"))
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        zone = str(values.dt.tz) if values.dt.tz is not None else None
        present = values.dropna().dt.tz_localize(None)
        code = "%Y-%m-%d %H:%M:%S"
        if (present == present.dt.floor("D")).all():
            code = "%Y-%m-%d"
        elif (present != present.dt.floor("s")).any():
            code += ".%f"
        return Column(name=name, kind="datetime", format=code, timezone=zone)
    levels = Levels.of(values)
    if pd.api.types.is_numeric_dtype(values.dtype):
        return detect_column(name, levels, number=True)[0]
    return detect_column(name, levels)[0]


def detect_column(
    name: str,
    levels: Levels,
    *,
    decimal_mark: str | None = None,
    day_first: bool | None = None,
    number: bool = False,
) -> tuple[Column, Reading]:
    """The column that these distinct texts make, and how they were read.

    `number` says that the values came as numbers, so that their text tells nothing about how a file wrote them.
    """
    reading = read_texts(levels, decimal_mark, day_first)
    fields = dict(reading.fields)
    if number:
        fields["least_decimals"] = 0
        if reading.kind == "integer":
            fields["decimals"] = None
    column = Column(name=name, kind=reading.kind, **fields)
    if not number and column.kind in ("category", "text") and (mixed := _mixed(column, levels, decimal_mark)):
        column, reading = mixed
    if column.kind == "category" and len(levels.texts) == levels.filled and len(levels.texts) >= 20:
        column.kind = "text"
    column.pii = pii_of(name, levels.texts, column.kind)
    column.role = "pii" if column.pii else "id" if _is_id(column, levels, reading.values) else "feature"
    if column.role == "feature" and words_of(name) in TARGET_NAMES:
        column.role = "target"
    return column, reading


def _mixed(column: Column, levels: Levels, decimal_mark: str | None) -> tuple[Column, Reading] | None:
    """The column, and how it is read, when its cells are numbers or moments in several forms; None when they are not."""
    head = levels.texts.slice(0, LOOKED_AT).to_pylist()
    if pii_of(column.name, levels.texts, column.kind):
        return None
    for kind in ("datetime", "number"):
        comma = kind == "number" and (decimal_mark == "," or (decimal_mark is None and _writes_commas(levels)))
        found = Column(name=column.name, kind=kind, mixed=True, decimal_mark="," if comma else ".")
        if holds_values(head, levels.counts[:LOOKED_AT], found):
            values = parsed(pd.Series(levels.texts.to_pylist(), dtype="string"), found)
            if kind == "number" and (values.dropna() == values.dropna().round()).all():
                found.kind, values = "integer", values.astype("Int64")
            return found, Reading(found.kind, {"mixed": True}, values)
    return None


def _writes_commas(levels: Levels) -> bool:
    """Whether a comma stands before decimals in cells that hold more than a number."""
    return levels.share(r"[0-9],[0-9]{1,2}([^0-9]|$)") > levels.share(r"[0-9]\.[0-9]")


def settle_roles(columns: list[Column]) -> list[Column]:
    """Decide what a column alone cannot: a city is personal beside a name, and one table has one target."""
    about_people = any(column.pii and column.pii not in (*DEPENDENT, "date_of_birth", "ip") for column in columns)
    for column in columns:
        if column.pii in DEPENDENT and not about_people:
            column.pii, column.role = None, "feature"
    targets = [column for column in columns if column.role == "target"]
    for column in targets:
        if len(column.name) == 1 and column not in (columns[0], columns[-1]):
            column.role = "feature"  # the y beside an x and a z
    targets = [column for column in targets if column.role == "target"]
    for column in targets[:-1]:
        column.role = "feature"
    return columns


def _is_id(column: Column, levels: Levels, values: pd.Series | None) -> bool:
    """Whether the column names its rows: all different, and a name or a pattern that says so."""
    if len(levels.texts) < levels.filled or levels.filled < 2 or levels.filled < 0.9 * levels.rows:
        return False
    tokens = words_of(column.name).split()
    named = bool(tokens) and (tokens[-1] in ID_WORDS or tokens[0] in ("id", "uuid", "guid"))
    if column.kind == "integer":
        if column.decimals:
            return False
        low, high = int(values.min()), int(values.max())
        return named or (levels.rows >= 10 and low in (0, 1) and high - low == levels.filled - 1)
    if column.kind not in ("text", "category"):
        return False
    short = levels.share(r"^[^\s]{1,64}$") > 0.99
    return short and (named or (levels.rows >= 20 and levels.share("[0-9]") > 0.9))

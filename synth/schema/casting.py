"""From the texts of a file to typed values and back.

`conform` gives a table the one pandas dtype that each kind has throughout the house:

| kind       | pandas dtype       | missing | in a CSV                                   |
|------------|--------------------|---------|--------------------------------------------|
| `number`   | `float64`          | NaN     | `least_decimals` to `decimals` digits after the point |
| `integer`  | `Int64`            | NA      | digits; with `decimals`, that many zeros after the point |
| `boolean`  | `boolean`          | NA      | `labels` (false, true)                     |
| `datetime` | `datetime64[us]` (with `timezone`: `datetime64[us, tz]`) | NaT | `format`, as strftime writes it |
| `category` | `category` of str  | NaN     | the text itself                            |
| `text`     | `string`           | NA      | the text itself                            |
"""

from __future__ import annotations

import pandas as pd

from synth.errors import Invalid
from synth.schema.dates import parse_dates, written_dates
from synth.schema.forms import as_values
from synth.schema.kinds import Column
from synth.schema.schema import Schema
from synth.schema.texts import MISSING_WORDS


def dtype_of(column: Column) -> str | pd.DatetimeTZDtype:
    """The pandas dtype that a column's kind has throughout the house."""
    if column.kind == "datetime":
        return pd.DatetimeTZDtype("us", column.timezone) if column.timezone else "datetime64[us]"
    return {"number": "float64", "integer": "Int64", "boolean": "boolean", "category": "category", "text": "string"}[
        column.kind
    ]


def conform(table: pd.DataFrame, schema: Schema, *, keep_cells: bool = False) -> pd.DataFrame:
    """The schema's columns of `table`, in its order, each with its kind's dtype.

    With `keep_cells`, the texts of columns whose cells are written in several forms stay texts.
    Raises Invalid when a column is absent or holds values its kind does not allow.
    """
    absent = [name for name in schema.names if name not in table.columns]
    if absent:
        raise Invalid(f"The table lacks the column(s) {', '.join(map(repr, absent))} that its schema names.")
    columns = {}
    for column in schema:
        values = table[column.name]
        if keep_cells and has_cells(values, column):
            columns[column.name] = values.astype("string")
        else:
            columns[column.name] = _conformed(values, column)
    return pd.DataFrame(columns, index=table.index)


def has_cells(values: pd.Series, column: Column) -> bool:
    """Whether the values are the cells of a column that is written in several forms."""
    return column.mixed and (pd.api.types.is_string_dtype(values.dtype) or pd.api.types.is_object_dtype(values.dtype))


def _conformed(values: pd.Series, column: Column) -> pd.Series:
    dtype = dtype_of(column)
    if values.dtype == dtype and column.kind != "category":
        return values
    if column.kind == "category" and isinstance(values.dtype, pd.CategoricalDtype):
        categories = values.cat.categories
        if pd.api.types.is_string_dtype(categories) and not {"", column.missing} & set(categories):
            return values
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(values.cat.categories.dtype)
    if pd.api.types.is_object_dtype(values.dtype):
        values = values.infer_objects().convert_dtypes(convert_floating=False)  # [True, None] is boolean, not text
    if pd.api.types.is_object_dtype(values.dtype) or pd.api.types.is_string_dtype(values.dtype):
        return parsed(values.astype("string"), column)
    try:
        if column.kind == "category":
            return values.astype("string").astype(object).astype("category")
        if column.kind == "integer":
            return values.round().astype("Int64")
        if column.kind == "datetime":
            moments = pd.to_datetime(values, utc=bool(column.timezone))
            return moments.dt.tz_convert(column.timezone).astype(dtype) if column.timezone else moments.astype(dtype)
        return values.astype(dtype)
    except (ValueError, TypeError) as error:
        raise Invalid(f"Column {column.name!r} is declared {column.kind} but holds other values.") from error


def parsed(texts: pd.Series, column: Column) -> pd.Series:
    """The values that the texts of a file stand for, with the dtype of the column's kind.

    Raises Invalid when a text is none of the column's kind.
    """
    texts = texts.astype("string")
    if column.mixed and column.kind in ("number", "integer", "datetime"):
        return _first_values(texts, column)
    absent = texts.isna() | (texts == "") | (texts == column.missing)
    if column.kind in ("number", "integer", "datetime"):
        absent |= texts.str.strip().str.lower().isin(MISSING_WORDS | {""})
    texts = texts.mask(absent.fillna(True).astype(bool))
    if column.kind == "text":
        return texts
    if column.kind == "category":
        return texts.astype(object).astype("category")
    levels = pd.Series(texts.dropna().unique(), dtype="string")
    values = _parsed_levels(levels, column)
    wrong = int(texts.isin(levels[values.isna().to_numpy()]).sum())
    if wrong:
        raise Invalid(
            f"Column {column.name!r} is declared {column.kind}, but {wrong:,} of its {len(texts):,} values are not. "
            f"Choose another kind, or say what stands for a missing value."
        )
    values.index = levels.to_numpy(object)
    return texts.astype(object).map(values).astype(dtype_of(column))


def _first_values(texts: pd.Series, column: Column) -> pd.Series:
    """The first value of each cell; missing where it holds a word."""
    values = pd.Series(as_values(texts, column), index=texts.index)
    if column.kind == "datetime":
        moments = pd.to_datetime(values, unit="us", utc=True)
        zone = column.timezone
        return (moments.dt.tz_convert(zone) if zone else moments.dt.tz_localize(None)).astype(dtype_of(column))
    if column.kind == "integer":
        values = values.mask(values != values.round())
    return values.astype(dtype_of(column))


def _parsed_levels(levels: pd.Series, column: Column) -> pd.Series:
    if column.kind == "boolean":
        no, yes = column.labels or ("false", "true")
        return levels.map({no: False, yes: True}).astype("boolean")
    levels = levels.str.strip()
    if column.kind == "datetime":
        values = parse_dates(levels, column.format or "ISO8601")
        if column.timezone:
            aware = values if values.dt.tz is not None else values.dt.tz_localize(column.timezone)
            return aware.dt.tz_convert(column.timezone)
        return values.dt.tz_localize(None) if values.dt.tz is not None else values
    plain = levels.str.removeprefix("-").str.removeprefix(column.prefix).str.removesuffix(column.suffix)
    if column.thousands:
        plain = plain.str.replace(column.thousands, "", regex=False)
    if column.decimal_mark != ".":
        plain = plain.str.replace(column.decimal_mark, ".", regex=False)
    numbers = pd.to_numeric(plain.astype(object), errors="coerce").astype("float64")
    numbers = numbers.mask(levels.str.startswith("-").to_numpy(bool), -numbers)
    if column.kind == "number":
        return numbers
    if levels.str.fullmatch("-?[0-9]+").all():
        return pd.to_numeric(levels.astype(object)).astype("Int64")  # not through floats: 2**53 + 1 stays itself
    return numbers.mask(numbers != numbers.round()).astype("Int64")


def written(values: pd.Series, column: Column) -> pd.Series:
    """The texts that stand in a file for values of the column's kind; its token where one is missing."""
    if column.kind in ("category", "text"):
        texts = values.astype(object)
    elif column.kind == "boolean":
        no, yes = column.labels or ("false", "true")
        texts = values.astype(object).map({False: no, True: yes})
    elif column.kind == "datetime":
        texts = written_dates(values, column.format or "%Y-%m-%d %H:%M:%S")
    elif column.kind == "integer":
        spec = "," if column.thousands else ""
        zeros = "." + "0" * column.decimals if column.decimals else ""
        texts = values.astype(object).map(lambda value: _grouped(f"{value:{spec}}{zeros}", column), na_action="ignore")
    else:
        texts = values.astype(object).map(lambda value: _grouped(_digits(value, column), column), na_action="ignore")
    return texts.where(values.notna().to_numpy(bool), column.missing).astype(object)


def _digits(value: float, column: Column) -> str:
    """The number with `least_decimals` to `decimals` digits after the point."""
    spec = "," if column.thousands else ""
    if column.decimals is not None:
        text = f"{value:{spec}.{column.decimals}f}"
    else:
        text = f"{value:{spec}}" if spec else repr(float(value))
    if "e" in text or "." not in text:
        return text
    point = text.index(".")
    text = text[: point + 1 + column.least_decimals] + text[point + 1 + column.least_decimals :].rstrip("0")
    return text.rstrip(".").ljust(point + 1 + column.least_decimals if column.least_decimals else 0, "0")


def _grouped(text: str, column: Column) -> str:
    """Digits as the column writes them: its marks for thousands and decimals, its prefix and suffix."""
    if column.thousands or column.decimal_mark != ".":
        text = text.translate({ord(","): column.thousands, ord("."): column.decimal_mark})
    if column.prefix and text.startswith("-"):
        return "-" + column.prefix + text[1:] + column.suffix
    return column.prefix + text + column.suffix

"""What a table's columns are: their kinds, roles and formats.

A `Schema` is detected when a table arrives, edited by the analyst in the browser, and read by every
generator and every metric. `conform` gives a table the one pandas dtype each kind has throughout the house:

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

from typing import Literal, Self

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, model_validator

from synth.schema.dates import parse_dates
from synth.schema.pii import DEPENDENT, pii_of, words_of
from synth.schema.rules import Rule
from synth.schema.texts import MISSING_WORDS, Levels, read_texts

Kind = Literal["number", "integer", "category", "boolean", "datetime", "text"]
Role = Literal["feature", "id", "target", "pii", "drop"]


class Column(BaseModel):
    """One column as the analyst sees it, and as it is written back to a file."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="The header, as in the file.")
    kind: Kind = Field(description="What the values are.")
    role: Role = Field("feature", description="What the column is for.")
    decimals: int | None = Field(
        None, ge=0, le=18, description="Digits after the point, at most; None: as many as a value needs."
    )
    least_decimals: int = Field(0, ge=0, le=18, description="Digits after the point, at least.")
    decimal_mark: Literal[".", ","] = Field(".", description="What stands before the decimals in the file.")
    thousands: str = Field("", max_length=1, description="What groups the digits by three in the file.")
    prefix: str = Field("", description="What stands before every number in the file, such as $.")
    suffix: str = Field("", description="What stands after every number in the file, such as %.")
    format: str | None = Field(
        None, description="How a datetime is written, as strftime has it, with %3f for milliseconds."
    )
    timezone: str | None = Field(None, description="Time zone of a datetime, when the file names one.")
    labels: tuple[str, str] | None = Field(None, description="How a boolean is written: (false, true).")
    missing: str = Field("", description="What stands in the file where a value is missing.")
    pii: str | None = Field(
        None, description="Which personal data it holds, of `synth.schema.pii.PII`: name, email, ..."
    )
    text: Literal["fake", "empty"] = Field(
        "fake", description="What a synthetic table has in place of free text: words without meaning, or nothing."
    )


class Schema(BaseModel):
    """The columns of one table, in file order."""

    model_config = ConfigDict(extra="forbid")

    columns: list[Column]
    locale: str = Field("en_US", description="Language and country of faked personal data, such as de_DE.")
    rules: list[Rule] = Field(default_factory=list, description="What every synthetic row keeps between its columns.")

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        names = [column.name for column in self.columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"Column names must differ; these occur twice: {', '.join(twice)}.")
        for rule in self.rules:
            if absent := [name for name in rule.named if name not in names]:
                raise ValueError(f"The rule {rule} speaks of {', '.join(map(repr, absent))}, which is no column.")
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
        raise ValueError(f"Column {column.name!r} is declared {column.kind} but holds other values: {error}") from error


def parsed(texts: pd.Series, column: Column) -> pd.Series:
    """The values that the texts of a file stand for, with the dtype of the column's kind.

    Raises ValueError when a text is none of the column's kind.
    """
    texts = texts.astype("string")
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
        raise ValueError(
            f"Column {column.name!r} is declared {column.kind}, but {wrong:,} of its {len(texts):,} values are not. "
            f"Choose another kind, or say what stands for a missing value."
        )
    values.index = levels.to_numpy(object)
    return texts.astype(object).map(values).astype(dtype_of(column))


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
        texts = _written_dates(values, column.format or "%Y-%m-%d %H:%M:%S")
    elif column.kind == "integer":
        spec = "," if column.thousands else ""
        zeros = "." + "0" * column.decimals if column.decimals else ""
        texts = values.astype(object).map(lambda value: _grouped(f"{value:{spec}}{zeros}", column), na_action="ignore")
    else:
        texts = values.astype(object).map(lambda value: _grouped(_digits(value, column), column), na_action="ignore")
    return texts.where(values.notna().to_numpy(bool), column.missing).astype(object)


def _written_dates(values: pd.Series, code: str) -> pd.Series:
    if code in ("%s", "%s%3f"):
        ticks = values.astype("int64") // (1_000_000 if code == "%s" else 1_000)
        return ticks.astype(str)
    if "%3f" not in code:
        return values.dt.strftime(code).astype(object)
    mark = "<thousandths>"
    texts = values.dt.strftime(code.replace("%3f", mark)).astype(object)
    thousandths = (values.dt.microsecond // 1000).astype("Int64").astype("string").str.zfill(3)
    return pd.Series(
        [text if pd.isna(part) else text.replace(mark, part) for text, part in zip(texts, thousandths, strict=True)],
        index=values.index,
        dtype=object,
    )


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


class TopValue(BaseModel):
    """A frequent value, as it stands in the file, and how many rows hold it."""

    value: str
    rows: int


class Histogram(BaseModel):
    """How the values spread: `counts[i]` of them lie between `edges[i]` and `edges[i + 1]`."""

    edges: list[float] | list[str] = Field(description="Numbers, or times in ISO 8601.")
    counts: list[int]


class ColumnProfile(BaseModel):
    """What one column holds, in the numbers that the Data page shows."""

    name: str
    kind: Kind
    rows: int
    missing: int = Field(description="Rows without a value.")
    distinct: int = Field(description="Different values.")
    minimum: float | str | None = Field(None, description="Smallest value; for datetimes in ISO 8601.")
    maximum: float | str | None = None
    mean: float | str | None = None
    std: float | None = Field(None, description="Standard deviation (n - 1); of numbers only.")
    shortest: int | None = Field(None, description="Characters of the shortest text; of categories and texts.")
    longest: int | None = None
    top: list[TopValue] = Field(default_factory=list, description="The most frequent values, at most ten.")
    samples: list[str] = Field(default_factory=list, description="A few values, as they stand in the file.")
    histogram: Histogram | None = Field(None, description="Of numbers and datetimes.")
    note: str = Field("", description="What the reader should know about how the column was read.")

    @property
    def missing_share(self) -> float:
        return self.missing / self.rows if self.rows else 0.0


# Detection ---------------------------------------------------------------------------------------------------------

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
):
    """The column that these distinct texts make, and how they were read (a `synth.schema.texts.Reading`).

    `number` says that the values came as numbers, so that their text tells nothing about how a file wrote them.
    """
    reading = read_texts(levels, decimal_mark, day_first)
    fields = dict(reading.fields)
    if number:
        fields["least_decimals"] = 0
        if reading.kind == "integer":
            fields["decimals"] = None
    column = Column(name=name, kind=reading.kind, **fields)
    if column.kind == "category" and len(levels.texts) == levels.filled and len(levels.texts) >= 20:
        column.kind = "text"
    column.pii = pii_of(name, levels.texts, column.kind)
    column.role = "pii" if column.pii else "id" if _is_id(column, levels, reading.values) else "feature"
    if column.role == "feature" and words_of(name) in TARGET_NAMES:
        column.role = "target"
    return column, reading


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

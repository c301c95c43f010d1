"""What the texts of a column are: numbers, dates, yes and no, or just texts.

One set of rules for tables in memory and for files: both come here with the distinct texts of a column and how
often each occurs, and get back how those texts are to be read, in the words of `synth.schema.Column`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

MISSING_WORDS = frozenset(
    {"?", "-", "--", "---", ".", "..", "*", "na", "n/a", "#n/a", "nan", "null", "nil", "none", "missing", "unknown"}
    | {"not available", "not applicable", "undefined", "n.a.", "<na>", "#null!", "\\n", "(null)", "inf", "-inf"}
)
"""Texts, in lower case and without blanks around them, that stand for a missing value among numbers or dates."""

BOOLEANS = (("false", "true"), ("no", "yes"), ("n", "y"), ("f", "t"), ("off", "on"), ("nein", "ja"), ("non", "oui"))
CURRENCIES = "$€£¥₹"

INTEGER = r"^-?(0|[1-9][0-9]*)$"
NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
ZERO_PADDED = r"^[+-]?0[0-9]"
BARE_EXPONENT = r"^[0-9]+[eE][0-9]+$"
"""Neither point nor sign: `1e5` is an id more often than a hundred thousand."""


@dataclass(frozen=True)
class Levels:
    """The distinct texts of one column, none of them empty, and how often each occurs."""

    texts: pa.Array
    counts: np.ndarray
    rows: int

    @property
    def filled(self) -> int:
        """How many rows hold a text."""
        return int(self.counts.sum())

    def only(self, mask: pa.Array | np.ndarray) -> Levels:
        mask = mask if isinstance(mask, pa.Array) else pa.array(mask)
        return Levels(self.texts.filter(mask), self.counts[mask.to_numpy(zero_copy_only=False)], self.rows)

    def all_match(self, pattern: str) -> bool:
        return pc.all(pc.match_substring_regex(self.texts, pattern), min_count=0).as_py()

    def share(self, pattern: str) -> float:
        """Share of the filled rows whose text matches."""
        matches = pc.match_substring_regex(self.texts, pattern).to_numpy(zero_copy_only=False)
        return float(self.counts[matches].sum() / max(self.filled, 1))

    @classmethod
    def of(cls, values: pd.Series) -> Levels:
        """The levels of a series of texts; missing and empty ones are left out."""
        counts = values.dropna().astype(str).value_counts(sort=False)
        counts = counts[(counts.index != "") & (counts > 0)]
        return cls(pa.array(counts.index, pa.string()), counts.to_numpy(np.int64), len(values))


@dataclass(frozen=True)
class Reading:
    """How the texts of a column are to be read."""

    kind: str
    fields: dict[str, Any] = field(default_factory=dict)
    """Values for fields of `synth.schema.Column`: decimals, format, labels, missing, ..."""
    values: pd.Series | None = None
    """The levels as values, in the order of the texts; missing where a text stands for none."""
    note: str = ""
    """What the reader should know about the decision, in a sentence."""


def read_texts(levels: Levels, decimal_mark: str | None = None, day_first: bool | None = None) -> Reading:
    """How the texts of one column are to be read.

    `decimal_mark` and `day_first` settle what the texts alone leave open ("1,234", "03/04/2020").
    """
    if not len(levels.texts):
        return Reading("category")
    for read in (_boolean, lambda levels: _number(levels, decimal_mark), lambda levels: _datetime(levels, day_first)):
        reading = read(levels) or _with_missing_word(levels, read)
        if reading:
            return reading
    return Reading("text" if _is_text(levels) else "category")


def _with_missing_word(levels: Levels, read) -> Reading | None:
    """Read the texts that stand for no missing value, if there are some that do."""
    trimmed = pc.utf8_trim_whitespace(pc.utf8_lower(levels.texts))
    words = pc.is_in(trimmed, pa.array([*MISSING_WORDS, ""])).to_numpy(zero_copy_only=False)
    if not words.any() or words.all():
        return None
    reading = read(levels.only(~words))
    if reading is None or reading.kind == "boolean":
        return None
    absent = levels.only(words)
    word = absent.texts[int(absent.counts.argmax())].as_py()
    values = reading.values.reindex(np.where(words, -1, np.cumsum(~words) - 1)).reset_index(drop=True)
    return Reading(reading.kind, {**reading.fields, "missing": word}, values, reading.note)


# Yes and no --------------------------------------------------------------------------------------------------------


def _boolean(levels: Levels) -> Reading | None:
    if len(levels.texts) != 2:
        return None
    texts = levels.texts.to_pylist()
    for labels in BOOLEANS:
        for spell in (str, str.capitalize, str.upper):
            spelled = tuple(map(spell, labels))
            if set(texts) == set(spelled):
                values = pd.Series([text == spelled[1] for text in texts], dtype="boolean")
                return Reading("boolean", {"labels": spelled}, values)
    return None


# Numbers -----------------------------------------------------------------------------------------------------------


def _number(levels: Levels, decimal_mark: str | None = None) -> Reading | None:
    if levels.all_match(INTEGER):
        try:
            values = pc.cast(levels.texts, pa.int64())
        except pa.ArrowInvalid:
            return None  # beyond 64 bits: a code, whose digits would be lost
        return Reading("integer", {}, values.to_pandas().astype("Int64"))
    for mark, fields, plain in _plain_numbers(levels.texts, decimal_mark):
        if not pc.all(pc.match_substring_regex(plain, NUMBER)).as_py():
            continue
        if pc.any(pc.match_substring_regex(plain, ZERO_PADDED)).as_py():
            return None
        if _is_code_with_exponent(plain):
            return None
        return _numeric(plain, {"decimal_mark": mark, **fields} if mark != "." else fields)
    return None


def _plain_numbers(texts: pa.Array, decimal_mark: str | None):
    """The texts as plain numbers would be written, for each way of writing numbers that could be meant."""
    fields: dict[str, Any] = {}
    first = texts[0].as_py()
    if first.endswith("%"):
        suffix = " %" if first.endswith(" %") else "%"
        texts, fields = pc.replace_substring_regex(texts, re.escape(suffix) + "$", ""), {"suffix": suffix}
    elif first[-1] in CURRENCIES:
        suffix = (" " if first[-2:-1] == " " else "") + first[-1]
        texts, fields = pc.replace_substring_regex(texts, re.escape(suffix) + "$", ""), {"suffix": suffix}
    elif first.lstrip("-")[:1] and first.lstrip("-")[0] in CURRENCIES:
        prefix = first.lstrip("-")[0]
        texts = pc.replace_substring_regex(texts, r"^(-?)" + re.escape(prefix), r"\1")
        fields = {"prefix": prefix}
    if decimal_mark != ",":
        yield ".", fields, texts
        if pc.all(pc.match_substring_regex(texts, r"^-?[0-9]{1,3}(,[0-9]{3})*(\.[0-9]+)?$")).as_py():
            yield ".", {**fields, "thousands": ","}, pc.replace_substring(texts, ",", "")
    if decimal_mark != "." and pc.all(pc.match_substring_regex(texts, r"^[+-]?[0-9]*(,[0-9]+)?$")).as_py():
        yield ",", fields, pc.replace_substring(texts, ",", ".")
    if (
        decimal_mark != "."
        and pc.all(pc.match_substring_regex(texts, r"^-?[0-9]{1,3}(\.[0-9]{3})*(,[0-9]+)?$")).as_py()
    ):
        yield ",", {**fields, "thousands": "."}, pc.replace_substring(pc.replace_substring(texts, ".", ""), ",", ".")
    for blank in (" ", "\u00a0", "\u202f", "'"):
        for mark in (".", ","):
            pattern = rf"^-?[0-9]{{1,3}}({blank}[0-9]{{3}})*([{mark}][0-9]+)?$"
            if (
                mark != {".": ",", ",": "."}.get(decimal_mark)
                and pc.all(pc.match_substring_regex(texts, pattern)).as_py()
            ):
                plain = pc.replace_substring(pc.replace_substring(texts, blank, ""), mark, ".")
                yield mark, {**fields, "thousands": blank}, plain


def _is_code_with_exponent(plain: pa.Array) -> bool:
    if not pc.any(pc.match_substring_regex(plain, BARE_EXPONENT)).as_py():
        return False
    return not pc.any(pc.match_substring_regex(plain, r"\.|[eE][+-]")).as_py()


def _numeric(plain: pa.Array, fields: dict[str, Any]) -> Reading | None:
    values = pc.cast(pc.replace_substring_regex(plain, r"^\+", ""), pa.float64()).to_pandas()
    if not np.isfinite(values.to_numpy()).all():
        return None
    fraction = pc.replace_substring_regex(plain, r"^[^.eE]*\.?([0-9]*)([eE].*)?$", r"\1")
    digits = pc.utf8_length(fraction).to_numpy(zero_copy_only=False)
    has_exponent = pc.any(pc.match_substring_regex(plain, "[eE]")).as_py()
    most, least = int(digits.max()), int(digits.min())
    whole = not has_exponent and bool((values == values.round()).all()) and bool((values.abs() < 2**53).all())
    if whole and most == least:
        return Reading("integer", {**fields, **({"decimals": most} if most else {})}, values.astype("Int64"))
    trailing_zero = pc.match_substring_regex(fraction, "0$").to_numpy(zero_copy_only=False)
    shortest = digits[trailing_zero].max(initial=0)
    return Reading(
        "number",
        {
            **fields,
            "decimals": None if has_exponent or most > 12 else most,
            "least_decimals": most if most == least else min(int(shortest), most),
        },
        values,
    )


# Dates and times ---------------------------------------------------------------------------------------------------

TIMES = (
    ("", ""),
    (r"[0-9]{2}:[0-9]{2}", "%H:%M"),
    (r"[0-9]{2}:[0-9]{2}:[0-9]{2}", "%H:%M:%S"),
    (r"[0-9]:[0-9]{2}|[0-9]{2}:[0-9]{2}", "%-H:%M"),
    (r"[0-9]:[0-9]{2}:[0-9]{2}|[0-9]{2}:[0-9]{2}:[0-9]{2}", "%-H:%M:%S"),
    (r"[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}", "%H:%M:%S.%3f"),
    (r"[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}", "%H:%M:%S.%f"),
    (r"[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{1,6}", "%H:%M:%S.%f"),
    (r"[0-9]{2}:[0-9]{2} [AP]M", "%I:%M %p"),
    (r"[0-9]{1,2}:[0-9]{2} [AP]M", "%-I:%M %p"),
    (r"[0-9]{2}:[0-9]{2}:[0-9]{2} [AP]M", "%I:%M:%S %p"),
    (r"[0-9]{1,2}:[0-9]{2}:[0-9]{2} [AP]M", "%-I:%M:%S %p"),
)
MONTHS = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
FULL_MONTHS = "(?:January|February|March|April|May|June|July|August|September|October|November|December)"
DAYS = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"


def _date_patterns():
    """(pattern, format) of each way of writing a day, the stricter before the laxer."""
    for mark in "-/._ ":
        sep = re.escape(mark)
        yield rf"[0-9]{{4}}{sep}[0-9]{{2}}{sep}[0-9]{{2}}", f"%Y{mark}%m{mark}%d"
        yield rf"[0-9]{{4}}{sep}[0-9]{{1,2}}{sep}[0-9]{{1,2}}", f"%Y{mark}%-m{mark}%-d"
        for year, code in (("[0-9]{4}", "%Y"), ("[0-9]{2}", "%y")):
            for first, second in (("m", "d"), ("d", "m")):
                yield rf"[0-9]{{2}}{sep}[0-9]{{2}}{sep}{year}", f"%{first}{mark}%{second}{mark}{code}"
                yield rf"[0-9]{{1,2}}{sep}[0-9]{{1,2}}{sep}{year}", f"%-{first}{mark}%-{second}{mark}{code}"
    for month, code in ((MONTHS, "%b"), (FULL_MONTHS, "%B")):
        for mark in "- /":
            yield rf"[0-9]{{2}}{mark}{month}{mark}[0-9]{{4}}", f"%d{mark}{code}{mark}%Y"
            yield rf"[0-9]{{1,2}}{mark}{month}{mark}[0-9]{{4}}", f"%-d{mark}{code}{mark}%Y"
            yield rf"[0-9]{{2}}{mark}{month}{mark}[0-9]{{2}}", f"%d{mark}{code}{mark}%y"
            yield rf"[0-9]{{1,2}}{mark}{month}{mark}[0-9]{{2}}", f"%-d{mark}{code}{mark}%y"
        yield rf"{month} [0-9]{{2}}, [0-9]{{4}}", f"{code} %d, %Y"
        yield rf"{month} [0-9]{{1,2}}, [0-9]{{4}}", f"{code} %-d, %Y"
        yield rf"{month} [0-9]{{4}}", f"{code} %Y"
    yield rf"{DAYS}, [0-9]{{2}} {MONTHS} [0-9]{{4}}", "%a, %d %b %Y"
    yield r"[0-9]{4}-[0-9]{2}", "%Y-%m"
    yield r"[0-9]{2}/[0-9]{4}", "%m/%Y"
    yield r"[0-9]{8}", "%Y%m%d"


def _datetime(levels: Levels, day_first: bool | None = None) -> Reading | None:
    sample = levels.texts[:50].to_pylist()
    if not all(3 < len(text) < 48 and any(c.isdigit() for c in text) for text in sample):
        return None
    tail, zone, zone_text = _zone_of(sample)
    found: list[Reading] = []
    for pattern, code in _shapes(sample, tail):
        if not levels.all_match(pattern):
            continue
        code += zone_text
        values = parse_dates(levels.texts.to_pandas(), code)
        if values.isna().any():
            continue
        found.append(Reading("datetime", {"format": code, **({"timezone": zone} if zone else {})}, values))
        if not re.match("%-?[dm](.)%-?[dm]", code):
            break
        if len(found) == 2:
            break
    if len(found) < 2:
        return found[0] if found else None
    return _day_or_month(found[0], found[1], day_first)


def _zone_of(sample: list[str]) -> tuple[str, str | None, str]:
    """The pattern of the zone at the end of the texts, its name, and how the format writes it."""
    ends = {match[0] for text in sample if (match := re.search(r"(?<=[0-9])( ?Z| UTC| GMT|[+-]\d\d:?\d\d)$", text))}
    ends = {end for end in ends if not re.fullmatch(r"-\d{4}", end) or any(":" in text for text in sample)}
    if not ends:
        return "", None, ""
    if len(ends) == 1:
        end = ends.pop()
        offset = re.fullmatch(r"([+-]\d\d):?(\d\d)", end)
        zone = f"{offset[1]}:{offset[2]}" if offset and set(end) - set("+-0:") else "UTC"
        return re.escape(end), zone, end
    return r"[+-][0-9]{2}:?[0-9]{2}", "UTC", "%z"


def _shapes(sample: list[str], tail: str):
    """The (pattern, format) pairs that all the sampled texts match."""
    shapes = [("", ""), *_date_patterns()]
    for day, day_code in shapes:
        if day and not re.match(day, sample[0]):
            continue
        for between in ("", " ", "T", ", ") if day else ("",):
            for time, time_code in TIMES:
                if bool(between) != bool(day and time) or not (day or time) or (day_code == "%Y%m%d" and not time):
                    continue
                pattern = f"^{day}{between}(?:{time}){tail}$"
                if all(re.match(pattern, text) for text in sample):
                    yield pattern, day_code + between + time_code


def _day_or_month(one: Reading, other: Reading, day_first: bool | None) -> Reading:
    """Decide between two readings that differ in which number is the day."""
    month, day = sorted((one, other), key=lambda reading: "d" in reading.fields["format"][:3])
    if day_first is not None:
        return day if day_first else month
    spans = [float((r.values.max() - r.values.min()).total_seconds()) for r in (month, day)]
    if spans[0] != spans[1]:
        # Real dates lie close together: read the wrong way round they scatter over the year.
        return (month, day)[spans[1] < spans[0]]
    mark = re.match("%-?[dm](.)", month.fields["format"])[1]
    note = "Every day is 12 or less, so that day and month cannot be told apart."
    chosen = month if mark == "/" else day
    return Reading(chosen.kind, chosen.fields, chosen.values, note)


def parse_dates(texts: pd.Series, code: str) -> pd.Series:
    """The texts as datetimes (`datetime64[us]`, as written, without zone unless `%z`); NaT where one does not fit."""
    if code in ("%s", "%s%3f"):
        numbers = pd.to_numeric(texts, errors="coerce")
        return pd.to_datetime(numbers, unit="s" if code == "%s" else "ms").astype("datetime64[us]")
    plain = code.replace("%-", "%").replace("%3f", "%f")
    parsed = pd.to_datetime(texts, format=plain, errors="coerce", utc="%z" in plain)
    if "%z" in plain:
        return parsed.astype("datetime64[us, UTC]")
    return parsed.astype("datetime64[us]")


# Texts -------------------------------------------------------------------------------------------------------------


def _is_text(levels: Levels) -> bool:
    """Whether the texts are sentences or all differ, so that a model could only repeat them."""
    distinct, filled = len(levels.texts), levels.filled
    lengths = pc.utf8_length(levels.texts).to_numpy(zero_copy_only=False)
    words = float(np.mean(pc.count_substring(levels.texts.slice(0, 2000), " ").to_numpy(zero_copy_only=False))) + 1
    if distinct < 20:
        return bool(lengths.mean() > 60)
    if distinct > 0.9 * filled:
        return True
    return (distinct > 0.5 * filled and words >= 4) or bool(lengths.mean() > 100)

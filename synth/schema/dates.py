"""Dates and times in texts: which format all of them are written in, and the moments they stand for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from synth.linear import IGNORECASE, at, escape, whole, within

TIMES = (
    (r"[0-9]{2}:[0-9]{2}", "%H:%M"),
    (r"[0-9]{2}:[0-9]{2}:[0-9]{2}", "%H:%M:%S"),
    (r"[0-9]{1,2}:[0-9]{2}", "%-H:%M"),
    (r"[0-9]{1,2}:[0-9]{2}:[0-9]{2}", "%-H:%M:%S"),
    (r"[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}", "%H:%M:%S.%3f"),
    (r"[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{1,6}", "%H:%M:%S.%f"),
    (r"[0-9]{2}:[0-9]{2} ?[APap][Mm]", "%I:%M %p"),
    (r"[0-9]{1,2}:[0-9]{2} ?[APap][Mm]", "%-I:%M %p"),
    (r"[0-9]{2}:[0-9]{2}:[0-9]{2} ?[APap][Mm]", "%I:%M:%S %p"),
    (r"[0-9]{1,2}:[0-9]{2}:[0-9]{2} ?[APap][Mm]", "%-I:%M:%S %p"),
)
MONTHS = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
FULL_MONTHS = "(?:January|February|March|April|May|June|July|August|September|October|November|December)"
DAYS = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
ZONE = within(r"(?<=[0-9])( ?Z| UTC| GMT| ?[+-]\d\d:?\d\d)$")
OFFSET, YEAR_LIKE = whole(r" ?([+-]\d\d):?(\d\d)"), whole(r"-\d{4}")
MONTH_NAME, BEFORE_NOON = within("[A-Za-z]{3}"), within("[0-9][AaPp][Mm]")
CODES, DAY_CODES, DAY_OR_MONTH = within("%(-?.)"), within("%-?([dmy])"), within("[dm]")
NUMERIC_DAY, AMERICAN_DAY = within("%-?[dm](.)%-?[dm]"), within("%-?m/")
EPOCHS = {"%s": "s", "%s%3f": "ms"}
"""Formats of moments counted since 1970, and their units."""
STRAGGLERS = 1_000
"""So many texts are read singly when pandas, which counts nanoseconds, cannot hold their years."""


@dataclass(frozen=True)
class Dates:
    """How the texts of a column are read as moments."""

    format: str
    timezone: str | None
    values: pd.Series
    proved: bool
    """Whether the format is such that it must write back every text as it was."""
    note: str = ""


def read_dates(texts: pa.Array, day_first: bool | None = None) -> Dates | None:
    """The one way in which all texts are dates or times; None when there is none."""
    sample = texts.slice(0, 50).to_pylist()
    if not all(3 < len(text) < 48 and any(c.isdigit() for c in text) for text in sample):
        return None
    tail, zone, zone_text = _zone_of(sample)
    found: list[Dates] = []
    for pattern, code in _shapes(sample, tail):
        if found and _order(code) == _order(found[0].format):
            continue
        if not pc.all(pc.match_substring_regex(texts, f"^(?:{pattern})$", ignore_case=True)).as_py():
            continue
        values = parse_dates(texts.to_pandas(), code + zone_text)
        if values.isna().any():
            continue
        found.append(Dates(code + zone_text, zone, values, _is_proof(code + zone_text)))
        if len(found) == 2 or not _is_doubtful(code):
            break
    if len(found) < 2:
        return found[0] if found else None
    return _day_or_month(found[0], found[1], day_first)


def parse_dates(texts: pd.Series, code: str) -> pd.Series:
    """The texts as datetimes (`datetime64[us]`, as written, without zone unless `%z`); NaT where one does not fit."""
    if code in EPOCHS:
        numbers = pd.to_numeric(texts, errors="coerce")
        return pd.to_datetime(numbers, unit=EPOCHS[code], errors="coerce").astype("datetime64[us]")
    plain = code.replace("%-", "%").replace("%3f", "%f")
    if "%z" in plain:
        return pd.to_datetime(texts, format=plain, errors="coerce", utc=True).astype("datetime64[us, UTC]")
    values = pd.to_datetime(texts, format=plain, errors="coerce").astype("datetime64[us]")
    left = values.isna() & texts.notna()
    if plain != "ISO8601" and 0 < left.sum() <= STRAGGLERS:
        values[left] = np.array([_moment(text, plain) for text in texts[left]], "datetime64[us]")
    return values


def written_dates(values: pd.Series, code: str) -> pd.Series:
    """Datetimes as texts in a format; missing where a datetime is."""
    if code in EPOCHS:
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


def _moment(text: str, code: str) -> datetime | None:
    try:
        return datetime.strptime(text, code)
    except ValueError:
        return None


def _is_proof(code: str) -> bool:
    """Whether digits of a fixed number are all that the format has."""
    return set(CODES.findall(code.replace("%3f", ""))) <= {"Y", "m", "d", "H", "M", "S", "y"}


def _is_doubtful(code: str) -> bool:
    """Whether day and month could stand the other way round."""
    return NUMERIC_DAY.match(code) is not None


def _order(code: str) -> tuple[str, ...]:
    """The parts of a day in the order in which a format has them."""
    return tuple(DAY_CODES.findall(code.lower()))


def _zone_of(sample: list[str]) -> tuple[str, str | None, str]:
    """The pattern of the zone at the end of the texts, its name, and how the format writes it."""
    ends = {match[0] for text in sample if (match := ZONE.search(text))}
    ends = {end for end in ends if not YEAR_LIKE.fullmatch(end) or any(":" in text for text in sample)}
    if not ends:
        return "", None, ""
    if len(ends) == 1:
        end = ends.pop()
        offset = OFFSET.fullmatch(end)
        zone = f"{offset[1]}:{offset[2]}" if offset and set(end) - set("+-0: ") else "UTC"
        return escape(end), zone, end
    blank = " " if all(end.startswith(" ") for end in ends) else ""
    return blank + r"[+-][0-9]{2}:?[0-9]{2}", "UTC", blank + "%z"


def _shapes(sample: list[str], tail: str) -> Iterator[tuple[str, str]]:
    """The (pattern, format) pairs that all the sampled texts match, the stricter before the laxer."""
    times = [(p, c) for p, c in TIMES if ("p" in c) == (sample[0][-1:] in "Mm")] if ":" in sample[0] else []
    for day, day_code in (*_days(sample[0]), ("", "")):
        if day and not at(day, IGNORECASE).match(sample[0]):
            continue
        shapes = [(day, day_code)] if day_code not in ("", "%Y%m%d") else []
        for between in (" ", "T", ", ") if day else ("",):
            if between in sample[0]:
                shapes += [(day + between + time, day_code + between + code) for time, code in times]
        for shape, code in shapes:
            pattern = shape + tail
            if all(map(whole(pattern, IGNORECASE).fullmatch, sample)):
                yield pattern, code.replace(" %p", "%p") if BEFORE_NOON.search(sample[0]) else code


def _days(text: str) -> Iterator[tuple[str, str]]:
    """(pattern, format) of the ways of writing a day that a text could be in."""
    for mark in "-/._ ":
        if text.count(mark) < 2:
            continue
        sep = escape(mark)
        yield rf"[0-9]{{4}}{sep}[0-9]{{2}}{sep}[0-9]{{2}}", f"%Y{mark}%m{mark}%d"
        yield rf"[0-9]{{4}}{sep}[0-9]{{1,2}}{sep}[0-9]{{1,2}}", f"%Y{mark}%-m{mark}%-d"
        for year, code in (("[0-9]{4}", "%Y"), ("[0-9]{2}", "%y")):
            for first, second in (("m", "d"), ("d", "m")):
                yield rf"[0-9]{{2}}{sep}[0-9]{{2}}{sep}{year}", f"%{first}{mark}%{second}{mark}{code}"
                yield rf"[0-9]{{1,2}}{sep}[0-9]{{1,2}}{sep}{year}", f"%-{first}{mark}%-{second}{mark}{code}"
    yield r"[0-9]{4}-[0-9]{2}", "%Y-%m"
    yield r"[0-9]{2}/[0-9]{4}", "%m/%Y"
    yield r"[0-9]{8}", "%Y%m%d"
    if not MONTH_NAME.search(text):
        return
    for month, code in ((MONTHS, "%b"), (FULL_MONTHS, "%B")):
        for mark in "- /":
            for year, year_code in (("[0-9]{4}", "%Y"), ("[0-9]{2}", "%y")):
                yield rf"[0-9]{{2}}{mark}{month}{mark}{year}", f"%d{mark}{code}{mark}{year_code}"
                yield rf"[0-9]{{1,2}}{mark}{month}{mark}{year}", f"%-d{mark}{code}{mark}{year_code}"
        yield rf"{month} [0-9]{{2}}, [0-9]{{4}}", f"{code} %d, %Y"
        yield rf"{month} [0-9]{{1,2}}, [0-9]{{4}}", f"{code} %-d, %Y"
        yield rf"{month} [0-9]{{4}}", f"{code} %Y"
    yield rf"{DAYS}, [0-9]{{2}} {MONTHS} [0-9]{{4}}", "%a, %d %b %Y"


def _day_or_month(one: Dates, other: Dates, day_first: bool | None) -> Dates:
    """Decide between two readings that differ in which number is the day."""
    month, day = sorted((one, other), key=lambda dates: DAY_OR_MONTH.findall(dates.format)[0] == "d")
    if day_first is not None:
        return day if day_first else month
    spans = [dates.values.max() - dates.values.min() for dates in (month, day)]
    if spans[0] > 3 * spans[1] or spans[1] > 3 * spans[0]:
        # Real dates lie close together: read the wrong way round they scatter over the year.
        return day if spans[1] < spans[0] else month
    chosen = month if AMERICAN_DAY.match(month.format) else day
    said = "the month" if chosen is month else "the day"
    note = f"No date tells day and month apart, all are 12 or less: {said} is taken to come first."
    return Dates(chosen.format, chosen.timezone, chosen.values, chosen.proved, note)

"""Fields for numbers, and buttons that wait until every field is valid.

A number is typed as text. Streamlit's own number field hands back the last valid number while an invalid one stands in
it, and reads 1e30 as 1: a job would start with a number that nobody sees.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Literal, overload

import streamlit as st

from pages.components.words import plain
from synth import linear
from synth.errors import Invalid, InWords

MOST_ROWS = 100_000_000
MOST_SEED = 2**53
"""Larger whole numbers lose digits on their way through JSON."""
LONGEST = 60
"""Characters of a number that are read."""
_NUMBER = linear.whole(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")
_GROUPED = linear.whole(r"[+-]?\d{1,3}([,\u2009\u00a0 ]\d{3})+")
_DECIMAL_COMMA = linear.whole(r"[+-]?\d+,\d*")
_MARKS = linear.within(r"[^\d+-]")


def read_number(
    text: str,
    *,
    whole: bool,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    below: float | None = None,
) -> int | float:
    """The number that a text says: 26049, 26,049 and 1e6 where it is `whole`, else 0.5 and 2e-4 too.

    It is within `low` and `high`, and strictly within `above` and `below`. Raises Invalid, in words.
    """
    text = text.strip().replace("\u2212", "-")
    if len(text) > LONGEST:
        raise Invalid(f"A number has at most {LONGEST} characters.")
    if _GROUPED.fullmatch(text):
        text = _MARKS.sub("", text)
    if not _NUMBER.fullmatch(text):
        hint = " Write the decimals after a point, as in 1.5." if _DECIMAL_COMMA.fullmatch(text) else ""
        raise Invalid(f"“{text}” is not a number.{hint}")
    exact = Decimal(text)
    if whole and exact != exact.to_integral_value():
        raise Invalid(f"{text} is not a whole number.")
    bounds = {"low": low, "high": high, "above": above, "below": below}
    too_small = (low is not None and exact < Decimal(str(low))) or (above is not None and exact <= Decimal(str(above)))
    too_large = (high is not None and exact > Decimal(str(high))) or (
        below is not None and exact >= Decimal(str(below))
    )
    if too_small or too_large:
        raise Invalid(f"{text} is too {'small' if too_small else 'large'}. {bounds_in_words(bounds)}")
    if not whole:
        return float(exact)
    if exact.adjusted() > LONGEST:
        raise Invalid(f"{text} is too large.")
    return int(exact)


def bounds_in_words(bounds: Mapping[str, float | None]) -> str:
    """What a number may be: "From 1 to 5,000.", "More than 0."; empty where it may be any."""
    low, high, above, below = (bounds.get(side) for side in ("low", "high", "above", "below"))
    if low is not None and high is not None:
        return f"From {shown(low, grouped=True)} to {shown(high, grouped=True)}."
    named = {"at least": low, "more than": above, "at most": high, "less than": below}
    said = [f"{words} {shown(bound, grouped=True)}" for words, bound in named.items() if bound is not None]
    return f"{' and '.join(said).capitalize()}." if said else ""


def shown(number: float | None, *, grouped: bool = False) -> str:
    """A number as a field shows it; empty where there is none."""
    if number is None:
        return ""
    if isinstance(number, int) or (number.is_integer() and abs(number) < 1e15):
        return f"{int(number):,}" if grouped else str(int(number))
    return repr(number)


@overload
def number_field(
    title: str, default: int | None, problems: list[str], *, whole: Literal[True] = True, **more: Any
) -> int | None: ...
@overload
def number_field(
    title: str, default: float | None, problems: list[str], *, whole: Literal[False], **more: Any
) -> float | None: ...
def number_field(
    title: str,
    default: float | None,
    problems: list[str],
    *,
    whole: bool = True,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    below: float | None = None,
    optional: bool = False,
    **look: Any,
) -> int | float | None:
    """A field for a number; None while it is empty, or while it is invalid.

    What is wrong is said below the field and added to `problems`. `optional`: it may be empty.
    """
    with st.container(gap="xxsmall", width=look.pop("width", "stretch")):
        text = st.text_input(title, shown(default), **look)
        if not text.strip():
            if not optional:
                complain(f"{title}: Enter a number.", problems)
            return None
        try:
            return read_number(text, whole=whole, low=low, high=high, above=above, below=below)
        except Invalid as error:
            complain(f"{title}: {error}", problems)
            return None


def complain(sentence: str, problems: list[str]) -> None:
    """Say what is wrong where it is drawn, and add it to what disables the button."""
    st.error(plain(sentence))
    problems.append(sentence)


@contextmanager
def told(title: str) -> Iterator[None]:
    """Say in words what is refused within the block, such as a job that cannot start."""
    try:
        yield
    except InWords as error:
        st.error(plain(error), title=title, icon=":material/block:")


def submit(label: str, problems: Sequence[str], **look: Any) -> bool:
    """A button that starts something; while there are problems it is disabled, and its help says them."""
    if problems:
        look["help"] = " ".join(dict.fromkeys(map(plain, problems)))
    # A press that was on its way when the field became invalid arrives all the same.
    return st.button(label, disabled=bool(problems), **look) and not problems

r"""Regular expressions for texts that strangers wrote: their time grows in step with the text, never faster.

Python's engine tries a pattern from every character, and a repeat may run to the end from each: a cell of 40,000
digits stopped a whole server for a minute. What meets a cell, a header, a turn or an answer is therefore made here.

- `whole` takes one value whole: a number, a date, a name. A longer text than `most` characters is none and not tried.
- `within` looks through a text of any length. Each repeat has an upper bound (`\d{1,4}`), or nothing after it can fail
  (the `\w+` of a word), so that no character is read more often than the pattern is long.
- `at` takes one piece after another, each where the last one ended (a cell of a line), with repeats that part ways at
  each character.

Tests find every pattern by `made()`, ask of it what is said here, and time it on hostile texts. RE2 is linear as well,
and pyarrow and DuckDB use it on whole columns; here it took 10 times as long on a short cell and 60 on the words of a
text, knows neither look-around nor Unicode's word borders, and finds all matches in quadratic time all the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, AnyStr, Generic
from weakref import WeakSet

LONGEST_VALUE = 200
"""Characters of the longest text that is taken for a number, a date or another typed value."""

Match = re.Match[str]
escape = re.escape
ASCII, DOTALL, IGNORECASE, VERBOSE = re.ASCII, re.DOTALL, re.IGNORECASE, re.VERBOSE


class Pattern(Generic[AnyStr]):
    """What the three kinds have in common: the compiled expression."""

    def __init__(self, source: AnyStr, flags: int = 0):
        self.expression = re.compile(source, flags)
        _MADE.add(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.expression.pattern!r})"


_MADE: WeakSet[Pattern] = WeakSet()


class Whole(Pattern[AnyStr]):
    """A pattern of whole values of bounded length."""

    def __init__(self, source: AnyStr, flags: int = 0, most: int = LONGEST_VALUE):
        super().__init__(source, flags)
        self.most = most

    def fullmatch(self, text: AnyStr) -> re.Match[AnyStr] | None:
        """The match, if the whole text is such a value; None for one that is longer than any."""
        return self.expression.fullmatch(text) if len(text) <= self.most else None


class Within(Pattern[AnyStr]):
    """A pattern that is looked for within texts of any length."""

    def search(self, text: AnyStr) -> re.Match[AnyStr] | None:
        """The first match."""
        return self.expression.search(text)

    def match(self, text: AnyStr) -> re.Match[AnyStr] | None:
        """The match at the beginning of the text."""
        return self.expression.match(text)

    def finditer(self, text: AnyStr) -> Iterator[re.Match[AnyStr]]:
        """Every match, from left to right, none of which overlap."""
        return self.expression.finditer(text)

    def findall(self, text: AnyStr) -> list[Any]:
        """What every match took; its groups where the pattern has some."""
        return self.expression.findall(text)

    def split(self, text: AnyStr) -> list[Any]:
        """What stands between the matches, and their groups where the pattern has some."""
        return self.expression.split(text)

    def sub(self, by: AnyStr | Callable[[re.Match[AnyStr]], AnyStr], text: AnyStr) -> AnyStr:
        """The text with `by` in the place of every match."""
        return self.expression.sub(by, text)


class At(Pattern[AnyStr]):
    """A pattern that is tried at one place of a text."""

    def match(self, text: AnyStr, place: int = 0) -> re.Match[AnyStr] | None:
        """The match that begins at this place."""
        return self.expression.match(text, place)


def whole(source: AnyStr, flags: int = 0, most: int = LONGEST_VALUE) -> Whole[AnyStr]:
    """A pattern for whole values of at most `most` characters. Raises `re.error` when it is none."""
    return Whole(source, flags, most)


def within(source: AnyStr, flags: int = 0) -> Within[AnyStr]:
    """A pattern to look for within texts of any length. Raises `re.error` when it is none."""
    return Within(source, flags)


def at(source: AnyStr, flags: int = 0) -> At[AnyStr]:
    """A pattern to try at one place of a text. Raises `re.error` when it is none."""
    return At(source, flags)


def made() -> list[Pattern]:
    """Every pattern that lives, in the order of their sources."""
    return sorted(_MADE, key=repr)

"""Near-duplicates among texts: two that share most of their five-word runs."""

from __future__ import annotations

import re
from collections import Counter

WORDS = 5
LIMIT = 0.5
"""Share of the shorter text's word runs found in the other from which on the two are near-duplicates."""


def runs(text: str) -> set[tuple[str, ...]]:
    """The distinct runs of five words in `text`; a shorter text is one run."""
    words = re.findall(r"\w+", text.casefold())
    if len(words) <= WORDS:
        return {tuple(words)} if words else set()
    return {tuple(words[at : at + WORDS]) for at in range(len(words) - WORDS + 1)}


def overlap(one: str, other: str) -> float:
    """Share (0 to 1) of the shorter text's word runs that the other holds too."""
    here, there = runs(one), runs(other)
    return len(here & there) / max(1, min(len(here), len(there)))


class Near:
    """The texts seen so far, asked in time that grows with shared runs, not with the number of texts.

    Of each run only its hash and the first text that held it are kept, some 100 bytes a run: texts that share a run
    with an earlier one find that one.
    """

    def __init__(self):
        self._holder: dict[int, str] = {}
        self._sizes: dict[str, int] = {}

    def add(self, name: str, text: str) -> None:
        found = runs(text)
        self._sizes[name] = len(found)
        for run in found:
            self._holder.setdefault(hash(run), name)

    def nearest(self, text: str) -> tuple[str | None, float]:
        """The text that shares most with `text` and the share (0 to 1) of the shorter one's runs they share."""
        found = runs(text)
        shared = Counter(filter(None, (self._holder.get(hash(run)) for run in found)))
        best, most = None, 0.0
        for name, count in shared.items():
            share = count / max(1, min(len(found), self._sizes[name]))
            if share > most:
                best, most = name, share
        return best, most

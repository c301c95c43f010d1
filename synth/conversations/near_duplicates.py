"""Near-duplicates among texts: two that share most of their five-word shingles."""

from __future__ import annotations

from collections import Counter

from synth.linear import within

WORD = within(r"\w+")
WORDS = 5
LIMIT = 0.5
"""Two texts are near-duplicates from this share of the shorter one's shingles on."""


def runs(text: str) -> set[tuple[str, ...]]:
    """The distinct shingles (runs of five words) of a text; a shorter text is one shingle."""
    words = WORD.findall(text.casefold())
    if len(words) <= WORDS:
        return {tuple(words)} if words else set()
    return {tuple(words[at : at + WORDS]) for at in range(len(words) - WORDS + 1)}


def overlap(one: str, other: str) -> float:
    """Share (0 to 1) of the shorter text's shingles that the other has too."""
    here, there = runs(one), runs(other)
    return len(here & there) / max(1, min(len(here), len(there)))


class ShingleIndex:
    """An index of the texts seen so far: a look-up takes time in the shared shingles, not in the number of texts.

    Of each shingle only its hash and the first text that had it are kept, some 100 bytes.
    """

    def __init__(self) -> None:
        self._holder: dict[int, str] = {}
        self._sizes: dict[str, int] = {}

    def add(self, name: str, text: str) -> None:
        """Add a text under its name."""
        found = runs(text)
        self._sizes[name] = len(found)
        for run in found:
            self._holder.setdefault(hash(run), name)

    def nearest(self, text: str) -> tuple[str | None, float]:
        """The text that shares most with `text`, and the share (0 to 1) of the shorter one's shingles in common."""
        found = runs(text)
        shared = Counter(filter(None, (self._holder.get(hash(run)) for run in found)))
        best, most = None, 0.0
        for name, count in shared.items():
            share = count / max(1, min(len(found), self._sizes[name]))
            if share > most:
                best, most = name, share
        return best, most

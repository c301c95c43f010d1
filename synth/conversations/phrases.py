"""Which of many phrases stand in a text, between the borders of words, in one pass over it.

After Aho and Corasick 1975, "Efficient string matching: an aid to bibliographic search", with words for letters.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import pairwise

from synth.linear import within

WORD_OR_SIGN = within(r"\w+|\W")
Piece = tuple[str, bool, bool]
"""A word; or a sign between words, and whether a word stands right before it and right after."""


class Phrases:
    """A set of phrases to look for. Takes time in their length, and a look in that of the text."""

    def __init__(self, phrases: Iterable[str]):
        self._next: list[dict[Piece, int]] = [{}]
        self._phrase: list[str | None] = [None]
        for phrase in phrases:
            node = 0
            for piece in _pieces(phrase):
                if piece not in self._next[node]:
                    self._next[node][piece] = len(self._next)
                    self._next.append({})
                    self._phrase.append(None)
                node = self._next[node][piece]
            self._phrase[node] = phrase
        self._shorter = [0] * len(self._next)
        """Of each beginning of a phrase, the longest other one that it ends with."""
        waiting = deque(self._next[0].values())
        while waiting:
            node = waiting.popleft()
            for piece, child in self._next[node].items():
                self._shorter[child] = self._step(self._shorter[node], piece)
                waiting.append(child)

    def _step(self, node: int, piece: Piece) -> int:
        """Where a piece leads from a beginning of a phrase."""
        while node and piece not in self._next[node]:
            node = self._shorter[node]
        return self._next[node].get(piece, 0)

    def standing_in(self, text: str) -> set[str]:
        """The phrases that stand in a text, none within a longer word."""
        found, seen, node = set(), {0}, 0
        for piece in _pieces(text):
            node = self._step(node, piece)
            ending = node
            while ending not in seen:
                seen.add(ending)
                found.add(self._phrase[ending])
                ending = self._shorter[ending]
        return {phrase for phrase in found if phrase is not None}


def _pieces(text: str) -> Iterator[Piece]:
    before = False
    for piece, after in pairwise([*WORD_OR_SIGN.findall(text), " "]):
        is_word = _is_word(piece)
        yield (piece, False, False) if is_word else (piece, before, _is_word(after))
        before = is_word


def _is_word(piece: str) -> bool:
    return piece[0].isalnum() or piece[0] == "_"

"""Keys and secrets that are no secret: printed in manuals, made of a manual's words, or hardly more than one character."""

from __future__ import annotations

import re
from itertools import pairwise

PRINTED = {
    "synthetic-data-api-key-12345",
    "your-production-secret",
    "your-secret-key",
    "your-secret-key-change-in-production",
    "your-api-key",
    "your-own-long-key",
    "prod-key",
    "dev-key",
    "changeme",
    "secret",
    "test",
}
"""From manuals, this program's among them."""
WORDS = frozenset(
    re.findall(
        r"\w+",
        """
        a an and any api apikey app at auth be bearer change changeme characters choose data default
        demo dev development do dummy enter example fake fill foo bar baz for from generate
        generated here i in insert is it jwt key keys least letters local long me my not of one only
        or own password placeholder please prod production put random real replace sample secret
        secrets secure set some staging string strong super synthetic test testing text that the
        this to token understudy use value very with word write you your
        """,
    )
)
"""Of which the placeholders of manuals are made."""
ROWS = ("abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm")


def weakness(text: str) -> str:
    """Why anybody could guess a key, in words; empty where nobody could at once."""
    plain = text.strip().lower()
    if plain in PRINTED:
        return f"is {plain!r}, which manuals print"
    parts = [part for part in re.split(r"[\W_]+|(?<=[a-z])(?=\d)|(?<=\d)(?=[a-z])", plain) if part]
    words = [part for part in parts if not part.isdigit()]
    if words and all(word in WORDS for word in words):
        return "is a placeholder, made of the words that manuals use"
    if {"your", "changeme", "placeholder", "example"} & set(words) or re.search(r"change.?me|change.?this", plain):
        return "is a placeholder, to be replaced"
    if len(set(plain)) < 8 or _repeats(plain) or _runs(plain):
        return "repeats or counts, so that it is easily guessed"
    return ""


def _repeats(text: str) -> bool:
    """Whether most of a text is its own beginning again: `abcabcabcabc`."""
    return any(text[step:] == text[:-step] for step in range(1, len(text) * 2 // 3 + 1))


def _runs(text: str) -> bool:
    """Whether most of its characters follow one another, in the alphabet, in numbers or on a keyboard."""
    steps = sum(any(one + other in row or other + one in row for row in ROWS) for one, other in pairwise(text))
    return steps > 0.6 * (len(text) - 1)

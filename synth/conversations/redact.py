"""Redaction: personal data in real dialogues is replaced by placeholders before anything is sent.

Found by pattern: e-mail addresses, phone, card, bank-account (IBAN), social-security numbers, IP and web
addresses, postal street addresses, long numbers, and names that are introduced ("my name is ...", "I'm ...",
"Dr. ...", "Dear ...") or that stand in a list of common first names with another capitalised word beside them.
Names used without such a cue are not found, and the analyst is told so. The same text always gets the same
placeholder within one dialogue, so that a conversation still makes sense.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from synth.conversations.dialogue import Dialogue, Turn

LIMIT = (
    "E-mails, phone, card, account, social-security and long numbers, IP and web addresses, street addresses and "
    "introduced or common names are replaced. A rare name used without introduction can slip through: read the prompt."
)

_PATTERNS = [
    ("EMAIL", re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")),
    ("URL", re.compile(r"\b(?:https?://|www\.)\S+", re.IGNORECASE)),
    ("IBAN", re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b")),
    ("CARD", re.compile(r"\b(?:\d[ -]?){13,18}\d\b")),
    ("SSN", re.compile(r"\b\d{3}-\d{2}-\d{4}\b")),
    ("IP", re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b")),
    ("PHONE", re.compile(r"(?<![\w.])\+?\(?\d{1,4}\)?(?:[ .-]?\(?\d{2,4}\)?){2,4}(?![\w])")),
    ("NUMBER", re.compile(r"\b\d{6,}\b")),
    (
        "ADDRESS",
        re.compile(
            r"\b\d{1,5} (?:[A-Z][a-z]+\.? ){1,3}(?:St|Street|Ave|Avenue|Rd|Road|Blvd|Lane|Ln|Dr|Drive|Way|Court|Ct)\b\.?"
        ),
    ),
]
_INTRODUCED = re.compile(
    r"(?:\b(?:[Mm]y name(?:'s| is)|[Nn]ame(?: is)?:?|[Tt]his is|I'm|I am|[Dd]ear|Mr\.?|Mrs\.?|Ms\.?|Dr\.?|[Cc]all me)\s+)"
    r"([A-Z][\w'-]+(?:\s+[A-Z][\w'-]+){0,2})"
)
_NAME_PAIR = re.compile(r"\b([A-Z][a-z'-]+)\s+([A-Z][a-z'-]+)\b")
_NOT_NAMES = {
    "Not",
    "Sorry",
    "Looking",
    "Calling",
    "Trying",
    "Having",
    "Sir",
    "Madam",
    "Customer",
    "Just",
    "The",
    "Your",
}


@cache
def first_names() -> frozenset[str]:
    """Common given names, as Faker's English provider lists them."""
    from faker.providers.person.en_US import Provider

    return frozenset(Provider.first_names)


def redact(dialogue: Dialogue) -> Dialogue:
    """`dialogue` with placeholders such as [EMAIL_1] in the place of personal data."""
    known: dict[str, str] = {}
    counts: dict[str, int] = {}

    def placeholder(kind: str, text: str) -> str:
        key = text.casefold()
        if key not in known:
            counts[kind] = counts.get(kind, 0) + 1
            known[key] = f"[{kind}_{counts[kind]}]"
        return known[key]

    turns = []
    for turn in dialogue.turns:
        text = turn.text
        for kind, pattern in _PATTERNS:
            text = pattern.sub(lambda hit, kind=kind: placeholder(kind, hit[0]), text)
        text = _INTRODUCED.sub(lambda hit: _introduced(hit, placeholder), text)
        text = _NAME_PAIR.sub(lambda hit: placeholder("NAME", hit[0]) if hit[1] in first_names() else hit[0], text)
        turns.append(Turn(role=turn.role, text=text))
    # Once introduced, a name is replaced wherever it occurs.
    names = [text for text, mark in known.items() if mark.startswith("[NAME")]
    parts = {part: known[name] for name in names for part in (name, *name.split()) if len(part) > 2}
    if parts:
        again = re.compile(
            r"\b(?:" + "|".join(map(re.escape, sorted(parts, key=len, reverse=True))) + r")\b", re.IGNORECASE
        )
        for turn in turns:
            turn.text = again.sub(lambda hit: parts[hit[0].casefold()], turn.text)
    return Dialogue(id=dialogue.id, turns=turns, labels=dialogue.labels)


def _introduced(hit: re.Match[str], placeholder: Callable[[str, str], str]) -> str:
    """A name that is introduced, replaced; other words that follow such a cue as they are."""
    if hit[1].split()[0] in _NOT_NAMES:
        return hit[0]
    return hit[0][: hit.start(1) - hit.start(0)] + placeholder("NAME", hit[1])

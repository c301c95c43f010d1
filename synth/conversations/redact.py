"""Redaction: personal data in real dialogues is replaced by placeholders before anything is sent.

Found by pattern: e-mail addresses, phone, card, bank-account (IBAN), social-security numbers, IP and web
addresses, postal street addresses, long numbers, and names that are introduced ("my name is ...", "I'm ...",
"Dr. ...", "Dear ...") or that stand in a list of common first names with another capitalised word beside them.
Names used without such a cue are not found, and the analyst is told so. The same text always gets the same
placeholder within one dialogue, so that a conversation still makes sense.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from synth.conversations.dialogue import Dialogue, Turn
from synth.linear import IGNORECASE, Match, within

LIMIT = (
    "E-mails, phone, card, account, social-security and long numbers, IP and web addresses, street addresses and "
    "introduced or common names are replaced. A rare name used without introduction can slip through: read the prompt."
)

_PATTERNS = [
    # Each run of such characters is taken, so that none is read from its middle again; it counts with an @ and what follows.
    ("EMAIL", within(r"[\w.+-]+(?:@[\w-]{1,255}(?:\.[\w-]{1,255}){1,127})?"), lambda text: "@" in text),
    ("URL", within(r"\b(?:https?://|www\.)\S+", IGNORECASE), bool),
    ("IBAN", within(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b"), bool),
    ("CARD", within(r"\b(?:\d[ -]?){13,18}\d\b"), bool),
    ("SSN", within(r"\b\d{3}-\d{2}-\d{4}\b"), bool),
    ("IP", within(r"\b(?:\d{1,3}\.){3}\d{1,3}\b"), bool),
    ("PHONE", within(r"(?<![\w.])\+?\(?\d{1,4}\)?(?:[ .-]?\(?\d{2,4}\)?){2,4}(?![\w])"), bool),
    ("NUMBER", within(r"(?<!\w)\d{6}\w*"), str.isdecimal),
    (
        "ADDRESS",
        within(
            r"\b\d{1,5} (?:[A-Z][a-z]{1,40}\.? ){1,3}"
            r"(?:St|Street|Ave|Avenue|Rd|Road|Blvd|Lane|Ln|Dr|Drive|Way|Court|Ct)\b\.?"
        ),
        bool,
    ),
]
"""Kind, pattern, and which of its matches count."""
_INTRODUCED = within(
    r"(?:\b(?:[Mm]y name(?:'s| is)|[Nn]ame(?: is)?:?|[Tt]his is|I'm|I am|[Dd]ear|Mr\.?|Mrs\.?|Ms\.?|Dr\.?|[Cc]all me)"
    r"\s{1,40})([A-Z][\w'-]+(?:\s{1,40}[A-Z][\w'-]+){0,2})"
)
_NAME_PAIR = within(r"\b([A-Z][a-z'-]{1,40})\s{1,40}([A-Z][a-z'-]{1,40})\b")
_WORD = within(r"\w+")
LONGEST_NAME, MOST_WORDS = 100, 8
"""Characters and words (`Jean-Luc O'Neil` has four) of the longest name that is looked for again."""
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
    return _redacted(dialogue)[0]


def personal_texts(dialogue: Dialogue) -> set[str]:
    """The texts that `redact` replaces, case-folded."""
    return _redacted(dialogue)[1]


def _redacted(dialogue: Dialogue) -> tuple[Dialogue, set[str]]:
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
        for kind, pattern, counted in _PATTERNS:
            text = pattern.sub(lambda hit, k=kind, c=counted: placeholder(k, hit[0]) if c(hit[0]) else hit[0], text)
        text = _INTRODUCED.sub(lambda hit: _introduced(hit, placeholder), text)
        text = _NAME_PAIR.sub(lambda hit: placeholder("NAME", hit[0]) if hit[1] in first_names() else hit[0], text)
        turns.append(Turn(role=turn.role, text=text))
    # Once introduced, a name is replaced wherever it occurs.
    names = _Names({name: mark for name, mark in known.items() if mark.startswith("[NAME")})
    for turn in turns:
        turn.text = names.replaced(turn.text)
    return Dialogue(id=dialogue.id, turns=turns, labels=dialogue.labels), {*known, *names.seen}


class _Names:
    """Names, and the parts of names, that are replaced wherever they stand between the borders of words."""

    def __init__(self, marks: dict[str, str]):
        parts = {part.strip("'-"): mark for name, mark in marks.items() for part in (name, *name.split())}
        words = {part: len(_WORD.findall(part)) for part in parts if 2 < len(part) <= LONGEST_NAME}
        self.marks = {part: parts[part] for part, count in words.items() if count <= MOST_WORDS}
        self.lengths = sorted({words[part] for part in self.marks}, reverse=True)
        """Numbers of words that names have, the largest first."""
        self.seen: set[str] = set()

    def replaced(self, text: str) -> str:
        """The text with a placeholder for each name, the longest where several begin at one place."""
        if not self.marks:
            return text
        words = [hit.span() for hit in _WORD.finditer(text)]
        pieces, place, at = [], 0, 0
        while at < len(words):
            start, taken = words[at][0], 1
            for length in self.lengths:
                end = words[at + length - 1][1] if at + length <= len(words) else start
                name = text[start:end].casefold() if end - start <= LONGEST_NAME else ""
                if name in self.marks:
                    self.seen.add(name)
                    pieces += text[place:start], self.marks[name]
                    place, taken = end, length
                    break
            at += taken
        return "".join([*pieces, text[place:]])


def _introduced(hit: Match, placeholder: Callable[[str, str], str]) -> str:
    """A name that is introduced, replaced; other words that follow such a cue as they are."""
    if hit[1].split()[0] in _NOT_NAMES:
        return hit[0]
    return hit[0][: hit.start(1) - hit.start(0)] + placeholder("NAME", hit[1])

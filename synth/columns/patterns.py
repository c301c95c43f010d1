"""New ids that look like the old ones and are none of them.

Of a column of ids only its pattern is kept: which characters stand at which position. To promise that a new id
is never a real one without keeping the real ones, the space of possible ids is cut into as many stretches as
there were ids, one bit is kept for each stretch in which somebody was, and new ids come only from the others.
A bit tells no more than the leading characters of nobody in particular.
"""

from __future__ import annotations

import base64
import string
from math import prod

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from synth.errors import Invalid
from synth.linear import IGNORECASE, whole, within

DIGITS = string.digits
HEX_LOWER, HEX_UPPER = "0123456789abcdef", "0123456789ABCDEF"
UUID = whole(r"[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", IGNORECASE)
COUNTED = whole(r"(\D*)(0|[1-9]\d*)(\D*)", most=10_000)
RUN = within("d+")

FEW = 5
"""A character counts as part of the pattern when at least so many ids share it."""
MOST_FORMS = 12
"""Ids of more different lengths than this are drawn from the commonest lengths."""
RANKED = 1 << 60
"""So many ids are told apart by their rank; positions beyond that are filled at random."""
MOST_STRETCHES = 1 << 20


class Form(BaseModel):
    """The ids of one length: for each position, the characters that may stand there."""

    model_config = ConfigDict(extra="forbid")

    alphabets: list[str]
    share: float
    stretch: int = 1
    """Ids per stretch."""
    taken: str = ""
    """One bit per stretch, base64: whether a real id was in it. Empty: all are free."""

    @property
    def ranked(self) -> int:
        """How many leading positions the rank covers."""
        size = 1
        for position, alphabet in enumerate(self.alphabets):
            size *= len(alphabet)
            if size > RANKED:
                return position
        return len(self.alphabets)

    @property
    def size(self) -> int:
        """How many ranks there are."""
        return prod(len(alphabet) for alphabet in self.alphabets[: self.ranked])

    @property
    def free(self) -> int:
        """How many ranks lie in stretches where nobody was (a little less, for the last stretch)."""
        if not self.taken:
            return self.size
        bits = self.bits()
        return max(0, int((~bits).sum()) - 1) * self.stretch

    def bits(self) -> np.ndarray:
        stretches = -(-self.size // self.stretch)
        return np.unpackbits(np.frombuffer(base64.b64decode(self.taken), np.uint8), count=stretches).astype(bool)

    def marked(self, characters: np.ndarray) -> Form:
        """This form knowing where the ids in `characters` (rows x positions) were."""
        rank = np.zeros(len(characters), np.uint64)
        for position, alphabet in enumerate(self.alphabets[: self.ranked]):
            letters = np.array(list(alphabet))
            order = np.argsort(letters)
            index = order[np.searchsorted(letters, characters[:, position], sorter=order)]
            rank = rank * np.uint64(len(alphabet)) + index.astype(np.uint64)
        wanted = min(max(len(characters), 8), MOST_STRETCHES)
        stretch = -(-self.size // wanted)
        bits = np.zeros(-(-self.size // stretch), bool)
        bits[(rank // np.uint64(stretch)).astype(np.int64)] = True
        taken = base64.b64encode(np.packbits(bits).tobytes()).decode()
        return self.model_copy(update={"stretch": stretch, "taken": taken})

    def wider(self, wanted: int) -> Form:
        """This form with digits added, longer than every real id, until it has `wanted` free ranks."""
        alphabets = list(self.alphabets)
        last = max((i for i, alphabet in enumerate(alphabets) if set(alphabet) <= set(DIGITS)), default=None)
        at = len(alphabets) if last is None else last
        while last is not None and at > 0 and set(alphabets[at - 1]) <= set(DIGITS):
            at -= 1
        end = len(alphabets) if last is None else last + 1
        alphabets[at:end] = [DIGITS] * (end - at)
        alphabets.insert(at, DIGITS[1:])
        while (wide := Form(alphabets=alphabets, share=self.share)).free < wanted:
            alphabets.insert(at + 1, DIGITS)
        return wide


class Pattern(BaseModel):
    """What a column of ids looks like."""

    model_config = ConfigDict(extra="forbid")

    forms: list[Form]

    @classmethod
    def learn(cls, values: pd.Series) -> Pattern:
        """The pattern of `values`, which hold text without missing ones. No value at all: `00000000` to `99999999`."""
        # A NUL would be lost at the end of numpy's fixed-width text.
        texts = pd.unique(values.astype(str).str.replace("\0", " ", regex=False).to_numpy(dtype=object))
        texts = texts[texts != ""]
        if not len(texts):
            return cls(forms=[Form(alphabets=[DIGITS] * 8, share=1.0)])
        lengths = np.array([len(text) for text in texts])
        if (counted := _counted(texts, lengths)) is not None:
            return cls(forms=[counted])
        common = pd.Series(lengths).value_counts().head(MOST_FORMS)
        forms = [_form(texts[lengths == length], share=count / common.sum()) for length, count in common.items()]
        return cls(forms=forms)

    def stream(self, rows: int, rng: np.random.Generator) -> Stream:
        """A source of `rows` ids that all differ and are none of those the pattern was learned from."""
        longest = max(self.forms, key=lambda form: len(form.alphabets))
        roomy = [form for form in self.forms if form.free >= 1.5 * form.share * rows + 100]
        if not roomy:
            roomy = [longest.wider(2 * rows)]
        return Stream(roomy, rng)


class Stream:
    """Draws new ids, chunk after chunk, without remembering the ones it gave."""

    def __init__(self, forms: list[Form], rng: np.random.Generator):
        shares = np.array([form.share for form in forms])
        self.shares = shares / shares.sum()
        self.walks = [_Walk(form, rng) for form in forms]

    def take(self, rows: int, rng: np.random.Generator) -> np.ndarray:
        """The next `rows` ids as text."""
        which = rng.choice(len(self.walks), rows, p=self.shares) if len(self.walks) > 1 else np.zeros(rows, np.intp)
        ids = np.empty(rows, object)
        for index, walk in enumerate(self.walks):
            mine = np.flatnonzero(which == index)
            ids[mine] = walk.take(len(mine), rng)
        return ids


class _Walk:
    """Visits the free ranks of a form in a scrambled order, each once.

    The order is a permutation of 0 to 2^bits - 1, made of steps that can be undone (multiply by an odd number, add,
    fold the high bits onto the low ones), so that no rank comes twice and nothing need be remembered but the step.
    """

    def __init__(self, form: Form, rng: np.random.Generator):
        self.form, self.step, self.size = form, 0, form.size
        self.width = max(1, (self.size - 1).bit_length())
        self.mask = np.uint64((1 << self.width) - 1)
        self.factors = rng.integers(0, 1 << 62, 3, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
        self.shifts = rng.integers(0, 1 << 62, 3, dtype=np.uint64)
        self.taken = form.bits() if form.taken else None

    def take(self, rows: int, rng: np.random.Generator) -> np.ndarray:
        found, count = [], 0
        while count < rows:
            block = min(int(1.3 * (rows - count) * (1 << self.width) / max(1, self.form.free)) + 64, 1 << 20)
            if self.step >> self.width:
                raise Invalid("There are no more ids of this pattern. Ask for fewer rows.")
            steps = np.arange(self.step, min(self.step + block, 1 << self.width), dtype=np.uint64)
            ranks = self._scramble(steps)
            good = ranks < np.uint64(self.size)
            if self.taken is not None:
                stretch = np.minimum(ranks // np.uint64(self.form.stretch), np.uint64(len(self.taken) - 1))
                good &= ~self.taken[stretch.astype(np.int64)]
            kept = np.flatnonzero(good)[: rows - count]
            # The walk goes on right behind the last rank used, so that chunks of any size give the same ids.
            self.step += len(steps) if count + len(kept) < rows else int(kept[-1]) + 1
            found.append(ranks[kept])
            count += len(kept)
        return self._spell(np.concatenate(found), rng) if found else np.empty(0, object)

    def _scramble(self, steps: np.ndarray) -> np.ndarray:
        half = np.uint64(max(1, self.width // 2))
        for factor, shift in zip(self.factors, self.shifts, strict=True):
            steps = (steps * factor + shift) & self.mask
            steps ^= steps >> half
        return steps

    def _spell(self, ranks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        alphabets = self.form.alphabets
        characters = np.empty((len(ranks), len(alphabets)), "U1")
        for position in range(len(alphabets) - 1, -1, -1):
            letters = np.array(list(alphabets[position]))
            if position >= self.form.ranked:
                characters[:, position] = letters[rng.integers(0, len(letters), len(ranks))]
            elif len(letters) == 1:
                characters[:, position] = letters[0]
            else:
                ranks, index = np.divmod(ranks, np.uint64(len(letters)))
                characters[:, position] = letters[index.astype(np.int64)]
        return characters.view(f"U{len(alphabets)}").ravel().astype(object)


def _counted(texts: np.ndarray, lengths: np.ndarray) -> Form | None:
    """The form of ids such as `user7` and `user1234`: a number without leading zeros in an unchanging frame."""
    if lengths.min() == lengths.max():
        return None
    parts = [COUNTED.fullmatch(text) for text in texts]
    frames = {(part[1], part[3]) for part in parts if part}
    if not all(parts) or len(frames) != 1:
        return None
    longest = _characters(texts[lengths == lengths.max()])
    (before, after) = frames.pop()
    digits = lengths.max() - len(before) - len(after)
    alphabets = [*before, DIGITS[1:], *[DIGITS] * (digits - 1), *after]
    return Form(alphabets=alphabets, share=1.0).marked(longest)


def _form(texts: np.ndarray, share: float) -> Form:
    """The tightest form of `texts`, all of one length, that has room for as many new ones."""
    characters = _characters(texts)
    if all(UUID.fullmatch(text) for text in texts):
        return _uuid_form(characters, share)
    columns = [_counts(column) for column in characters.T]
    hexadecimal = _hexadecimal([set(seen) for seen, least in columns if len(seen) > 1], len(texts))
    tight, loose = [], []
    for seen, least in columns:
        shared = least >= FEW or (len(seen) == 1 and len(texts) > 1)
        wide = _widened(set(seen), hexadecimal)
        tight.append(seen if shared else wide)
        loose.append(wide if not shared or set(seen) <= set(DIGITS) else seen)
    for alphabets in (tight, _loosened(tight, loose), loose):
        form = Form(alphabets=alphabets, share=share).marked(characters)
        if form.free >= 2 * len(texts):
            break
    return form


def _loosened(tight: list[str], loose: list[str]) -> list[str]:
    """`tight`, with all digits free in those numbers where some digit varies: the area code stays, the rest moves."""
    alphabets = list(tight)
    for run in RUN.finditer("".join("d" if set(alphabet) <= set(DIGITS) else "-" for alphabet in tight)):
        places = slice(*run.span())
        if any(len(alphabet) > 1 for alphabet in tight[places]):
            alphabets[places] = loose[places]
    return alphabets


def _uuid_form(characters: np.ndarray, share: float) -> Form:
    upper = any(char in "ABCDEF" for char in np.unique(characters))
    alphabets = [HEX_UPPER if upper else HEX_LOWER] * 36
    for dash in (8, 13, 18, 23):
        alphabets[dash] = "-"
    alphabets[14] = "".join(np.unique(characters[:, 14]))
    alphabets[19] = "89AB" if upper else "89ab"
    return Form(alphabets=alphabets, share=share).marked(
        np.char.upper(characters) if upper else np.char.lower(characters)
    )


def _characters(texts: np.ndarray) -> np.ndarray:
    """Rows x positions of texts of one length."""
    length = len(texts[0])
    return texts.astype(f"U{length}").view("U1").reshape(len(texts), length)


def _counts(column: np.ndarray) -> tuple[str, int]:
    """The characters that stand at a position, and how often the rarest does."""
    counts = np.bincount(np.ascontiguousarray(column).view(np.uint32))
    seen = np.flatnonzero(counts)
    return "".join(map(chr, seen)), int(counts[seen].min())


def _hexadecimal(varied: list[set[str]], rows: int) -> bool:
    """Whether letters and digits mix at the same positions and no letter goes past f."""
    letters = {char for seen in varied for char in seen if char.isalpha()}
    mixed = sum(any(map(str.isalpha, seen)) and any(map(str.isdigit, seen)) for seen in varied)
    return bool(letters) and letters <= set("abcdefABCDEF") and mixed >= 4 and rows >= FEW


def _widened(seen: set[str], hexadecimal: bool = False) -> str:
    """All characters of the classes that occur in `seen`; punctuation stays itself."""
    last = 6 if hexadecimal else 26
    classes = (
        ("0123456789", str.isdigit),
        (string.ascii_lowercase[:last], lambda char: char in string.ascii_lowercase),
        (string.ascii_uppercase[:last], lambda char: char in string.ascii_uppercase),
    )
    wide = "".join(letters for letters, belongs in classes if any(map(belongs, seen)))
    return "".join(dict.fromkeys(wide + "".join(sorted(seen))))

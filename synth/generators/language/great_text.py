"""A table's rows as sentences of tokens, and the grammar that lets a language model write nothing else.

A row is written `age is 39, income is >50K, ...` in any order of its columns, as GReaT does (Borisov et al. 2023,
"Language Models are Realistic Tabular Data Generators"). Each piece is turned into tokens by itself and never cut
anew, so that what is sampled is exactly what was trained, and a value may hold a comma, " is " or nothing at all.
What may follow in a value is a small graph: for a list of values the tree of their tokens, for numbers and dates
the layouts seen, such as `00.00`.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from synth.columns.precision import Precision
from synth.errors import Invalid
from synth.linear import within
from synth.schema import Column

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

LISTED = 40
"""Numbers and dates of at most so many different values are written as a list of values, others digit by digit."""
SIGNIFICANT = 6
"""Digits of numbers that have no number of decimals of their own."""
WORDS = 4096
"""Pieces in a tokenizer fitted on a table."""
END = ","
DIGIT = within(r"\d")


@dataclass
class Node:
    """A place in a value: which token leads where. Without further tokens the value is complete."""

    number: int
    next: dict[int, Node] = field(default_factory=dict)
    value: str | None = None
    """The listed value that is complete here; None in numbers, whose tokens spell it."""
    missing: bool = False


STORED = ("texts", "layouts", "decimals", "step", "lacks")
"""What is saved of a column beside its name."""


class ColumnText:
    """How one column is written and read: as one of the listed `texts`, or digit by digit in one of the `layouts`."""

    def __init__(
        self, column: Column, texts: list[str] | None, layouts: list[str], decimals: int, step: str | None, lacks: bool
    ):
        self.column, self.texts, self.layouts = column, texts, layouts
        self.decimals, self.step, self.lacks = decimals, step, lacks

    @classmethod
    def learn(cls, values: pd.Series, column: Column, padded: bool) -> ColumnText:
        """`padded`: all numbers get the same number of digits, which a small model learns more quickly."""
        known = values.dropna()
        numeric = column.kind in ("number", "integer", "datetime")
        precision = Precision.learn(known, column) if numeric else Precision()
        decimals = _decimals(known, precision) if column.kind == "number" else 0
        text = cls(column, None, [], decimals, precision.step, bool(values.isna().any()))
        written = text.write(known)
        if not numeric or len(set(written)) <= LISTED:
            text.texts = sorted(set(written))
        elif padded and column.kind != "datetime":
            signs = "+" if any(piece.startswith("-") for piece in written) else ""
            whole = max(len(piece.lstrip("-").split(".")[0]) for piece in written)
            text.layouts = [signs + "0" * whole + ("." + "0" * decimals if decimals else "")]
        else:
            text.layouts = sorted({layout(piece) for piece in written})
        return text

    def write(self, values: pd.Series) -> list[str]:
        """The texts of values, none of which is missing."""
        if self.column.kind == "datetime":
            walls = values.dt.tz_localize(None) if self.column.timezone else values
            detail = {"ms": "milliseconds", "s": "seconds", "min": "minutes", "h": "minutes"}
            if self.step == "D":
                return [moment.isoformat()[:10] for moment in walls]
            return [moment.isoformat(" ", detail.get(self.step, "microseconds")) for moment in walls]
        if self.column.kind in ("number", "integer"):
            spec = "d" if self.column.kind == "integer" else f".{self.decimals}f"
            texts = [format(value, spec) for value in values.astype(object)]
            return [self._padded(text) for text in texts] if len(self.layouts) == 1 else texts
        return [str(value) for value in values.astype(object)]

    def nearest(self, piece: str) -> str:
        """The listed number or date nearest to one that is not. Raises Invalid for other kinds."""
        measures = {"number": float, "integer": int, "datetime": lambda text: np.datetime64(text, "us").astype(int)}
        if self.column.kind not in measures or not self.texts:
            raise Invalid(f"Column {self.column.name!r} never held {piece!r}, so the model cannot go on from it.")
        measure = measures[self.column.kind]
        return min(self.texts, key=lambda text: abs(measure(text) - measure(piece)))

    def _padded(self, text: str) -> str:
        """`-7.5` as `-007.5`, where the layout is `+000.0`."""
        sign = "" if not self.layouts[0].startswith("+") else "-" if text.startswith("-") else "+"
        return sign + text.lstrip("-").zfill(len(self.layouts[0]) - len(sign))

    def read(self, texts: list[str | None]) -> pd.Series:
        """The values of texts, None where missing."""
        absent = np.array([text is None for text in texts], bool)
        if self.column.kind == "datetime":
            moments = ["NaT" if text is None else _moment(text) for text in texts]
            values = pd.Series(np.array(moments, "datetime64[us]"))
            if self.column.timezone:
                # In the hour that a clock goes through twice, the first pass.
                twice = {"ambiguous": np.ones(len(values), bool), "nonexistent": "shift_forward"}
                values = values.dt.tz_localize(self.column.timezone, **twice)
            return values
        if self.column.kind == "integer":
            numbers = np.array([0 if text is None else int(text) for text in texts], np.int64)
            return pd.Series(pd.arrays.IntegerArray(numbers, absent))
        if self.column.kind == "number":
            return pd.Series([np.nan if text is None else float(text) for text in texts], dtype=float)
        if self.column.kind == "boolean":
            flags = np.array([text == "True" for text in texts], bool)
            return pd.Series(pd.arrays.BooleanArray(flags, absent))
        return pd.Series(texts, dtype=object).astype("category")

    def to_json(self) -> dict:
        return {name: getattr(self, name) for name in STORED}

    @classmethod
    def of_json(cls, column: Column, about: dict) -> ColumnText:
        """From what `to_json` gave; keys of a later version are ignored."""
        return cls(column, **{name: about[name] for name in STORED})


def layout(text: str) -> str:
    """The text with every digit a 0, and a leading minus a plus: what may stand where."""
    marks = DIGIT.sub("0", text)
    return "+" + marks[1:] if marks.startswith("-") else marks


def _decimals(known: pd.Series, precision: Precision) -> int:
    if precision.decimals is not None:
        return precision.decimals
    sizes = np.abs(known.to_numpy(float))
    middle = float(np.median(sizes[sizes > 0])) if (sizes > 0).any() else 1.0
    return int(np.clip(SIGNIFICANT - 1 - np.floor(np.log10(middle)), 0, 15))


def _moment(text: str) -> str:
    """The moment of a date in one of the layouts; what no calendar has (31 February, 25:61) is brought into it."""
    year, month = max(int(text[:4]), 1), min(max(int(text[5:7]), 1), 12)
    day = min(max(int(text[8:10]), 1), monthrange(year, month)[1])
    clock, _, fraction = text[11:].partition(".")
    parts = [min(int(part), most) for part, most in zip(clock.split(":"), (23, 59, 59), strict=False) if part]
    hour, minute, second = [*parts, 0, 0, 0][:3]
    return f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}.{fraction or '0'}"


class RowText:
    """How the rows of a table are written as tokens of a tokenizer, and what may follow what."""

    def __init__(self, columns: list[ColumnText], tokenizer: PreTrainedTokenizerBase, compact: bool):
        self.columns, self.tokenizer, self.compact = columns, tokenizer, compact
        self.start = tokenizer.eos_token_id
        self.absent = _word_for_missing(columns)
        self.spelled = [tokenizer.decode([token]) for token in range(len(tokenizer))]
        self.nodes: list[Node] = []
        self.heads = [self._tokens(head_of(text.column.name)) for text in columns]
        self.ends = [self._end(text) for text in columns]
        self.roots = [self._graph(place) for place in range(len(columns))]

    @cached_property
    def longest(self) -> int:
        """Tokens of the longest row: asked for at every token, and dear to count."""
        return 1 + sum(len(head) + _depth(root) for head, root in zip(self.heads, self.roots, strict=True))

    def encode(self, table: pd.DataFrame) -> list[list[list[int]] | None]:
        """For each column, the tokens of each row's value; None for a column that `table` lacks.

        Raises Invalid for a value that is not among those listed.
        """
        encoded: list[list[list[int]] | None] = []
        for place, text in enumerate(self.columns):
            if text.column.name not in table:
                encoded.append(None)
                continue
            values = table[text.column.name].reset_index(drop=True)
            pieces = np.full(len(values), None, object)
            there = values.notna().to_numpy()
            pieces[there] = text.write(values[there])
            tokens = {piece: self._value(place, piece) for piece in set(pieces)}
            encoded.append([tokens[piece] for piece in pieces])
        return encoded

    def decode(self, tokens: list[int], node: Node) -> str | None:
        """The text of a value whose tokens led to `node`; None: missing."""
        if node.missing or node.value is not None:
            return node.value
        return "".join(self.spelled[token] for token in tokens).strip().removesuffix(END)

    def read(self, texts: list[list[str | None]]) -> pd.DataFrame:
        """The table of the columns' texts."""
        return pd.DataFrame(
            {text.column.name: text.read(column) for text, column in zip(self.columns, texts, strict=True)}
        )

    def _tokens(self, piece: str) -> list[int]:
        return self.tokenizer(piece, add_special_tokens=False)["input_ids"]

    def _spaced(self, piece: str) -> list[int]:
        return self._tokens(piece if self.compact else " " + piece)

    def _listed(self, text: ColumnText) -> list[str]:
        return [*(text.texts or []), *([self.absent] if text.lacks else [])]

    def _end(self, text: ColumnText) -> list[int]:
        """What ends a value: nothing where no value is the beginning of another, else a comma if none has one."""
        spelled = [tuple(self._spaced(piece)) for piece in self._listed(text)]
        if self.compact and len(text.layouts) < 2 and not _nested(spelled):
            return []
        return [self.start] if any(END in piece for piece in self._listed(text)) else self._tokens(END)

    def _value(self, place: int, piece: str | None) -> list[int]:
        text = self.columns[place]
        if piece is not None and text.texts is not None and piece not in text.texts:
            piece = text.nearest(piece)
        return self._spaced(self.absent if piece is None else piece) + self.ends[place]

    def _node(self, **about) -> Node:
        self.nodes.append(Node(len(self.nodes), **about))
        return self.nodes[-1]

    def _graph(self, place: int) -> Node:
        """What may follow what in the values of a column."""
        text, root = self.columns[place], self._node()
        for piece in self._listed(text):
            node = root
            for token in self._spaced(piece) + self.ends[place]:
                if token not in node.next:
                    node.next[token] = self._node()
                node = node.next[token]
            node.missing = text.lacks and piece == self.absent
            node.value = None if node.missing else piece
        if text.layouts:
            self._add_layouts(text.layouts, root, self.ends[place])
        return root

    def _add_layouts(self, layouts: list[str], root: Node, end: list[int]) -> None:
        """Every token of digits and marks that keeps within a layout leads on; the end follows a whole one."""
        lead = "" if self.compact else " "
        whole = {lead + kind for kind in layouts}
        beginnings = {kind[:length] for kind in whole for length in range(1, len(kind) + 1)}
        marks = set("".join(whole)) | set("0123456789-")
        numeric = [(token, text) for token, text in enumerate(self.spelled) if text and set(text) <= marks]
        at, waiting, last = {"": root}, [""], self._node()
        while waiting:
            before = waiting.pop()
            for token, text in numeric:
                after = lead + layout((before + text)[len(lead) :]) if (before + text).startswith(lead) else None
                if after not in beginnings:
                    continue
                if after not in at:
                    at[after] = last if not end and after in whole else self._node()
                    waiting.append(after)
                at[before].next[token] = at[after]
            if end and before in whole:
                at[before].next[end[0]] = last


def _nested(spelled: list[tuple[int, ...]]) -> bool:
    """Whether one of the sequences is the beginning of another."""
    ordered = sorted(spelled)
    return any(longer[: len(shorter)] == shorter for shorter, longer in pairwise(ordered))


def head_of(name: str) -> str:
    """What stands before a value."""
    return f" {name} is"


def _depth(root: Node) -> int:
    """Tokens of the longest value."""
    depths: dict[int, int] = {}

    def depth(node: Node) -> int:
        if node.number not in depths:
            depths[node.number] = 1 + max(map(depth, node.next.values())) if node.next else 0
        return depths[node.number]

    return depth(root)


def _word_for_missing(columns: list[ColumnText]) -> str:
    taken = {piece for text in columns for piece in text.texts or []}
    return next(word for word in ("None", "missing", "not known", "\x00") if word not in taken)


def fitted_tokenizer(columns: list[ColumnText], table: pd.DataFrame):
    """A byte-level BPE tokenizer of the table's own pieces: frequent values are one token, digits one each."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=WORDS,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    listed = [text for text in columns if text.texts is not None]
    pieces = [piece for text in listed for piece in text.write(table[text.column.name].dropna())]
    tokenizer.train_from_iterator([*pieces, _word_for_missing(columns)], trainer)
    tokenizer.add_tokens([head_of(text.column.name) for text in columns])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|endoftext|>",
        pad_token="<|endoftext|>",
        clean_up_tokenization_spaces=False,
    )

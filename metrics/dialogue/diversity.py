"""How varied are the dialogues, and do they repeat one another?"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from metrics.base import NotMeasurable, Score
from metrics.detail import Detail
from metrics.dialogue.base import Conversations, Texts, beside_holdout, words_of
from metrics.registry import metric
from metrics.tools.intervals import share_interval
from synth.conversations.near_duplicates import LIMIT, ShingleIndex


@metric(
    "Distinct pairs of words",
    "dialogue",
    "How varied is the language?",
    0,
    1,
    "reference",
    place=90,
    source="Li et al. 2016, distinct-2",
)
def distinct_2(conversations: Conversations) -> Score:
    """How varied is the language? Distinct pairs of neighbouring words as a share of all pairs.

    It falls with the amount of text, so both sides are cut to the same number of words.
    """
    size = min(
        sum(map(len, side.words))
        for side in (conversations.synthetic, conversations.holdout or conversations.synthetic)
    )

    def measure(texts: Texts) -> float:
        pairs = [pair for words in first_words(texts.words, size) for pair in pairwise(words)]
        if not pairs:
            raise NotMeasurable("The turns are single words.")
        return len(set(pairs)) / len(pairs)

    return beside_holdout(conversations, measure)


def first_words(turns: list[list[str]], size: int) -> Iterable[list[str]]:
    for words in turns:
        if size <= 0:
            return
        yield words[:size]
        size -= len(words)


@metric(
    "Self-BLEU",
    "dialogue",
    "Do the dialogues repeat one another?",
    0,
    1,
    "reference",
    place=100,
    cost="medium",
    source="Zhu et al. 2018, Texygen",
)
def self_bleu(conversations: Conversations) -> Score:
    """Do the dialogues repeat one another? Mean 4-gram precision of each dialogue against the others.

    Lower is more varied. Of at most 100 dialogues a side, drawn by the seed, and of equally many on both sides.
    """
    size = min(100, len(conversations.synthetic), len(conversations.holdout) if conversations.holdout else 100)
    if size < 2:
        raise NotMeasurable("It takes two dialogues to compare.")

    def measure(texts: Texts) -> float:
        chosen = np.random.default_rng(conversations.seed).permutation(len(texts))[:size]
        grams = [n_grams(texts.dialogues[at].text, 4) for at in chosen]
        everywhere = Counter(gram for own in grams for gram in own)
        shares = [sum(everywhere[gram] > 1 for gram in own) / len(own) for own in grams if own]
        return float(np.mean(shares)) if shares else 0.0

    return beside_holdout(conversations, measure)


def n_grams(text: str, size: int) -> set[tuple[str, ...]]:
    words = words_of(text)
    return {tuple(words[at : at + size]) for at in range(len(words) - size + 1)}


@metric(
    "Compression ratio",
    "dialogue",
    "How much does the set repeat itself?",
    0,
    None,
    "reference",
    place=110,
    source="Shaib et al. 2024",
)
def compression_ratio(conversations: Conversations) -> Score:
    """How much does the set repeat itself? Size of the text over its size compressed; repetition compresses well."""
    size = min(
        sum(map(len, side.turns))
        for side in (conversations.synthetic, conversations.holdout or conversations.synthetic)
    )

    if not size:
        raise NotMeasurable("The dialogues hold no text to compress.")

    def measure(texts: Texts) -> float:
        text = "\n".join(texts.turns).encode()[:size]
        return len(text) / len(zlib.compress(text, 9))

    return beside_holdout(conversations, measure)


class DuplicatesDetail(Detail):
    pairs: list[tuple[str, str, float]]
    """Ids of a dialogue and of the one that repeats it, with the share of runs in common."""


@metric(
    "ShingleIndex-duplicates",
    "dialogue",
    "How many dialogues nearly repeat another of the set?",
    0,
    1,
    "low",
    detail=DuplicatesDetail,
    place=120,
)
def near_duplicates(conversations: Conversations) -> Score:
    """How many dialogues nearly repeat another of the set? Share that has half its five-word runs in another."""
    found = {}

    def measure(texts: Texts) -> float:
        seen, pairs = ShingleIndex(), []
        for dialogue in texts.dialogues:
            other, share = seen.nearest(dialogue.text)
            if share >= LIMIT:
                pairs.append((other, dialogue.id, round(share, 3)))
            seen.add(dialogue.id, dialogue.text)
        found[id(texts)] = pairs
        return len(pairs) / len(texts)

    score = beside_holdout(conversations, measure)
    pairs = found[id(conversations.synthetic)]
    return score.model_copy(
        update={
            "ci": share_interval(len(pairs), len(conversations.synthetic)),
            "detail": DuplicatesDetail(pairs=pairs[:50]),
        }
    )

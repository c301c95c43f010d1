"""Do the dialogues read like the real ones, and does the set hold what was asked for?"""

from __future__ import annotations

from collections import Counter

import numpy as np

from metrics.base import NotMeasurable, Score
from metrics.detail import Detail
from metrics.dialogue.base import Conversations, Texts, beside_holdout, need_turns, words_of
from metrics.dialogue.distances import (
    Counted,
    histogram,
    js_complement,
    ks_complement,
    most_lacking,
    shares_of,
    turn_lengths,
    tv_complement,
    word_counts,
)
from metrics.registry import metric
from metrics.tools.intervals import share_interval


class LengthsDetail(Detail):
    real: Counted
    synthetic: Counted


class VocabularyDetail(Detail):
    missing: list[str]
    """Words whose share falls most, against the real dialogues."""
    added: list[str]
    """Words whose share rises most."""


class SentimentDetail(Detail):
    """VADER's compound score of each turn, -1 to 1."""

    real: list[float]
    synthetic: list[float]


class PlanDetail(Detail):
    short: dict[str, int]
    """How many dialogues are missing, by the labels asked for."""


class IntentsDetail(Detail):
    """The share of each intent."""

    real: dict[str, float]
    synthetic: dict[str, float]


@metric(
    "Turns per dialogue",
    "dialogue",
    "Are the dialogues as long as real ones?",
    0,
    1,
    "high",
    detail=LengthsDetail,
    place=20,
    source="Kolmogorov-Smirnov complement",
)
def turns_per_dialogue(conversations: Conversations) -> Score:
    """Are the dialogues as long as real ones?

    1 minus the largest gap between the two cumulative shares of dialogues by number of turns. In [0, 1].
    """
    need_turns(conversations)
    return beside_holdout(
        conversations,
        lambda texts: ks_complement(conversations.source.lengths, texts.lengths),
        detail=LengthsDetail(
            real=histogram(conversations.source.lengths), synthetic=histogram(conversations.synthetic.lengths)
        ),
    )


@metric(
    "Words per turn",
    "dialogue",
    "Do people say as much at a time?",
    0,
    1,
    "high",
    detail=LengthsDetail,
    place=30,
    source="Kolmogorov-Smirnov complement",
)
def words_per_turn(conversations: Conversations) -> Score:
    """Do people say as much at a time?

    1 minus the largest gap between the two cumulative shares of turns by number of words. In [0, 1].
    """
    need_turns(conversations)
    real, made = turn_lengths(conversations.source), turn_lengths(conversations.synthetic)
    return beside_holdout(
        conversations,
        lambda texts: ks_complement(real, turn_lengths(texts)),
        detail=LengthsDetail(real=histogram(real), synthetic=histogram(made)),
    )


@metric(
    "Vocabulary",
    "dialogue",
    "Are the words those of the real dialogues, as often?",
    0,
    1,
    "high",
    detail=VocabularyDetail,
    place=40,
    source="Lin 1991, Jensen-Shannon",
)
def vocabulary(conversations: Conversations) -> Score:
    """Are the words those of the real dialogues, as often? 1 minus the Jensen-Shannon distance of word shares."""
    need_turns(conversations)
    real = word_counts(conversations.source.words)
    made = word_counts(conversations.synthetic.words)
    return beside_holdout(
        conversations,
        lambda texts: js_complement(real, word_counts(texts.words)),
        detail=VocabularyDetail(missing=most_lacking(real, made), added=most_lacking(made, real)),
    )


@metric(
    "Openings",
    "dialogue",
    "Do dialogues begin as real ones do?",
    0,
    1,
    "high",
    place=50,
    source="Lin 1991, Jensen-Shannon",
)
def openings(conversations: Conversations) -> Score:
    """Do dialogues begin as real ones do? 1 minus the Jensen-Shannon distance of the first turns' word shares."""
    return _at(conversations, 0)


@metric(
    "Closings",
    "dialogue",
    "Do dialogues end as real ones do?",
    0,
    1,
    "high",
    place=60,
    source="Lin 1991, Jensen-Shannon",
)
def closings(conversations: Conversations) -> Score:
    """Do dialogues end as real ones do? 1 minus the Jensen-Shannon distance of the last turns' word shares."""
    return _at(conversations, -1)


def _at(conversations: Conversations, turn: int) -> Score:
    need_turns(conversations)

    def shares(texts: Texts) -> Counter[str]:
        return word_counts(words_of(d.turns[turn].text) for d in texts.dialogues if d.turns)

    real = shares(conversations.source)
    return beside_holdout(conversations, lambda texts: js_complement(real, shares(texts)))


@metric(
    "Sentiment",
    "dialogue",
    "Are moods as mixed as in the real dialogues?",
    0,
    1,
    "high",
    detail=SentimentDetail,
    place=70,
    source="Hutto and Gilbert 2014, VADER",
)
def sentiment(conversations: Conversations) -> Score:
    """Are moods as mixed as in the real dialogues?

    1 minus the largest gap of cumulative shares of the turns' VADER compound scores (-1 to 1). English only.
    """
    need_turns(conversations)
    real, made = _moods(conversations.source, conversations.seed), _moods(conversations.synthetic, conversations.seed)
    return beside_holdout(
        conversations,
        lambda texts: ks_complement(real, _moods(texts, conversations.seed)),
        detail=SentimentDetail(real=real.tolist(), synthetic=made.tolist()),
        note="VADER's lexicon is English; in other languages most turns count as neutral.",
    )


def _moods(texts: Texts, seed: int, most: int = 3000) -> np.ndarray:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    judge = SentimentIntensityAnalyzer()
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(texts.turns))[:most]
    return np.array([judge.polarity_scores(texts.turns[at][:1000])["compound"] for at in chosen])


@metric(
    "Plan coverage",
    "dialogue",
    "Does the set hold what was asked for, in the asked shares?",
    0,
    1,
    "high",
    detail=PlanDetail,
    place=10,
)
def plan_coverage(conversations: Conversations) -> Score:
    """Does the set hold what was asked for, in the asked shares?

    The share of planned dialogues that were written with their labels. In [0, 1].
    """
    if not conversations.asked:
        raise NotMeasurable("This set was written without a plan.")
    asked = Counter(tuple(sorted(labels.items())) for labels in conversations.asked)
    made = Counter(tuple(sorted(d.labels.items())) for d in conversations.synthetic.dialogues)
    got = sum((asked & made).values())
    short = {", ".join(f"{k}: {v}" for k, v in what): count for what, count in (asked - made).items()}
    return Score(
        value=got / len(conversations.asked),
        ci=share_interval(got, len(conversations.asked)),
        detail=PlanDetail(short=short),
    )


@metric(
    "Intents",
    "dialogue",
    "Are intents as frequent as in the real dialogues?",
    0,
    1,
    "high",
    detail=IntentsDetail,
    place=80,
    source="Total variation",
)
def intent_shares(conversations: Conversations) -> Score:
    """Are intents as frequent as in the real dialogues? 1 minus the total variation distance of their shares.

    When other shares were asked for on purpose, plan coverage is the number to read.
    """
    real = Counter(conversations.source.label(conversations.intent))
    made = Counter(conversations.synthetic.label("intent"))
    if not real or not made:
        raise NotMeasurable("The real or the synthetic dialogues carry no intents.")
    held = Counter(conversations.holdout.label(conversations.intent)) if conversations.holdout else None
    return Score(
        value=tv_complement(real, made),
        reference=tv_complement(real, held) if held else None,
        detail=IntentsDetail(real=shares_of(real), synthetic=shares_of(made)),
    )

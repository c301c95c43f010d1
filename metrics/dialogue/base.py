"""Judging written conversations: do they read like the real ones, cover what was asked, and copy nobody?

Every measurement is also made with real, held-out conversations in the place of the synthetic ones: that is the
reference beside each value.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from metrics.base import Card, NotMeasurable, Score
from metrics.tools.intervals import auc_interval, mean_interval, share_interval
from metrics.views.columns import column_view
from synth.conversations.dialogue import Dialogue
from synth.conversations.near_duplicates import LIMIT, WORDS, Near, runs
from synth.conversations.redact import redact
from synth.schema import Column, Schema
from synth.schema.casting import conform

_TOKEN = re.compile(r"\w+(?:'\w+)?|[?!]")


@dataclass(frozen=True, eq=False)
class Texts:
    """A set of dialogues with what several metrics need of it, computed once."""

    dialogues: list[Dialogue]

    def __len__(self) -> int:
        return len(self.dialogues)

    @cached_property
    def turns(self) -> list[str]:
        return [turn.text for dialogue in self.dialogues for turn in dialogue.turns]

    @cached_property
    def words(self) -> list[list[str]]:
        """The lower-case words of each turn."""
        return [_TOKEN.findall(text.casefold()) for text in self.turns]

    @cached_property
    def lengths(self) -> np.ndarray:
        """Turns of each dialogue."""
        return np.array([len(dialogue.turns) for dialogue in self.dialogues])

    def label(self, name: str) -> list[str]:
        return [dialogue.labels[name] for dialogue in self.dialogues if name in dialogue.labels]


@dataclass(frozen=True, eq=False)
class Conversations:
    """What a dialogue metric looks at."""

    source: Texts
    """The real dialogues the model was shown."""
    holdout: Texts | None
    """Real dialogues that no prompt held; None when none were kept back."""
    synthetic: Texts
    asked: list[dict[str, str]] = field(default_factory=list)
    """The labels planned for each dialogue that was asked for."""
    intent: str = "intent"
    """The label of the real dialogues that the synthetic ones carry as `intent`."""
    seed: int = 0


@dataclass(frozen=True)
class DialogueMetric:
    """A dialogue metric, ready to be asked: it always answers with a `Score`."""

    card: Card
    measure: Callable[[Conversations], Score]

    def __call__(self, talks: Conversations) -> Score:
        try:
            if not len(talks.synthetic):
                raise NotMeasurable("No dialogue was written.")
            if "holdout" in self.card.needs and not talks.holdout:
                raise NotMeasurable("No real dialogues were kept back to judge against.")
            return self.measure(talks)
        except NotMeasurable as reason:
            return Score(value=None, note=str(reason))


def dialogue_metric(title: str, question: str, low: float | None, high: float | None, good: str, **more):
    """Make a dialogue metric of a function; its name is the metric's name. `more` are the card's other fields."""

    def make(measure: Callable[[Conversations], Score]) -> DialogueMetric:
        card = Card(
            name=measure.__name__,
            title=title,
            family="dialogue",
            question=question,
            low=low,
            high=high,
            good=good,
            **more,
        )
        return DialogueMetric(card, measure)

    return make


def _both(talks: Conversations, measure: Callable[[Texts], float], **more) -> Score:
    """`measure` of the synthetic dialogues, beside the held-out real ones."""
    return Score(value=measure(talks.synthetic), reference=measure(talks.holdout) if talks.holdout else None, **more)


def _spoken(talks: Conversations) -> None:
    if not talks.source.turns:
        raise NotMeasurable("The input holds no dialogues to compare with, only attributes or a description.")


# How they read -------------------------------------------------------------------------------------------------


@dialogue_metric(
    "Turns per dialogue",
    "Are the dialogues as long as real ones?",
    0,
    1,
    "high",
    source="Kolmogorov-Smirnov complement",
)
def turns_per_dialogue(talks: Conversations) -> Score:
    """Are the dialogues as long as real ones?

    1 minus the largest gap between the two cumulative shares of dialogues by number of turns. In [0, 1].
    """
    _spoken(talks)
    return _both(
        talks,
        lambda texts: ks_complement(talks.source.lengths, texts.lengths),
        detail={
            "real": _histogram(talks.source.lengths),
            "synthetic": _histogram(talks.synthetic.lengths),
        },
    )


@dialogue_metric(
    "Words per turn", "Do people say as much at a time?", 0, 1, "high", source="Kolmogorov-Smirnov complement"
)
def words_per_turn(talks: Conversations) -> Score:
    """Do people say as much at a time as in the real dialogues? 1 minus the largest gap of cumulative shares."""
    _spoken(talks)
    real, made = _counts(talks.source), _counts(talks.synthetic)
    return _both(
        talks,
        lambda texts: ks_complement(real, _counts(texts)),
        detail={"real": _histogram(real), "synthetic": _histogram(made)},
    )


@dialogue_metric(
    "Vocabulary",
    "Are the words those of the real dialogues, as often?",
    0,
    1,
    "high",
    source="Lin 1991, Jensen-Shannon",
)
def vocabulary(talks: Conversations) -> Score:
    """Are the words those of the real dialogues, as often? 1 minus the Jensen-Shannon distance of word shares."""
    _spoken(talks)
    real = _word_counts(talks.source.words)
    made = _word_counts(talks.synthetic.words)
    return _both(
        talks,
        lambda texts: js_complement(real, _word_counts(texts.words)),
        detail={"missing": _lacking(real, made), "added": _lacking(made, real)},
    )


@dialogue_metric("Openings", "Do dialogues begin as real ones do?", 0, 1, "high", source="Lin 1991, Jensen-Shannon")
def openings(talks: Conversations) -> Score:
    """Do dialogues begin as real ones do? 1 minus the Jensen-Shannon distance of the first turns' word shares."""
    return _at(talks, 0)


@dialogue_metric("Closings", "Do dialogues end as real ones do?", 0, 1, "high", source="Lin 1991, Jensen-Shannon")
def closings(talks: Conversations) -> Score:
    """Do dialogues end as real ones do? 1 minus the Jensen-Shannon distance of the last turns' word shares."""
    return _at(talks, -1)


def _at(talks: Conversations, turn: int) -> Score:
    _spoken(talks)

    def shares(texts: Texts) -> Counter[str]:
        return _word_counts(_TOKEN.findall(d.turns[turn].text.casefold()) for d in texts.dialogues if d.turns)

    real = shares(talks.source)
    return _both(talks, lambda texts: js_complement(real, shares(texts)))


@dialogue_metric(
    "Sentiment", "Are moods as mixed as in the real dialogues?", 0, 1, "high", source="Hutto and Gilbert 2014, VADER"
)
def sentiment(talks: Conversations) -> Score:
    """Are moods as mixed as in the real dialogues?

    1 minus the largest gap of cumulative shares of the turns' VADER compound scores (-1 to 1). English only.
    """
    _spoken(talks)
    real, made = _moods(talks.source, talks.seed), _moods(talks.synthetic, talks.seed)
    return _both(
        talks,
        lambda texts: ks_complement(real, _moods(texts, talks.seed)),
        detail={"real": real.tolist(), "synthetic": made.tolist()},
        note="VADER's lexicon is English; in other languages most turns count as neutral.",
    )


def _moods(texts: Texts, seed: int, most: int = 3000) -> np.ndarray:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    judge = SentimentIntensityAnalyzer()
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(texts.turns))[:most]
    return np.array([judge.polarity_scores(texts.turns[at][:1000])["compound"] for at in chosen])


# What was asked ------------------------------------------------------------------------------------------------


@dialogue_metric("Plan coverage", "Does the set hold what was asked for, in the asked shares?", 0, 1, "high")
def plan_coverage(talks: Conversations) -> Score:
    """Does the set hold what was asked for? The share of planned dialogues that were delivered with their labels."""
    if not talks.asked:
        raise NotMeasurable("This set was written without a plan.")
    asked = Counter(tuple(sorted(labels.items())) for labels in talks.asked)
    made = Counter(tuple(sorted(d.labels.items())) for d in talks.synthetic.dialogues)
    got = sum((asked & made).values())
    short = {", ".join(f"{k}: {v}" for k, v in what): count for what, count in (asked - made).items()}
    return Score(value=got / len(talks.asked), ci=share_interval(got, len(talks.asked)), detail={"short": short})


@dialogue_metric("Intents", "Are intents as frequent as in the real dialogues?", 0, 1, "high", source="Total variation")
def intent_shares(talks: Conversations) -> Score:
    """Are intents as frequent as in the real dialogues? 1 minus the total variation distance of their shares.

    When other shares were asked for on purpose, plan coverage is the number to read.
    """
    real = Counter(talks.source.label(talks.intent))
    made = Counter(talks.synthetic.label("intent"))
    if not real or not made:
        raise NotMeasurable("The real or the synthetic dialogues carry no intents.")
    held = Counter(talks.holdout.label(talks.intent)) if talks.holdout else None
    return Score(
        value=tv_complement(real, made),
        reference=tv_complement(real, held) if held else None,
        detail={"real": _shares(real), "synthetic": _shares(made)},
    )


# How varied they are -------------------------------------------------------------------------------------------


@dialogue_metric(
    "Distinct pairs of words", "How varied is the language?", 0, 1, "reference", source="Li et al. 2016, distinct-2"
)
def distinct_2(talks: Conversations) -> Score:
    """How varied is the language? Distinct pairs of neighbouring words as a share of all pairs.

    It falls with the amount of text, so both sides are cut to the same number of words.
    """
    size = min(sum(map(len, side.words)) for side in (talks.synthetic, talks.holdout or talks.synthetic))

    def measure(texts: Texts) -> float:
        pairs = [pair for words in _first(texts.words, size) for pair in pairwise(words)]
        if not pairs:
            raise NotMeasurable("The turns are single words.")
        return len(set(pairs)) / len(pairs)

    return _both(talks, measure)


@dialogue_metric(
    "Self-BLEU",
    "Do the dialogues repeat one another?",
    0,
    1,
    "reference",
    cost="medium",
    source="Zhu et al. 2018, Texygen",
)
def self_bleu(talks: Conversations) -> Score:
    """Do the dialogues repeat one another? Mean 4-gram precision of each dialogue against the others.

    Lower is more varied. Of at most 100 dialogues a side, drawn by the seed, and of equally many on both sides.
    """
    size = min(100, len(talks.synthetic), len(talks.holdout) if talks.holdout else 100)
    if size < 2:
        raise NotMeasurable("It takes two dialogues to compare.")

    def measure(texts: Texts) -> float:
        chosen = np.random.default_rng(talks.seed).permutation(len(texts))[:size]
        grams = [_grams(texts.dialogues[at].text, 4) for at in chosen]
        everywhere = Counter(gram for own in grams for gram in own)
        shares = [sum(everywhere[gram] > 1 for gram in own) / len(own) for own in grams if own]
        return float(np.mean(shares)) if shares else 0.0

    return _both(talks, measure)


@dialogue_metric(
    "Compression ratio", "How much does the set repeat itself?", 1, None, "reference", source="Shaib et al. 2024"
)
def compression_ratio(talks: Conversations) -> Score:
    """How much does the set repeat itself? Size of the text over its size compressed; repetition compresses well."""
    size = min(sum(map(len, side.turns)) for side in (talks.synthetic, talks.holdout or talks.synthetic))

    def measure(texts: Texts) -> float:
        text = "\n".join(texts.turns).encode()[:size]
        return len(text) / len(zlib.compress(text, 9))

    return _both(talks, measure)


@dialogue_metric("Near-duplicates", "How many dialogues nearly repeat another of the set?", 0, 1, "low")
def near_duplicates(talks: Conversations) -> Score:
    """How many dialogues nearly repeat another of the set? Share that has half its five-word runs in another."""
    found = {}

    def measure(texts: Texts) -> float:
        seen, pairs = Near(), []
        for dialogue in texts.dialogues:
            other, share = seen.nearest(dialogue.text)
            if share >= LIMIT:
                pairs.append([other, dialogue.id, round(share, 3)])
            seen.add(dialogue.id, dialogue.text)
        found[id(texts)] = pairs
        return len(pairs) / len(texts)

    score = _both(talks, measure)
    pairs = found[id(talks.synthetic)]
    return score.model_copy(
        update={"ci": share_interval(len(pairs), len(talks.synthetic)), "detail": {"pairs": pairs[:50]}}
    )


# Whom they copy ------------------------------------------------------------------------------------------------


@dialogue_metric(
    "Turns copied from the input", "How many turns stand word for word in the input?", 0, 1, "low", needs=("holdout",)
)
def copied_turns(talks: Conversations) -> Score:
    """How many turns stand word for word in the input? Share of turns of five words or more.

    Shorter ones ("Thank you, bye") are everybody's. Held-out real dialogues repeat stock phrases too: that is the
    reference to compare with.
    """
    _spoken(talks)
    known = {tuple(words) for words in talks.source.words}

    def hits(texts: Texts) -> np.ndarray:
        return np.array([tuple(words) in known for words in texts.words if len(words) >= WORDS], dtype=float)

    made, held = hits(talks.synthetic), hits(talks.holdout)
    if not len(made) or not len(held):
        raise NotMeasurable("No turn is long enough to be called a copy.")
    texts = [
        text for text, words in zip(talks.synthetic.turns, talks.synthetic.words, strict=True) if len(words) >= WORDS
    ]
    copied = [text for text, hit in zip(texts, made, strict=True) if hit]
    return Score(
        value=float(made.mean()),
        reference=float(held.mean()),
        ci=share_interval(made.sum(), len(made)),
        detail={"examples": sorted(set(copied), key=len, reverse=True)[:20]},
    )


@dialogue_metric(
    "Longest run shared with the input", "How many words in a row are the input's?", 0, None, "low", needs=("holdout",)
)
def longest_shared_run(talks: Conversations) -> Score:
    """How many words in a row are the input's? 95th percentile over dialogues of the longest such run, in words.

    A run grows while each of its five-word windows stands somewhere in the input, so it may chain two places of it.
    """
    _spoken(talks)
    known = {run for text in talks.source.turns for run in runs(text)}

    def longest(texts: Texts) -> np.ndarray:
        return np.array([max((_longest(turn.text, known) for turn in d.turns), default=0) for d in texts.dialogues])

    made = longest(talks.synthetic)
    return Score(
        value=float(np.quantile(made, 0.95)),
        reference=float(np.quantile(longest(talks.holdout), 0.95)),
        detail={"lengths": _histogram(made), "worst": talks.synthetic.dialogues[int(made.argmax())].id},
    )


def _longest(text: str, known: set) -> int:
    words = re.findall(r"\w+", text.casefold())
    best = row = 0
    for at in range(len(words) - WORDS + 1):
        row = row + 1 if tuple(words[at : at + WORDS]) in known else 0
        best = max(best, row)
    return best + WORDS - 1 if best else 0


@dialogue_metric(
    "Nearer to the input than to held-out dialogues",
    "Do the dialogues keep closer to those the model was shown than to others like them?",
    0,
    1,
    "reference",
    needs=("holdout",),
    cost="medium",
    source="The tables' share nearer to train, on TF-IDF vectors",
)
def share_nearer_to_source(talks: Conversations) -> Score:
    """Do the dialogues keep closer to those the model was shown than to others like them?

    Share whose nearest real dialogue (cosine of TF-IDF) is one of the input rather than one held out, among equally
    many of both; ties count half. 0.5 is what no memory of the input gives.
    """
    _spoken(talks)
    size = min(len(talks.source), len(talks.holdout), 5000)
    rng = np.random.default_rng(talks.seed)
    source = [talks.source.dialogues[at].text for at in rng.permutation(len(talks.source))[:size]]
    held = [talks.holdout.dialogues[at].text for at in rng.permutation(len(talks.holdout))[:size]]
    vectors = _tfidf([*source, *held])
    made = vectors.transform([dialogue.text for dialogue in talks.synthetic.dialogues])
    to_source = (made @ vectors.transform(source).T).max(axis=1).toarray().ravel()
    to_held = (made @ vectors.transform(held).T).max(axis=1).toarray().ravel()
    nearer = np.where(np.isclose(to_source, to_held), 0.5, to_source > to_held)
    return Score(value=float(nearer.mean()), reference=0.5, ci=mean_interval(nearer))


@dialogue_metric(
    "Personal data that came through",
    "How many e-mails, numbers and names of real people are in the output?",
    0,
    None,
    "low",
)
def personal_data(talks: Conversations) -> Score:
    """How many e-mails, numbers and names of real people are in the output? The number of different ones.

    What the input's personal data are is found by the patterns of `synth.conversations.redact`, limits included.
    Held-out dialogues share common first names with the input: that is the reference.
    """
    _spoken(talks)
    private = {text for dialogue in talks.source.dialogues for text in _private(dialogue)}

    def through(texts: Texts) -> float:
        whole = " \n ".join(texts.turns).casefold()
        return float(sum(re.search(rf"(?<!\w){re.escape(text)}(?!\w)", whole) is not None for text in private))

    return _both(talks, through, detail={"of": len(private)}, note="" if private else "None was found in the input.")


def _private(dialogue: Dialogue) -> set[str]:
    """The texts that redacting replaces: what stands where the placeholders do."""
    clean = redact(dialogue)
    found = set()
    for before, after in zip(dialogue.turns, clean.turns, strict=True):
        if before.text == after.text:
            continue
        pieces = re.split(r"\[[A-Z]+_\d+\]", after.text)
        pattern = "(.+?)".join(map(re.escape, pieces))
        hit = re.fullmatch(pattern, before.text, re.DOTALL)
        found.update(group.casefold() for group in hit.groups() if len(group) >= WORDS) if hit else None
    return found


# What they are good for ----------------------------------------------------------------------------------------


@dialogue_metric(
    "Real or synthetic",
    "Can a classifier tell them from real dialogues?",
    0,
    1,
    "high",
    needs=("holdout",),
    cost="medium",
    source="Lopez-Paz and Oquab 2017, classifier two-sample test",
)
def dialogue_detector(talks: Conversations) -> Score:
    """Can a classifier tell them from real dialogues that nobody was shown? 1: it cannot; 0: always.

    1 - (2 AUC - 1), from five-fold cross-validated logistic regression on TF-IDF of words and pairs of words.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline

    size = min(len(talks.synthetic), len(talks.holdout), 2000)
    if size < 10:
        raise NotMeasurable(f"It takes 10 dialogues of each kind to tell; there are {size}.")
    rng = np.random.default_rng(talks.seed)
    real = [talks.holdout.dialogues[at].text for at in rng.permutation(len(talks.holdout))[:size]]
    drawn = [talks.synthetic.dialogues[at] for at in rng.permutation(len(talks.synthetic))[:size]]
    made = [dialogue.text for dialogue in drawn]
    truth = np.repeat([0, 1], size)
    folds = StratifiedKFold(5, shuffle=True, random_state=talks.seed)
    learner = make_pipeline(_vectorizer(), LogisticRegression(max_iter=1000))
    odds = cross_val_predict(learner, real + made, truth, cv=folds, method="predict_proba")[:, 1]
    auc = float(roc_auc_score(truth, odds))
    low, high = auc_interval(auc, size, size)
    weights = learner.fit(real + made, truth)[-1].coef_[0]
    names = learner[0].get_feature_names_out()
    order = np.argsort(weights)
    likeness = [drawn[at].id for at in np.argsort(odds[size:])]
    return Score(
        value=_undetected(auc),
        reference=1.0,
        ci=(_undetected(high), _undetected(low)),
        detail={
            "auc": auc,
            "most_real": likeness[:3],
            "least_real": likeness[-3:][::-1],
            "gave_away": names[order[-15:]][::-1].tolist(),
            "lacking": names[order[:15]].tolist(),
        },
    )


def _undetected(auc: float) -> float:
    return 1 - (2 * max(auc, 0.5) - 1)


@dialogue_metric(
    "Intent classifier trained on them",
    "Does a classifier trained on them know real customers' intents?",
    0,
    1,
    "high",
    needs=("holdout",),
    cost="medium",
    why="It is what such sets are made for.",
)
def intent_classifier(talks: Conversations) -> Score:
    """Does a classifier trained on them know real customers' intents? Accuracy on held-out real dialogues.

    The reference is the same learner trained on as many real dialogues.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    made = _said(talks.synthetic, "intent")
    held = [
        (text, intent) for text, intent in _said(talks.holdout, talks.intent) if intent in {what for _, what in made}
    ]
    real = [
        (text, intent) for text, intent in _said(talks.source, talks.intent) if intent in {what for _, what in made}
    ]
    if len({intent for _, intent in made}) < 2 or not held or len({intent for _, intent in real}) < 2:
        raise NotMeasurable("It takes two intents that stand in the synthetic and in the real dialogues.")
    order = np.random.default_rng(talks.seed).permutation(len(real))[: len(made)]

    def accuracy(pairs: list[tuple[str, str]]) -> np.ndarray:
        if len({intent for _, intent in pairs}) < 2:
            raise NotMeasurable("As many real dialogues hold one intent only.")
        learner = make_pipeline(_vectorizer(), LogisticRegression(max_iter=1000))
        learner.fit(*zip(*pairs, strict=True))
        return learner.predict([text for text, _ in held]) == np.array([intent for _, intent in held])

    hits = accuracy(made)
    return Score(
        value=float(hits.mean()),
        reference=float(accuracy([real[at] for at in order]).mean()),
        ci=share_interval(hits.sum(), len(hits)),
    )


def _said(texts: Texts, label: str) -> list[tuple[str, str]]:
    """What the opening side says in each dialogue, with the dialogue's label."""
    return [
        (" ".join(turn.text for turn in d.turns if turn.role == d.turns[0].role), d.labels[label])
        for d in texts.dialogues
        if d.turns and label in d.labels
    ]


# Pictures ------------------------------------------------------------------------------------------------------

FEATURES = {
    "Turns per dialogue": "integer",
    "Words per turn": "number",
    "Sentiment": "number",
    "Distinct words": "integer",
    "Intent": "category",
}


def features(texts: Texts, intent: str = "intent") -> pd.DataFrame:
    """A row a dialogue with what can be counted of it: the columns of `FEATURES`, drawn like those of any table."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    judge = SentimentIntensityAnalyzer()
    rows = []
    for dialogue in texts.dialogues:
        words = [_TOKEN.findall(turn.text.casefold()) for turn in dialogue.turns]
        moods = [judge.polarity_scores(turn.text[:1000])["compound"] for turn in dialogue.turns]
        rows.append(
            (
                len(words),
                sum(map(len, words)) / max(1, len(words)),
                sum(moods) / max(1, len(moods)),
                len({word for said in words for word in said}),
                dialogue.labels.get(intent),
            )
        )
    table = pd.DataFrame(rows, columns=list(FEATURES))
    return conform(table, feature_schema())


def feature_schema() -> Schema:
    return Schema(columns=[Column(name=name, kind=kind) for name, kind in FEATURES.items()])


def pictures(talks: Conversations, most: int = 2000) -> list[dict[str, Any]]:
    """What `metrics.charts.column_figure` draws of these dialogues, one value a feature; at most `most` a side."""

    def some(texts: Texts | None) -> Texts | None:
        if texts is None or len(texts) <= most:
            return texts
        chosen = np.random.default_rng(talks.seed).permutation(len(texts))[:most]
        return Texts([texts.dialogues[at] for at in chosen])

    source, holdout, synthetic = some(talks.source), some(talks.holdout), some(talks.synthetic)
    real = features(source, talks.intent)
    held = features(holdout, talks.intent) if holdout else None
    made = features(synthetic)
    return [
        column_view(real, held, made, column)
        for column in feature_schema()
        if made[column.name].notna().any() and real[column.name].notna().any()
    ]


# Measures ------------------------------------------------------------------------------------------------------


def ks_complement(one: np.ndarray, other: np.ndarray) -> float:
    """1 minus the largest gap between two empirical distribution functions."""
    if not len(one) or not len(other):
        raise NotMeasurable("One side holds no turns.")
    points = np.union1d(one, other)
    gap = np.searchsorted(np.sort(one), points, "right") / len(one)
    gap = gap - np.searchsorted(np.sort(other), points, "right") / len(other)
    return max(0.0, float(1 - np.abs(gap).max()))


def tv_complement(one: Counter, other: Counter) -> float:
    """1 minus half the summed differences of two sets of shares."""
    here, there = _shares(one), _shares(other)
    return max(0.0, 1 - 0.5 * sum(abs(here.get(key, 0) - there.get(key, 0)) for key in here.keys() | there.keys()))


def js_complement(one: Counter, other: Counter) -> float:
    """1 minus the Jensen-Shannon distance (base 2) of two sets of shares: 1 the same, 0 nothing in common."""
    keys = list(one.keys() | other.keys())
    if not one or not other:
        raise NotMeasurable("One side holds no words.")
    p = np.array([one[key] for key in keys], float) / one.total()
    q = np.array([other[key] for key in keys], float) / other.total()
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        halves = [np.where(side > 0, side * np.log2(side / middle), 0).sum() / 2 for side in (p, q)]
    return max(0.0, float(1 - np.sqrt(max(0.0, sum(halves)))))


def _vectorizer():
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, max_features=50_000, token_pattern=r"(?u)\b\w+\b")


def _tfidf(texts: list[str]):
    return _vectorizer().fit(texts)


def _counts(texts: Texts) -> np.ndarray:
    return np.array([len(words) for words in texts.words])


def _word_counts(turns: Iterable[list[str]]) -> Counter[str]:
    return Counter(word for words in turns for word in words)


def _grams(text: str, size: int) -> set[tuple[str, ...]]:
    words = _TOKEN.findall(text.casefold())
    return {tuple(words[at : at + size]) for at in range(len(words) - size + 1)}


def _first(turns: list[list[str]], size: int) -> Iterable[list[str]]:
    for words in turns:
        if size <= 0:
            return
        yield words[:size]
        size -= len(words)


def _shares(counts: Counter) -> dict[str, float]:
    total = counts.total()
    return {key: count / total for key, count in counts.most_common()}


def _lacking(of: Counter, other: Counter, most: int = 20) -> list[str]:
    """The words whose share falls most from one side to the other."""
    here, there = _shares(of), _shares(other)
    return sorted(here, key=lambda word: there.get(word, 0) - here[word])[:most]


def _histogram(values: np.ndarray) -> dict[str, list]:
    found, counts = np.unique(values, return_counts=True)
    return {"values": found.tolist(), "counts": counts.tolist()}


MODEL_JUDGE = Card(
    name="model_judge",
    title="A model's marks",
    family="dialogue",
    question="Does it hang together, does everybody keep to their part, does it end well?",
    low=1,
    high=5,
    good="high",
    cost="dear",
    matters=0.25,
    source="Zheng et al. 2023, LLM-as-a-judge",
)
"""How to read the marks a language model gives, which whoever holds the model's key asks it for."""

DIALOGUE_METRICS: dict[str, DialogueMetric] = {
    one.card.name: one
    for one in (
        plan_coverage,
        turns_per_dialogue,
        words_per_turn,
        vocabulary,
        openings,
        closings,
        sentiment,
        intent_shares,
        distinct_2,
        self_bleu,
        compression_ratio,
        near_duplicates,
        copied_turns,
        longest_shared_run,
        share_nearer_to_source,
        personal_data,
        dialogue_detector,
        intent_classifier,
    )
}

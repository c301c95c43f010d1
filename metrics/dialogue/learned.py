"""What classifiers say: can one tell the dialogues from real ones, and does one learn from them?"""

from __future__ import annotations

import numpy as np

from metrics.base import NotMeasurable, Score
from metrics.detail import Detail
from metrics.dialogue.base import Conversations, Texts
from metrics.dialogue.distances import vectorizer
from metrics.registry import metric
from metrics.tools.intervals import auc_interval, share_interval


class DetectorDetail(Detail):
    auc: float
    most_real: list[str]
    """Ids of the dialogues most like real ones."""
    least_real: list[str]
    """Ids of the dialogues easiest to tell from real ones."""
    gave_away: list[str]
    """Words that point to synthetic dialogues."""
    lacking: list[str]
    """Words that point to real ones."""


@metric(
    "Real or synthetic",
    "dialogue",
    "Can a classifier tell them from real dialogues?",
    0,
    1,
    "high",
    detail=DetectorDetail,
    place=170,
    needs=("holdout",),
    cost="medium",
    source="Lopez-Paz and Oquab 2017, classifier two-sample test",
)
def dialogue_detector(conversations: Conversations) -> Score:
    """Can a classifier tell them from real dialogues?

    The real ones are held out: no prompt showed them. 1: it cannot tell; 0: it always can. 1 - (2 AUC - 1), from
    five-fold cross-validated logistic regression on TF-IDF of words and pairs of words.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline

    size = min(len(conversations.synthetic), len(conversations.holdout), 2000)
    if size < 10:
        raise NotMeasurable(f"It takes 10 synthetic and 10 held-out dialogues to tell; there are {size}.")
    rng = np.random.default_rng(conversations.seed)
    real = [conversations.holdout.dialogues[at].text for at in rng.permutation(len(conversations.holdout))[:size]]
    drawn = [conversations.synthetic.dialogues[at] for at in rng.permutation(len(conversations.synthetic))[:size]]
    made = [dialogue.text for dialogue in drawn]
    truth = np.repeat([0, 1], size)
    folds = StratifiedKFold(5, shuffle=True, random_state=conversations.seed)
    learner = make_pipeline(vectorizer(), LogisticRegression(max_iter=1000))
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
        detail=DetectorDetail(
            auc=auc,
            most_real=likeness[:3],
            least_real=likeness[-3:][::-1],
            gave_away=names[order[-15:]][::-1].tolist(),
            lacking=names[order[:15]].tolist(),
        ),
    )


def _undetected(auc: float) -> float:
    return 1 - (2 * max(auc, 0.5) - 1)


@metric(
    "Intent classifier trained on synthetic dialogues",
    "dialogue",
    "Does a classifier trained on the synthetic dialogues recognise real customers' intents?",
    0,
    1,
    "high",
    place=180,
    needs=("holdout",),
    cost="medium",
    why="It is what such sets are used for.",
)
def intent_classifier(conversations: Conversations) -> Score:
    """Does a classifier trained on the synthetic dialogues recognise real customers' intents?

    Accuracy on held-out real dialogues.

    The reference is the same learner trained on as many real dialogues.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    made = _said(conversations.synthetic, "intent")
    held = [
        (text, intent)
        for text, intent in _said(conversations.holdout, conversations.intent)
        if intent in {what for _, what in made}
    ]
    real = [
        (text, intent)
        for text, intent in _said(conversations.source, conversations.intent)
        if intent in {what for _, what in made}
    ]
    if len({intent for _, intent in made}) < 2 or not held or len({intent for _, intent in real}) < 2:
        raise NotMeasurable("It takes two intents that stand in the synthetic and in the real dialogues.")
    order = np.random.default_rng(conversations.seed).permutation(len(real))[: len(made)]

    def accuracy(pairs: list[tuple[str, str]]) -> np.ndarray:
        if len({intent for _, intent in pairs}) < 2:
            raise NotMeasurable("As many real dialogues hold one intent only.")
        learner = make_pipeline(vectorizer(), LogisticRegression(max_iter=1000))
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

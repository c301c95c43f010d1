"""What the charts show of conversations: a row of features a dialogue, drawn like the columns of any table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from metrics.dialogue.base import Conversations, Texts, words_of
from metrics.views.columns import column_view
from synth.schema import Column, Schema
from synth.schema.casting import conform

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
        words = [words_of(turn.text) for turn in dialogue.turns]
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


def pictures(conversations: Conversations, most: int = 2000) -> list[dict[str, Any]]:
    """What `metrics.charts.column_figure` draws of these dialogues, one value a feature; at most `most` a side."""

    def some(texts: Texts | None) -> Texts | None:
        if texts is None or len(texts) <= most:
            return texts
        chosen = np.random.default_rng(conversations.seed).permutation(len(texts))[:most]
        return Texts([texts.dialogues[at] for at in chosen])

    source, holdout, synthetic = some(conversations.source), some(conversations.holdout), some(conversations.synthetic)
    real = features(source, conversations.intent)
    held = features(holdout, conversations.intent) if holdout else None
    made = features(synthetic)
    return [
        column_view(real, held, made, column)
        for column in feature_schema()
        if made[column.name].notna().any() and real[column.name].notna().any()
    ]

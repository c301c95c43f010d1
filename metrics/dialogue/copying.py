"""Do the dialogues copy the input: its turns, its wording, its personal data?"""

from __future__ import annotations

import numpy as np

from metrics.base import NotMeasurable, Score
from metrics.detail import Detail
from metrics.dialogue.base import Conversations, Texts, beside_holdout, need_turns
from metrics.dialogue.distances import Counted, histogram, vectorizer
from metrics.registry import metric
from metrics.tools.intervals import mean_interval, share_interval
from synth.conversations.dialogue import Dialogue
from synth.conversations.near_duplicates import WORD, WORDS, runs
from synth.conversations.phrases import Phrases
from synth.conversations.redact import personal_texts


class CopiedDetail(Detail):
    examples: list[str]
    """Copied turns, the longest first."""


class RunsDetail(Detail):
    lengths: Counted
    """The longest run of each dialogue, in words."""
    worst: str
    """Id of the dialogue with the longest."""


class PersonalDetail(Detail):
    of: int
    """Different personal data found in the input."""


@metric(
    "Turns copied from the input",
    "dialogue",
    "How many turns are copied word for word from the input?",
    0,
    1,
    "low",
    detail=CopiedDetail,
    place=130,
    needs=("holdout",),
)
def copied_turns(conversations: Conversations) -> Score:
    """How many turns are copied word for word from the input? Share of turns of five words or more.

    Shorter ones ("Thank you, bye") are everybody's. Held-out real dialogues repeat stock phrases too: that is the
    reference to compare with.
    """
    need_turns(conversations)
    known = {tuple(words) for words in conversations.source.words}

    def hits(texts: Texts) -> np.ndarray:
        return np.array([tuple(words) in known for words in texts.words if len(words) >= WORDS], dtype=float)

    made, held = hits(conversations.synthetic), hits(conversations.holdout)
    if not len(made) or not len(held):
        raise NotMeasurable("No turn is long enough to be called a copy.")
    texts = [
        text
        for text, words in zip(conversations.synthetic.turns, conversations.synthetic.words, strict=True)
        if len(words) >= WORDS
    ]
    copied = [text for text, hit in zip(texts, made, strict=True) if hit]
    return Score(
        value=float(made.mean()),
        reference=float(held.mean()),
        ci=share_interval(made.sum(), len(made)),
        detail=CopiedDetail(examples=sorted(set(copied), key=lambda text: (-len(text), text))[:20]),
    )


@metric(
    "Longest run shared with the input",
    "dialogue",
    "How many words in a row are copied from the input?",
    0,
    None,
    "low",
    detail=RunsDetail,
    place=140,
    needs=("holdout",),
)
def longest_shared_run(conversations: Conversations) -> Score:
    """How many words in a row are copied from the input?

    The 95th percentile over dialogues of the longest such run, in words.

    A run grows while each of its five-word windows stands somewhere in the input, so it may chain two places of it.
    """
    need_turns(conversations)
    known = {run for text in conversations.source.turns for run in runs(text)}

    def longest(texts: Texts) -> np.ndarray:
        return np.array([max((_longest(turn.text, known) for turn in d.turns), default=0) for d in texts.dialogues])

    made = longest(conversations.synthetic)
    return Score(
        value=float(np.quantile(made, 0.95)),
        reference=float(np.quantile(longest(conversations.holdout), 0.95)),
        detail=RunsDetail(lengths=histogram(made), worst=conversations.synthetic.dialogues[int(made.argmax())].id),
    )


def _longest(text: str, known: set) -> int:
    words = WORD.findall(text.casefold())
    best = row = 0
    for at in range(len(words) - WORDS + 1):
        row = row + 1 if tuple(words[at : at + WORDS]) in known else 0
        best = max(best, row)
    return best + WORDS - 1 if best else 0


@metric(
    "Closer to the input than to held-out dialogues",
    "dialogue",
    "Are the dialogues closer to those the model was shown than to held-out ones?",
    0,
    1,
    "reference",
    place=150,
    needs=("holdout",),
    cost="medium",
    source="The tables' share nearer to train, on TF-IDF vectors",
)
def share_nearer_to_source(conversations: Conversations) -> Score:
    """Are the dialogues closer to those the model was shown than to held-out ones?

    Share whose nearest real dialogue (cosine of TF-IDF) is one of the input rather than one held out, among equally
    many of both; ties count half. 0.5 is what no memory of the input gives.
    """
    need_turns(conversations)
    size = min(len(conversations.source), len(conversations.holdout), 5000)
    rng = np.random.default_rng(conversations.seed)
    source = [conversations.source.dialogues[at].text for at in rng.permutation(len(conversations.source))[:size]]
    held = [conversations.holdout.dialogues[at].text for at in rng.permutation(len(conversations.holdout))[:size]]
    vectors = vectorizer().fit([*source, *held])
    made = vectors.transform([dialogue.text for dialogue in conversations.synthetic.dialogues])
    to_source = (made @ vectors.transform(source).T).max(axis=1).toarray().ravel()
    to_held = (made @ vectors.transform(held).T).max(axis=1).toarray().ravel()
    nearer = np.where(np.isclose(to_source, to_held), 0.5, to_source > to_held)
    return Score(value=float(nearer.mean()), reference=0.5, ci=mean_interval(nearer))


@metric(
    "Personal data leaked",
    "dialogue",
    "How many e-mails, numbers and names of real people are in the output?",
    0,
    None,
    "low",
    detail=PersonalDetail,
    place=160,
)
def personal_data(conversations: Conversations) -> Score:
    """How many e-mails, numbers and names of real people are in the output? The number of different ones.

    What the input's personal data are is found by the patterns of `synth.conversations.redact`, limits included.
    Held-out dialogues share common first names with the input: that is the reference.
    """
    need_turns(conversations)
    private = {text for dialogue in conversations.source.dialogues for text in _private(dialogue)}

    phrases = Phrases(private)

    def through(texts: Texts) -> float:
        return float(len(phrases.standing_in(" \n ".join(texts.turns).casefold())))

    return beside_holdout(
        conversations,
        through,
        detail=PersonalDetail(of=len(private)),
        note="" if private else "None was found in the input.",
    )


def _private(dialogue: Dialogue) -> set[str]:
    """The texts that redacting replaces, but for the shortest."""
    return {text for text in personal_texts(dialogue) if len(text) >= WORDS}

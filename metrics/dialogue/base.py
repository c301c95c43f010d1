"""What a dialogue metric compares: synthetic conversations, the real ones shown to the model, and held-out ones.

Every measurement is also made on held-out real conversations: that is the benchmark beside each value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from metrics.base import Card, NotMeasurable, Score
from synth.conversations.dialogue import Dialogue
from synth.linear import within

_TOKEN = within(r"\w+(?:'\w+)?|[?!]")


def words_of(text: str) -> list[str]:
    """The lower-case words of a text; a question or exclamation mark counts as one."""
    return _TOKEN.findall(text.casefold())


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
        return [words_of(text) for text in self.turns]

    @cached_property
    def lengths(self) -> np.ndarray:
        """Turns of each dialogue."""
        return np.array([len(dialogue.turns) for dialogue in self.dialogues])

    def label(self, name: str) -> list[str]:
        return [dialogue.labels[name] for dialogue in self.dialogues if name in dialogue.labels]


@dataclass(frozen=True, eq=False)
class Conversations:
    """The conversations that a dialogue metric compares."""

    source: Texts
    """The real dialogues the model was shown."""
    holdout: Texts | None
    """Held-out real dialogues, which no prompt showed; None when none were held out."""
    synthetic: Texts
    asked: list[dict[str, str]] = field(default_factory=list)
    """The labels of each dialogue in the plan."""
    intent: str = "intent"
    """The label of the real dialogues that the synthetic ones carry as `intent`."""
    seed: int = 0

    def ready(self, card: Card) -> Conversations:
        """Itself, where there is a dialogue to score, and a holdout if the metric needs one."""
        if not len(self.synthetic):
            raise NotMeasurable("No dialogue was written.")
        if "holdout" in card.needs and not self.holdout:
            raise NotMeasurable("No real dialogues were held out, so there is no benchmark to compare with.")
        return self


def beside_holdout(conversations: Conversations, measure: Callable[[Texts], float], **more: Any) -> Score:
    """`measure` of the synthetic dialogues, beside that of held-out real ones; `more` are other fields of the score."""
    return Score(
        value=measure(conversations.synthetic),
        reference=measure(conversations.holdout) if conversations.holdout else None,
        **more,
    )


def need_turns(conversations: Conversations) -> None:
    """Raise NotMeasurable unless the input holds dialogues."""
    if not conversations.source.turns:
        raise NotMeasurable("The input holds no dialogues to compare with, only attributes or a description.")

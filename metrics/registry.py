"""The metrics there are, by name: each is added by the decorator above its function, and found where it is declared."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any, TypedDict, Unpack, get_args

from metrics.base import Card, Cost, Family, Good, Metric, S, Score, Tables
from metrics.detail import Detail
from synth.registry import Registry

FAMILIES: tuple[Family, ...] = get_args(Family)
PLUGINS = "understudy.metrics"
"""The group of entry points under which an installed distribution offers modules with metrics of its own."""


def _place(metric: Metric[Any]) -> tuple[int, float]:
    return FAMILIES.index(metric.card.family), metric.place


METRICS: Registry[Metric[Tables]] = Registry(
    "metric", "metrics.fidelity", "metrics.utility", "metrics.privacy", group=PLUGINS, place=_place, decorator="metric"
)
"""The metrics of tables."""
DIALOGUE_METRICS: Registry[Metric[Any]] = Registry(
    "dialogue metric", "metrics.dialogue", group=PLUGINS, place=_place, decorator="metric"
)
"""The metrics of conversations: those of the family `dialogue`."""


class CardFields(TypedDict, total=False):
    """What a card may say beyond what it must; see `Card`."""

    why: str
    cost: Cost
    needs: tuple[str, ...]
    source: str
    matters: float
    every_row: bool
    plain: str


def metric(
    title: str,
    family: Family,
    question: str,
    low: float | None,
    high: float | None,
    good: Good,
    *,
    detail: type[Detail] | None = None,
    place: float = inf,
    **more: Unpack[CardFields],
) -> Callable[[Callable[[S], Score]], Metric[S]]:
    """Make a metric of a function, and add it to its registry; the function's name is the metric's name.

    A function of `Tables` for the families fidelity, utility and privacy, of `Conversations` for dialogue. `detail`
    is the model of what its scores find beside their value (default: a dict of plain values), `place` where it
    stands among its family (default: last); `more` are the card's other fields.

        @metric("Mean income", "fidelity", "Is the mean income that of the real rows?", 0, 1, "high")
        def mean_income(tables: Tables) -> Score: ...
    """

    def make(measure: Callable[[S], Score]) -> Metric[S]:
        card = Card(
            name=measure.__name__, title=title, family=family, question=question, low=low, high=high, good=good, **more
        )
        made = Metric(card, measure, detail, place)
        (DIALOGUE_METRICS if family == "dialogue" else METRICS).add(card.name, made)
        return made

    return make

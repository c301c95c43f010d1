"""What can be tuned: the parameters that generators declare tunable, and what a search can aim for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field

from metrics import METRICS, Score
from metrics.verdict import FIGURES, figure
from synth import Model

if TYPE_CHECKING:
    import optuna


class Knob(BaseModel):
    """A parameter that can be searched, and where."""

    name: str
    choices: list[Any] = Field(description="Two numbers are the ends of a range; else the values to choose from.")
    integer: bool
    log: bool

    @property
    def is_range(self) -> bool:
        numbers = [value for value in self.choices if isinstance(value, int | float) and not isinstance(value, bool)]
        return len(self.choices) == 2 and len(numbers) == 2

    def suggest(self, trial: optuna.Trial) -> Any:
        if not self.is_range:
            return trial.suggest_categorical(self.name, self.choices)
        low, high = self.choices
        if self.integer:
            return trial.suggest_int(self.name, int(low), int(high), log=self.log)
        return trial.suggest_float(self.name, low, high, log=self.log)


TrialState = Literal["done", "pruned", "failed"]


class Trial(BaseModel):
    """One set of parameters that was tried."""

    number: int
    params: dict[str, Any]
    state: TrialState
    score: float | None = Field(description="The objective, measured on rows the trial did not learn.")
    seconds: float
    note: str = ""


def knobs(kind: type[Model]) -> dict[str, Knob]:
    """The parameters of a generator that declare where to search."""
    properties = kind.Params.model_json_schema().get("properties", {})
    return {
        name: Knob(
            name=name,
            choices=about["tune"],
            integer="integer" in [about.get("type"), *(kind.get("type") for kind in about.get("anyOf", []))],
            log=bool(about.get("log")),
        )
        for name, about in properties.items()
        if about.get("tune")
    }


def objectives() -> list[str]:
    """What can be tuned for: one of the three figures, or a single metric."""
    return [*FIGURES, *METRICS]


def metrics_of(objective: str) -> list[str]:
    if objective not in FIGURES:
        return [objective] if objective in METRICS else []
    return [name for name in FIGURES[objective] if name in METRICS]


def merit(objective: str, scores: dict[str, Score]) -> float | None:
    """How good the scores are, higher is better; None when the objective could not be measured."""
    if objective in FIGURES:
        return figure(objective, scores).value
    score = scores[objective]
    if score.value is None:
        return None
    good = METRICS[objective].card.good
    if good == "reference":
        return -abs(score.value - score.reference) if score.reference is not None else None
    return score.value if good == "high" else -score.value

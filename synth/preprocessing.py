"""What is learned from the real rows before a model is fitted, as steps that the model can refuse or pay for.

Every step says in words what it reads. An ordinary model lets all of them read the rows as they are; a private one
answers for every figure that is taken from real rows, so it is asked first (`Model.epsilon_for`).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import pandas as pd

from synth.columns.precision import Precision
from synth.columns.roles import Roles
from synth.constraints.enforcer import ConstraintEnforcer
from synth.errors import Invalid
from synth.generators.base import Model
from synth.params import Params
from synth.sampling.polish import Polish
from synth.sampling.preparation import Preparation
from synth.schema import Schema
from synth.schema.casting import conform


class Preprocessor(ABC):
    """A step before the fit."""

    name: ClassVar[str]
    reads: ClassVar[str]
    """What it learns from the real rows, in words; empty: nothing, so that no model is asked."""
    within_budget: ClassVar[bool] = False
    """Whether it can learn within a finite epsilon; the others learn exactly or not at all."""

    @abstractmethod
    def learn(self, table: pd.DataFrame, preparation: Preparation, epsilon: float) -> None:
        """Add to `preparation` what `table` (which conforms to its schema) tells; at most `epsilon` may be spent."""


class LearnRoles(Preprocessor):
    """How ids, personal data, text and constant columns look, so that others can be made."""

    name = "the look of ids and personal data"
    reads = "patterns, lengths and shares of missing values, and the value of constant columns"

    def learn(self, table: pd.DataFrame, preparation: Preparation, epsilon: float) -> None:
        preparation.roles = Roles.learn(table, preparation.schema)


class LearnPrecision(Preprocessor):
    """The digits and the reach of numbers and dates."""

    name = "the precision of numbers"
    reads = "the digits of each column of numbers or dates, and how far it reaches but for its outermost rows"

    def learn(self, table: pd.DataFrame, preparation: Preparation, epsilon: float) -> None:
        preparation.precisions = _precisions(table, preparation.modelled)


class LearnRules(Preprocessor):
    """What keeping the rules takes: gaps between columns in order, values seen together."""

    name = "rules between columns"
    reads = "which dates are always in order, which values come together in two rows or more, and gaps between columns"

    def learn(self, table: pd.DataFrame, preparation: Preparation, epsilon: float) -> None:
        modelled = preparation.modelled
        preparation.enforcer = ConstraintEnforcer.learn(table, preparation.schema, modelled, preparation.precisions)
        gaps = Schema(columns=preparation.encoded.columns[len(modelled) :])
        encoded = conform(preparation.enforcer.encode(table[modelled.names]), gaps)
        preparation.precisions |= _precisions(encoded, gaps)


class LearnPolish(Preprocessor):
    """Shares of the rows by one and two columns, which polished rows come close to."""

    name = "polish"
    reads = "how many rows lie in each cell of one column or two, ten rows or more"

    def learn(self, table: pd.DataFrame, preparation: Preparation, epsilon: float) -> None:
        if len(preparation.modelled):
            preparation.polish = Polish.learn(table, preparation.modelled)


def usual_steps(params: Params) -> list[Preprocessor]:
    """The steps of a generator with these parameters, in their order."""
    return [LearnRoles(), LearnPrecision(), LearnRules(), *([LearnPolish()] if params.polish else [])]


def prepare(table: pd.DataFrame, schema: Schema, model: Model, steps: Sequence[Preprocessor]) -> Preparation:
    """Run the steps on `table`, which conforms to `schema`. Raises Invalid when the model refuses one."""
    preparation = Preparation(schema, len(table))
    for step in steps:
        epsilon = model.epsilon_for(step.name, step.reads) if step.reads else math.inf
        if epsilon < math.inf and not step.within_budget:
            raise Invalid(
                f"{model.title} would spend an epsilon of {epsilon:g} on {step.name}, but that step can only learn "
                f"{step.reads} exactly. Leave the step out, or use one that adds noise."
            )
        step.learn(table, preparation, epsilon)
    return preparation


def _precisions(table: pd.DataFrame, schema: Schema) -> dict[str, Precision]:
    numeric = schema.having(kinds=("number", "integer", "datetime"))
    return {name: Precision.learn(table[name], schema[name]) for name in numeric}

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

from synth.columns.cells import MixedColumns
from synth.columns.precision import Precision
from synth.columns.rare import level_counts, protected, protections
from synth.columns.roles import Roles
from synth.constraints.enforcer import ConstraintEnforcer
from synth.errors import Invalid
from synth.generators.base import Model
from synth.params import Params
from synth.sampling.classes import SmallClasses, small_classes
from synth.sampling.polish import Polish
from synth.sampling.preparation import Preparation
from synth.schema import Schema
from synth.schema.casting import conform
from synth.schema.rules import Combination


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

    def handed_on(self, table: pd.DataFrame, preparation: Preparation) -> pd.DataFrame:
        """What later steps and the model see of `table`, once this step has learned it: all of it, unless it says so."""
        return table


class ProtectRareLevels(Preprocessor):
    """No later step and no model sees a level that could point at one person."""

    name = "rare levels"
    reads = "how many rows hold each level of a category, and which rows are most alike"

    def __init__(self, below: int | None = None):
        self.below = below
        """As `synth.columns.rare.protections` has it."""

    def learn(self, table: pd.DataFrame, preparation: Preparation, epsilon: float) -> None:
        counts = level_counts(table, preparation.schema.modelled)
        preparation.protections = protections(preparation.schema, counts, self.below)

    def handed_on(self, table: pd.DataFrame, preparation: Preparation) -> pd.DataFrame:
        schema = preparation.schema.modelled
        groups = [rule.columns for rule in preparation.schema.rules if isinstance(rule, Combination)]
        groups = [group for group in groups if set(group) <= set(schema.names)]
        kept = protected(table[schema.names], schema, preparation.protections, groups, preparation.seed)
        return table.assign(**{name: kept[name] for name in schema.names})


class LearnForms(Preprocessor):
    """The forms in which the cells of a column are written, where there are several."""

    name = "the written forms of cells"
    reads = "the forms that five rows or more have, and quantiles of the values written in each"

    def learn(self, table: pd.DataFrame, preparation: Preparation, epsilon: float) -> None:
        preparation.mixed = MixedColumns.learn(table, preparation.schema)
        preparation.schema = preparation.mixed.expanded(preparation.schema)

    def handed_on(self, table: pd.DataFrame, preparation: Preparation) -> pd.DataFrame:
        return conform(preparation.mixed.encode(table), preparation.schema)


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


class LearnSmallClasses(Preprocessor):
    """A model for each small class of the target or of a column of two values, so that it keeps its signal."""

    name = "small classes"
    reads = "the rows of every class that few rows are of, five or more, by a model of their own"

    def __init__(self, least: int | None = None):
        self.least = least
        """Rows that share a leaf, at least, where somebody says so."""

    def learn(self, table: pd.DataFrame, preparation: Preparation, epsilon: float) -> None:
        modelled = preparation.modelled
        if small_classes(table[modelled.names], modelled):
            encoded = conform(preparation.enforcer.encode(table[modelled.names]), preparation.encoded)
            preparation.classes = SmallClasses.learn(encoded, preparation.encoded, preparation.seed, self.least)


class LearnPolish(Preprocessor):
    """Shares of the rows by one and two columns, which polished rows come close to."""

    name = "polish"
    reads = "how many rows lie in each cell of one column or two, ten rows or more"

    def learn(self, table: pd.DataFrame, preparation: Preparation, epsilon: float) -> None:
        if len(preparation.modelled):
            preparation.polish = Polish.learn(table, preparation.modelled)


def usual_steps(params: Params) -> list[Preprocessor]:
    """The steps of a generator with these parameters, in their order."""
    steps: list[Preprocessor] = [LearnForms(), ProtectRareLevels(params.rare_below), LearnRoles()]
    steps += [LearnPrecision(), LearnRules()]
    steps.append(LearnSmallClasses(getattr(params, "min_leaf", None)))
    return [*steps, LearnPolish()] if params.polish else steps


def prepare(
    table: pd.DataFrame, schema: Schema, model: Model, steps: Sequence[Preprocessor]
) -> tuple[Preparation, pd.DataFrame]:
    """Run the steps on `table`, which conforms to `schema`; what they learned, and what the model may see of the table.

    Raises Invalid when the model refuses a step.
    """
    preparation = Preparation(schema, len(table), model.seed)
    for step in steps:
        epsilon = model.epsilon_for(step.name, step.reads) if step.reads else math.inf
        if epsilon < math.inf and not step.within_budget:
            raise Invalid(
                f"{model.title} would spend an epsilon of {epsilon:g} on {step.name}, but that step can only learn "
                f"{step.reads} exactly. Leave the step out, or use one that adds noise."
            )
        step.learn(table, preparation, epsilon)
        table = step.handed_on(table, preparation)
    return preparation, table


def _precisions(table: pd.DataFrame, schema: Schema) -> dict[str, Precision]:
    numeric = schema.having(kinds=("number", "integer", "datetime"))
    return {name: Precision.learn(table[name], schema[name]) for name in numeric}

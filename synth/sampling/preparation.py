"""What is learned of a table before the model learns it, and used again around every draw."""

from __future__ import annotations

from dataclasses import dataclass, field

from synth.columns.cells import MixedColumns
from synth.columns.precision import Precision
from synth.columns.rare import Protection
from synth.columns.roles import Roles
from synth.constraints.enforcer import ConstraintEnforcer
from synth.sampling.classes import SmallClasses
from synth.sampling.polish import Polish
from synth.schema import Schema


@dataclass
class Preparation:
    """The parts of a synthesizer that are not its model; `synth.preprocessing` fills them in, step by step."""

    schema: Schema
    """Of the table with the forms and values of mixed columns in the place of their cells."""
    rows_seen: int
    seed: int = 0
    """For what is learned at random; the model's own."""
    protections: list[Protection] = field(default_factory=list)
    """What was done about the rare levels of each column."""
    mixed: MixedColumns = field(default_factory=MixedColumns)
    roles: Roles = field(default_factory=Roles)
    precisions: dict[str, Precision] = field(default_factory=dict)
    """Of each numeric and datetime column that the model learns."""
    enforcer: ConstraintEnforcer = field(default_factory=ConstraintEnforcer)
    classes: SmallClasses = field(default_factory=SmallClasses)
    polish: Polish | None = None

    @property
    def modelled(self) -> Schema:
        """The table's columns that are drawn from the model: features and target with something to learn."""
        return Schema(columns=[column for column in self.schema.modelled if column.name not in self.roles.made])

    @property
    def encoded(self) -> Schema:
        """The columns that the model sees: those modelled, and the gaps that rules have it learn."""
        return self.enforcer.encoded_schema(self.modelled)

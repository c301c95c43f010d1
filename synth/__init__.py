"""Synthetic tables: a schema, a synthesizer that learns a table, and the rows that it draws.

What is named here is imported when it is first used, so that whoever needs a schema does not wait for the generators.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synth.constraints.discovery import suggest_rules
    from synth.errors import Invalid
    from synth.generators.base import GENERATORS, Model, generator
    from synth.params import Params, knob
    from synth.report import Report, Stopped, quiet
    from synth.sampling.conditions import Conditions, Unmet
    from synth.schema import Column, Schema
    from synth.schema.casting import conform
    from synth.synthesizer import Synthesizer

HOMES = {
    "Column": "synth.schema",
    "Conditions": "synth.sampling.conditions",
    "GENERATORS": "synth.generators.base",
    "Invalid": "synth.errors",
    "Model": "synth.generators.base",
    "Params": "synth.params",
    "Report": "synth.report",
    "Schema": "synth.schema",
    "Stopped": "synth.report",
    "Synthesizer": "synth.synthesizer",
    "Unmet": "synth.sampling.conditions",
    "conform": "synth.schema.casting",
    "generator": "synth.generators.base",
    "knob": "synth.params",
    "quiet": "synth.report",
    "suggest_rules": "synth.constraints.discovery",
}
"""Where each public name is declared."""

__all__ = [
    "GENERATORS",
    "Column",
    "Conditions",
    "Invalid",
    "Model",
    "Params",
    "Report",
    "Schema",
    "Stopped",
    "Synthesizer",
    "Unmet",
    "conform",
    "generator",
    "knob",
    "quiet",
    "suggest_rules",
]


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(HOMES[name]), name)

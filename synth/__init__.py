"""Synthetic tables: a schema, a generator that learns a table, and the rows that it draws.

What is named here is imported when it is first used, so that whoever needs a schema does not wait for the generators.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synth.constraints.discovery import suggest_rules
    from synth.generators import GENERATORS
    from synth.generators.base import Generator, Params, Report, Stopped, quiet
    from synth.sampling.conditions import Conditions, Unmet
    from synth.schema import Column, Schema
    from synth.schema.casting import conform

HOMES = {
    "GENERATORS": "synth.generators",
    "Column": "synth.schema",
    "Conditions": "synth.sampling.conditions",
    "Generator": "synth.generators.base",
    "Params": "synth.generators.base",
    "Report": "synth.generators.base",
    "Schema": "synth.schema",
    "Stopped": "synth.generators.base",
    "Unmet": "synth.sampling.conditions",
    "conform": "synth.schema.casting",
    "quiet": "synth.generators.base",
    "suggest_rules": "synth.constraints.discovery",
}
"""Where each public name is declared."""

__all__ = [
    "GENERATORS",
    "Column",
    "Conditions",
    "Generator",
    "Params",
    "Report",
    "Schema",
    "Stopped",
    "Unmet",
    "conform",
    "quiet",
    "suggest_rules",
]


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(HOMES[name]), name)

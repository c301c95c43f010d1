"""What a table is said to be: its columns and rules, as plain data that is quick to import."""

from synth.schema.kinds import Column
from synth.schema.schema import Schema

__all__ = ["Column", "Schema"]

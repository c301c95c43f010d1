"""A real metric that fails. A plugin of the one test that asks for it."""

from __future__ import annotations

from metrics import Score, Tables, metric


@metric("Broken", "fidelity", "Does a metric that fails take the table with it?", 0, 1, "high")
def broken(tables: Tables) -> Score:
    """Fails."""
    return Score(value=1 / 0)

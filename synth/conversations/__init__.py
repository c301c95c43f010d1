"""Conversations: from an analyst's files, or a description, to a labelled set of new dialogues.

What is named here is imported when it is first used: whoever reads a stored request waits for no library.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synth.conversations.dialogue import Dialogue, Turn
    from synth.conversations.egress import Egress, ServerError
    from synth.conversations.layouts import Shape, detect_shape, read_dialogues
    from synth.conversations.planning import Brief, Plan, brief_from, plan
    from synth.conversations.server import Price, Server
    from synth.conversations.writer import Outcome, read_written
    from synth.conversations.writing import estimate, write

HOMES = {
    "synth.conversations.dialogue": ("Dialogue", "Turn"),
    "synth.conversations.layouts": ("Shape", "detect_shape", "read_dialogues"),
    "synth.conversations.planning": ("Brief", "Plan", "brief_from", "plan"),
    "synth.conversations.egress": ("Egress", "ServerError"),
    "synth.conversations.server": ("Price", "Server"),
    "synth.conversations.writer": ("Outcome", "read_written"),
    "synth.conversations.writing": ("estimate", "write"),
}
"""Where each public name is declared."""

__all__ = [
    "Brief",
    "Dialogue",
    "Egress",
    "Outcome",
    "Plan",
    "Price",
    "Server",
    "ServerError",
    "Shape",
    "Turn",
    "brief_from",
    "detect_shape",
    "estimate",
    "plan",
    "read_dialogues",
    "read_written",
    "write",
]


def __getattr__(name: str) -> Any:
    home = next((home for home, names in HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)

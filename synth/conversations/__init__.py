"""Conversations: from an analyst's files, or a description, to a labelled set of new dialogues."""

from synth.conversations.dialogue import Dialogue, Turn
from synth.conversations.layouts import Shape, detect_shape, read_dialogues
from synth.conversations.plan import Brief, Plan, brief_from, plan
from synth.conversations.server import Price, Server, ServerError
from synth.conversations.write import Outcome, estimate, read_written, write

__all__ = [
    "Brief",
    "Dialogue",
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

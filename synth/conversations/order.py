"""A request for a set of conversations."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from synth.conversations.layouts import Shape
from synth.conversations.planning import Brief
from synth.conversations.server import Server


class ConversationRequest(BaseModel):
    """Everything a set is written from, except the API key."""

    model_config = ConfigDict(extra="forbid")

    brief: Brief
    server: Server
    local: bool = False
    """Write with the small model on this machine, started for the job."""
    shape: Shape | None = None
    intent: str | None = None
    """The label of the real dialogues that the brief's intents are values of."""
    budget: float | None = None
    """US dollars that may be spent; None: no limit."""
    batch: bool = False
    """Use OpenAI's Batch API: half the price, answers within a day."""
    judged: int = Field(0, ge=0, le=1000)
    """How many dialogues, synthetic and real, the model itself rates; 0: none."""
    metrics: list[str] | None = None

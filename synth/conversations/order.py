"""What is ordered when a set of conversations shall be written."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from synth.conversations import Brief, Server, Shape


class ConversationRequest(BaseModel):
    """What was ordered: everything a set is written from, but for the key."""

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
    """Through OpenAI's batch interface: half the price, within a day."""
    judged: int = Field(0, ge=0, le=1000)
    """How many dialogues of each side the model itself shall judge; 0: none."""
    metrics: list[str] | None = None

"""A request for a set of conversations."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from synth.conversations.layouts import Shape
from synth.conversations.planning import Brief
from synth.conversations.server import Server
from synth.strict import StrictNumbers


class ConversationRequest(StrictNumbers):
    """Everything a set is written from, except the API key."""

    model_config = ConfigDict(extra="forbid")

    brief: Brief = Field(description="What to write.", examples=[{"kind": "support", "dialogues": 20}])
    server: Server = Field(description="The model that writes.", examples=[{"model": "gpt-4o-mini"}])
    local: bool = Field(
        False, description="Write with the small model on this machine, started for the job.", examples=[False]
    )
    shape: Shape | None = Field(
        None,
        description="How the table holds conversations; unset: detected.",
        examples=[{"form": "turns", "id": "conversation_id", "role": "speaker", "text": "message"}],
    )
    intent: str | None = Field(
        None, description="The label of the real dialogues that the brief's intents are values of.", examples=["intent"]
    )
    budget: float | None = Field(None, description="US dollars that may be spent; unset: no limit.", examples=[5])
    batch: bool = Field(
        False, description="Use OpenAI's Batch API: half the price, answers within a day.", examples=[False]
    )
    judged: int = Field(
        0,
        ge=0,
        le=1000,
        description="How many dialogues, synthetic and real, the model itself rates; 0: none.",
        examples=[0],
    )
    metrics: list[str] | None = Field(
        None,
        description="Names of the dialogue metrics to compute; unset: all. `GET /metrics` lists them.",
        examples=[["words_per_turn"]],
    )

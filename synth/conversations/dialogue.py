"""A conversation, whatever file it came from."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Turn(BaseModel):
    """One turn: who speaks, and what is said."""

    model_config = ConfigDict(extra="forbid")

    role: str
    text: str


class Dialogue(BaseModel):
    """One conversation: its turns in order, and its labels."""

    model_config = ConfigDict(extra="forbid")

    id: str
    turns: list[Turn]
    labels: dict[str, str] = Field(default_factory=dict, description="Intent, outcome, product, ... by column name.")

    @property
    def text(self) -> str:
        """The conversation as a reader sees it, a line a turn."""
        return "\n".join(f"{turn.role}: {turn.text}" for turn in self.turns)

    @property
    def alternates(self) -> bool:
        """Whether no role speaks twice in a row."""
        return all(one.role != other.role for one, other in zip(self.turns, self.turns[1:], strict=False))

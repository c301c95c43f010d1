"""LLM-as-a-judge: is a dialogue coherent, does everybody stay in their role, is the matter resolved?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from synth.conversations.dialogue import Dialogue
from synth.conversations.egress import ANYWHERE, Egress
from synth.conversations.redact import redact
from synth.conversations.server import Client, Server
from synth.report import Report, quiet

RUBRIC = {
    "coherence": "5: every turn follows from those before it. 3: one turn does not. 1: it makes no sense.",
    "roles": "5: everybody speaks as their part would. 3: one slip. 1: the parts are mixed up.",
    "resolution": "5: the matter is settled or passed on as it should be. 3: half settled. 1: it is forgotten.",
}
ASK = (
    "You judge conversations. Give whole marks from 1 to 5 for each of these, and nothing else, as a JSON object with "
    "the keys {keys}.\n{rubric}"
)


class Marks(BaseModel):
    """The judge's ratings of one dialogue, each from 1 to 5; see `RUBRIC`."""

    model_config = ConfigDict(extra="ignore")

    coherence: int = Field(ge=1, le=5)
    roles: int = Field(ge=1, le=5)
    resolution: int = Field(ge=1, le=5)

    @property
    def mean(self) -> float:
        return (self.coherence + self.roles + self.resolution) / 3


def give_marks(
    dialogues: Sequence[Dialogue], server: Server, report: Report = quiet, egress: Egress = ANYWHERE
) -> list[Marks | None]:
    """The ratings of each dialogue, redacted before it is sent; None where the answer could not be read.

    Raises ServerError when the server cannot be used.
    """
    return asyncio.run(_all(dialogues, Client(server, egress), report))


async def _all(dialogues: Sequence[Dialogue], client: Client, report: Report) -> list[Marks | None]:
    turn, done = asyncio.Semaphore(client.server.at_once), 0

    async def one(at: int, dialogue: Dialogue) -> Marks | None:
        nonlocal done
        async with turn:
            asked = messages(dialogue)
            answer = await client.ask(asked, Marks.model_json_schema(), temperature=0, max_tokens=60, key=f"judge-{at}")
        done += 1
        report(done / len(dialogues), f"{done} of {len(dialogues)} dialogues read by the model")
        start, end = answer.text.find("{"), answer.text.rfind("}")
        try:
            return Marks.model_validate_json(answer.text[start : end + 1])
        except ValidationError:
            return None

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(at, dialogue)) for at, dialogue in enumerate(dialogues)]
    except* ValueError as errors:
        raise errors.exceptions[0] from None
    finally:
        await client.close()
    return [task.result() for task in tasks]


def messages(dialogue: Dialogue) -> list[dict[str, str]]:
    """The prompt for the judge."""
    rubric = "\n".join(f"{name}: {text}" for name, text in RUBRIC.items())
    return [
        {"role": "system", "content": ASK.format(keys=", ".join(RUBRIC), rubric=rubric)},
        {"role": "user", "content": redact(dialogue).text},
    ]

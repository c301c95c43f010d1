"""Write a set of dialogues, and estimate beforehand what it will take."""

from __future__ import annotations

import asyncio
from pathlib import Path

from pydantic import BaseModel

from synth.conversations.batch import BatchWriter
from synth.conversations.dialogue import Dialogue
from synth.conversations.egress import ANYWHERE, Egress
from synth.conversations.planning import Brief, plan
from synth.conversations.server import Server, tokens_in
from synth.conversations.writer import TOKENS_A_TURN, Assignment, Outcome, Writer, prompts
from synth.report import Report, quiet


class Estimate(BaseModel):
    """Requests, tokens and cost of a set, before anything is sent."""

    requests: int
    input_tokens: int
    output_tokens: int
    dollars: float


def estimate(brief: Brief, source: list[Dialogue], server: Server, intent: str | None = None) -> Estimate:
    """Tokens and cost of the whole set, from the prompts of up to 50 of its dialogues."""
    plans = plan(brief, source, intent=intent)
    make = prompts(brief, source)
    some = plans[:50]
    each = sum(tokens_in(make(item)) for item in some) / len(some)
    given = round(each * len(plans))
    made = sum(item.turns for item in plans) * TOKENS_A_TURN
    return Estimate(
        requests=len(plans),
        input_tokens=given,
        output_tokens=made,
        dollars=(given * server.price.input + made * server.price.output) / 1e6,
    )


def write(
    brief: Brief,
    source: list[Dialogue],
    server: Server,
    file: Path,
    *,
    intent: str | None = None,
    budget: float | None = None,
    batch: bool = False,
    egress: Egress = ANYWHERE,
    report: Report = quiet,
) -> Outcome:
    """Write the brief's dialogues into `file`, one JSON line each, and resume where an earlier call stopped.

    `budget` is in US dollars and ends the job before a request that could exceed it. `batch` uses OpenAI's Batch API:
    half the price, answers within a day. `egress` says which servers may be reached. Finished dialogues stay in the file whatever happens. Raises Stopped when
    cancelled, ServerError when the server cannot be used.
    """
    writer = BatchWriter if batch else Writer
    return asyncio.run(writer(Assignment(brief, source, server, Path(file), intent, budget, egress), report).run())

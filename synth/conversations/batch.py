"""Writing through OpenAI's Batch API: half the price, answers within a day, nothing sent twice after a crash."""

from __future__ import annotations

import asyncio
from typing import Any

from synth.conversations.planning import Plan
from synth.conversations.prompts import answer_schema
from synth.conversations.server import Client, answer_in, response_format
from synth.conversations.writer import TRIES, Writer, longest

DISCOUNT = 0.5
"""The share of the normal price that batch requests cost."""


class BatchWriter(Writer):
    """Writes one set in batches: the first asks for everything, each later one for what could not be used."""

    def _price(self, given: int, made: int) -> float:
        return DISCOUNT * super()._price(given, made)

    async def _all(self, client: Client, left: list[Plan]) -> None:
        plans = {item.index: item for item in left}
        again: set[int] = set()
        note = self.file.with_suffix(".batch")
        for _ in range(TRIES):
            if not plans or self.outcome.stopped:
                return
            # The id is saved before waiting: after a crash the answers already paid for are fetched.
            if not note.exists():
                affordable = self._affordable(list(plans.values()), again)
                if not affordable:
                    return
                note.write_text(
                    await client.send_batch([self._request(item, item.index in again) for item in affordable])
                )
            for name, body in (await self._answers(client, note.read_text(), len(plans))).items():
                item = plans.get(int(name))
                if item is None:
                    continue
                written, near = self._take(answer_in(body, self.prompt(item, item.index in again)), item)
                if written:
                    del plans[item.index]
                elif near:
                    again.add(item.index)
            note.unlink()

    async def _answers(self, client: Client, batch_id: str, asked: int) -> dict[str, Any]:
        """The answers of a batch, by request, once it has ended."""
        while True:
            done, answers = await client.batch(batch_id)
            if answers is not None:
                return answers
            written = self.outcome.written
            self.report(written / self.outcome.asked, f"{done} of {asked} answered in the batch; it may take a day")
            await asyncio.sleep(self.server.poll_s)

    def _affordable(self, plans: list[Plan], again: set[int]) -> list[Plan]:
        """The plans that the budget covers."""
        covered = []
        for item in plans:
            most = self._most(self.prompt(item, item.index in again), item)
            if not self._affords(most):
                break
            self.reserved += most
            covered.append(item)
        self.reserved = 0.0
        return covered

    def _request(self, item: Plan, again: bool) -> dict[str, Any]:
        # Batches run at OpenAI itself, which enforces schemas.
        form = response_format("json_schema", answer_schema(self.brief, item.turns))
        body = {
            "model": self.server.model,
            "messages": self.prompt(item, again),
            "temperature": self.brief.temperature,
            "max_tokens": longest(item),
            **form,
        }
        return {"custom_id": str(item.index), "body": body}

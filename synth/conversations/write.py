"""Writing a set of dialogues: planned first, asked for side by side, saved one by one, resumed where it stopped."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel

from synth.conversations.dialogue import Dialogue
from synth.conversations.near_duplicates import LIMIT, Near, overlap
from synth.conversations.plan import Brief, Plan, plan
from synth.conversations.prompts import Unusable, answer_schema, fingerprint, messages, read_answer
from synth.conversations.redact import redact
from synth.conversations.server import Answer, Client, Server, tokens_in
from synth.report import Report, quiet

TRIES = 5
"""How often one dialogue is asked for before it is given up: unusable answers and near-duplicates count."""

TOKENS_A_TURN = 60
"""Output tokens to expect of a turn, before any was written."""


class Written(BaseModel):
    """A line of the file: a dialogue, or what a try that gave none cost."""

    index: int
    dialogue: Dialogue | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    problem: str = ""
    rejected: bool = False
    """Taken out by the analyst, and not to be written again."""


@dataclass
class Outcome:
    """What came of it."""

    asked: int
    written: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    dollars: float = 0.0
    problems: dict[str, int] = field(default_factory=dict)
    stopped: str = ""
    """Why there are fewer dialogues than asked for; empty when there are not."""


class Estimate(BaseModel):
    """What a set will take, before anything is sent."""

    requests: int
    input_tokens: int
    output_tokens: int
    dollars: float


def prompts(brief: Brief, source: list[Dialogue], intent: str | None = None) -> Callable[[Plan, bool], list[dict]]:
    """How each plan's messages are made: with its examples, personal data replaced."""
    by_id = {dialogue.id: dialogue for dialogue in source}
    clean: dict[str, Dialogue] = {}

    def make(item: Plan, again: bool = False) -> list[dict]:
        for name in item.examples:
            if name not in clean:
                clean[name] = redact(by_id[name])
        return messages(brief, item, [clean[name] for name in item.examples], again=again)

    return make


def estimate(brief: Brief, source: list[Dialogue], server: Server, intent: str | None = None) -> Estimate:
    """Tokens and cost of the whole set, from the prompts of up to 50 of its dialogues."""
    plans = plan(brief, source, intent=intent)
    make = prompts(brief, source, intent)
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
    report: Report = quiet,
) -> Outcome:
    """Write the brief's dialogues into `file`, a JSON line each, and go on where an earlier call stopped.

    `budget` is in US dollars and ends the job before a request that could pass it. `batch` sends them through
    OpenAI's batch interface, at half the price and within a day. What was finished stays in the file whatever
    happens. Raises Stopped when cancelled, ServerError when nothing can be had from the server.
    """
    from synth.conversations.batch import Batched

    kind = Batched if batch else Writing
    return asyncio.run(kind(brief, source, server, Path(file), intent, budget, report).run())


def longest(item: Plan) -> int:
    """Output tokens that one dialogue may take at most."""
    return max(256, item.turns * TOKENS_A_TURN * 4)


def read_written(file: Path) -> list[Written]:
    """The lines of a set's file; a last line cut off by a crash is left out."""
    if not Path(file).exists():
        return []
    lines = Path(file).read_bytes().split(b"\n")
    return [Written.model_validate_json(line, extra="ignore") for line in lines[:-1] if line]


class Writing:
    """One set under way: requests side by side, each answer judged and saved as it comes."""

    def __init__(self, brief, source, server, file, intent, budget, report):
        self.brief, self.server, self.file, self.budget, self.report = brief, server, file, budget, report
        self.plans = plan(brief, source, intent=intent)
        self.prompt = prompts(brief, source, intent)
        self.near = Near()
        self.outcome = Outcome(asked=len(self.plans))
        self.reserved = 0.0
        # The same try has the same key after a crash, so that a server which knows it does not charge twice.
        self.key = fingerprint(brief)
        self.tried: Counter[int] = Counter()
        self.shown = {dialogue.id: dialogue for dialogue in source}

    async def run(self) -> Outcome:
        done = self._resume()
        left = [item for item in self.plans if item.index not in done]
        client = Client(self.server)
        try:
            with self.file.open("ab") as self.lines:
                await self._all(client, left)
        finally:
            await client.close()
        missing = self.outcome.asked - self.outcome.written
        if missing and not self.outcome.stopped:
            often = max(self.outcome.problems, key=self.outcome.problems.get, default="no answer could be used")
            self.outcome.stopped = f"{missing} could not be written in {TRIES} tries each; most often: {often}."
        return self.outcome

    async def _all(self, client: Client, left: list[Plan]) -> None:
        """Ask for each of the dialogues that are left, several at once."""
        self.queue = iter(left)
        workers = [asyncio.create_task(self._work(client)) for _ in range(min(self.server.at_once, len(left)))]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            os.fsync(self.lines.fileno())

    def _resume(self) -> set[int]:
        """Take over what an earlier call finished and paid; returns the finished indexes."""
        lines = read_written(self.file)
        self.file.parent.mkdir(parents=True, exist_ok=True)
        whole = b"".join(line.model_dump_json().encode() + b"\n" for line in lines)
        if self.file.exists() and self.file.stat().st_size != len(whole):
            # A crash in the middle of a line; what follows must start on a new one.
            partial = self.file.with_suffix(".partial")
            partial.write_bytes(whole)
            partial.replace(self.file)
        for line in lines:
            self._count(line)
            self.tried[line.index] += 1
            if line.dialogue is not None:
                self.near.add(line.dialogue.id, line.dialogue.text)
        return {line.index for line in lines if line.dialogue is not None}

    def _count(self, line: Written) -> None:
        self.outcome.input_tokens += line.input_tokens
        self.outcome.output_tokens += line.output_tokens
        self.outcome.dollars += self._price(line.input_tokens, line.output_tokens)
        if line.dialogue is not None:
            self.outcome.written += 1
        elif line.problem:
            self.outcome.problems[line.problem] = self.outcome.problems.get(line.problem, 0) + 1

    def _price(self, given: int, made: int) -> float:
        return (given * self.server.price.input + made * self.server.price.output) / 1e6

    async def _work(self, client: Client) -> None:
        for item in self.queue:
            await self._one(client, item)
            if self.outcome.stopped:
                return

    async def _one(self, client: Client, item: Plan) -> None:
        """Ask for one dialogue until it is usable and new."""
        schema = answer_schema(self.brief, item.turns)
        again = False
        for attempt in range(self.tried[item.index], self.tried[item.index] + TRIES):
            asked = self.prompt(item, again)
            most = self._most(asked, item)
            if not self._affords(most):
                return
            self.reserved += most
            try:
                answer = await client.ask(
                    asked,
                    schema,
                    temperature=self.brief.temperature,
                    max_tokens=longest(item),
                    key=f"{self.key}-{item.index}-{attempt}",
                )
            finally:
                self.reserved -= most
            written, again = self._take(answer, item)
            if written:
                return

    def _most(self, asked: list[dict[str, str]], item: Plan) -> float:
        """What one request can cost at most, in dollars."""
        return self._price(tokens_in(asked), longest(item))

    def _affords(self, dollars: float) -> bool:
        """Whether the budget covers that much more; if not, says so in the outcome."""
        if self.budget is None or self.outcome.dollars + self.reserved + dollars <= self.budget:
            return True
        self.outcome.stopped = (
            f"The budget of ${self.budget:.2f} would not cover the next request "
            f"(${self.outcome.dollars:.4f} spent). Raise it and resume to go on."
        )
        return False

    def _take(self, answer: Answer, item: Plan) -> tuple[bool, bool]:
        """Save what an answer holds. Returns whether it is a dialogue, and whether it was too near another."""
        dialogue, problem, again = self._judge(answer, item)
        self._save(
            Written(
                index=item.index,
                dialogue=dialogue,
                input_tokens=answer.input_tokens,
                output_tokens=answer.output_tokens,
                problem=problem,
            )
        )
        return dialogue is not None, again

    def _judge(self, answer: Answer, item: Plan) -> tuple[Dialogue | None, str, bool]:
        """The dialogue in the answer, or what is wrong with it and whether it was too near another."""
        if answer.refusal:
            return None, "the model refused", False
        try:
            dialogue = read_answer(answer.text, self.brief, item)
        except Unusable as error:
            return (
                None,
                "the answer was cut off at its length limit" if answer.finish == "length" else str(error),
                False,
            )
        _, share = self.near.nearest(dialogue.text)
        if share >= LIMIT:
            return None, "it nearly repeats another dialogue of the set", True
        if any(overlap(dialogue.text, self.shown[name].text) >= LIMIT for name in item.examples):
            return None, "it copies the real example it was shown", True
        return dialogue, "", False

    def _save(self, line: Written) -> None:
        self.lines.write(line.model_dump_json().encode() + b"\n")
        self.lines.flush()
        self._count(line)
        if line.dialogue is not None:
            self.near.add(line.dialogue.id, line.dialogue.text)
        written = self.outcome.written
        self.report(
            written / self.outcome.asked,
            f"{written} of {self.outcome.asked} dialogues",
            dialogues=written,
            tokens=self.outcome.input_tokens + self.outcome.output_tokens,
            dollars=self.outcome.dollars,
        )
        if self.report.stop_early and not self.outcome.stopped:
            self.outcome.stopped = "Stopped on request; what was written is kept."

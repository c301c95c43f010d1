"""A set of dialogues being written: concurrent requests, each answer checked and saved as it arrives; resumable."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel

from synth.atomic import write_atomic
from synth.conversations.dialogue import Dialogue
from synth.conversations.egress import ANYWHERE, Egress
from synth.conversations.near_duplicates import LIMIT, ShingleIndex, overlap
from synth.conversations.planning import Brief, Plan, plan
from synth.conversations.prompts import Unusable, answer_schema, fingerprint, messages, read_answer
from synth.conversations.redact import redact
from synth.conversations.server import Answer, Client, Server, tokens_in
from synth.report import Report

TRIES = 5
"""Requests for one dialogue before it is given up: unusable answers and near-duplicates count."""

TOKENS_A_TURN = 60
"""Output tokens expected per turn, before any is written."""


class Written(BaseModel):
    """A line of the file: a dialogue, or the cost of a request that gave none."""

    index: int
    dialogue: Dialogue | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    problem: str = ""
    rejected: bool = False
    """Removed by the analyst; it is not written again."""


@dataclass
class Outcome:
    """The result: dialogues written, tokens used, and why it stopped."""

    asked: int
    written: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    dollars: float = 0.0
    problems: dict[str, int] = field(default_factory=dict)
    stopped: str = ""
    """Why there are fewer dialogues than requested; empty when all were written."""


@dataclass(frozen=True)
class Assignment:
    """What is to be written, from which real dialogues, by which server, into which file."""

    brief: Brief
    source: list[Dialogue]
    server: Server
    file: Path
    intent: str | None = None
    """The label of the real dialogues by which examples are matched to intents."""
    budget: float | None = None
    """US dollars that may be spent; None: no limit."""
    egress: Egress = ANYWHERE
    """Which servers may be reached."""


def prompts(brief: Brief, source: list[Dialogue]) -> Callable[[Plan, bool], list[dict[str, str]]]:
    """A function that makes the messages of a plan: its examples with personal data replaced."""
    by_id = {dialogue.id: dialogue for dialogue in source}
    clean: dict[str, Dialogue] = {}

    def make(item: Plan, again: bool = False) -> list[dict[str, str]]:
        for name in item.examples:
            if name not in clean:
                clean[name] = redact(by_id[name])
        return messages(brief, item, [clean[name] for name in item.examples], again=again)

    return make


def longest(item: Plan) -> int:
    """The most output tokens one dialogue may take."""
    return max(256, item.turns * TOKENS_A_TURN * 4)


def read_written(file: Path) -> list[Written]:
    """The lines of a set's file, without a last line that a crash cut off."""
    if not Path(file).exists():
        return []
    lines = Path(file).read_bytes().split(b"\n")
    return [Written.model_validate_json(line, extra="ignore") for line in lines[:-1] if line]


class Writer:
    """Writes one set: requests run concurrently, and each answer is checked and saved as it arrives."""

    def __init__(self, given: Assignment, report: Report) -> None:
        self.brief, self.server, self.file, self.budget = given.brief, given.server, given.file, given.budget
        self.report, self.egress = report, given.egress
        self.plans = plan(given.brief, given.source, intent=given.intent)
        self.prompt = prompts(given.brief, given.source)
        self.near = ShingleIndex()
        self.outcome = Outcome(asked=len(self.plans))
        self.reserved = 0.0
        # A repeated request has the same idempotency key after a crash, so that a server that honours it charges once.
        self.key = fingerprint(given.brief)
        self.tried: Counter[int] = Counter()
        self.shown = {dialogue.id: dialogue for dialogue in given.source}

    async def run(self) -> Outcome:
        done = self._resume()
        left = [item for item in self.plans if item.index not in done]
        client = Client(self.server, self.egress)
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
        """Request the remaining dialogues, several at once."""
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
        """Take over what an earlier call finished; returns the indexes that are done."""
        lines = read_written(self.file)
        self.file.parent.mkdir(parents=True, exist_ok=True)
        whole = b"".join(line.model_dump_json().encode() + b"\n" for line in lines)
        if self.file.exists() and self.file.stat().st_size != len(whole):
            # A crash in the middle of a line; what follows must start on a new one.
            write_atomic(self.file, whole)
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
        """Request one dialogue until it is usable and new."""
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
        """The most that one request can cost, in dollars."""
        return self._price(tokens_in(asked), longest(item))

    def _affords(self, dollars: float) -> bool:
        """Whether the budget covers that much more; if not, the outcome says so."""
        if self.budget is None or self.outcome.dollars + self.reserved + dollars <= self.budget:
            return True
        self.outcome.stopped = (
            f"The budget of ${self.budget:.2f} would not cover the next request "
            f"(${self.outcome.dollars:.4f} spent). Raise it and resume to go on."
        )
        return False

    def _take(self, answer: Answer, item: Plan) -> tuple[bool, bool]:
        """Save what an answer holds. Returns whether it is a dialogue, and whether it was too similar to another."""
        dialogue, problem, again = self._checked(answer, item)
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

    def _checked(self, answer: Answer, item: Plan) -> tuple[Dialogue | None, str, bool]:
        """The dialogue in the answer, or what is wrong with it and whether it was too similar to another."""
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

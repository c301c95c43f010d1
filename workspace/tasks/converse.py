"""Writing a conversation set, and evaluating it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from synth.atomic import write_atomic
from synth.conversations.egress import Egress
from synth.conversations.order import ConversationRequest
from synth.report import Report
from workspace.arguments import ConverseArguments
from workspace.jobs.kinds import job
from workspace.tasks.stages import Work

# Every worker imports every kind of job; what writes and evaluates dialogues is imported by those that do.
if TYPE_CHECKING:
    from metrics import Score
    from metrics.dialogue.base import Conversations
    from synth.conversations import Server


@job("Write conversations", ConverseArguments, offered=False, place=50)
def converse(work: Work, asked: ConverseArguments) -> None:
    """Write a conversation set and evaluate it. What was written stays, whatever ends the job."""
    from metrics.dialogue.base import Conversations, Texts
    from synth.conversations import plan, write

    workspace, conversations = work.workspace, work.workspace.conversations
    to_write = conversations.get(asked.set_id)
    order = to_write.order
    key, egress = work.told.secret("key"), _egress(work, order)
    files = workspace.files.conversations(to_write.id)
    files.folder.mkdir(parents=True, exist_ok=True)
    reading = work.progress.stage("Reading", 0.0, 0.02)
    reading(0.0)
    shown = conversations.shown(to_write.dataset_id, order)
    held = conversations.shown(to_write.dataset_id, order, held_out=True)
    with _server(work, order, key) as server:
        writing = work.progress.stage("Writing", 0.03, 0.9)
        outcome = write(
            order.brief,
            shown,
            server,
            files.dialogues,
            intent=order.intent,
            budget=order.budget,
            batch=order.batch,
            egress=egress,
            report=writing,
        )
        conversations.change(to_write.id, outcome=asdict(outcome), note=outcome.stopped)
        compared = Conversations(
            source=Texts(shown),
            holdout=Texts(held) if any(dialogue.turns for dialogue in held) else None,
            synthetic=Texts(conversations.made(to_write.id)),
            asked=[item.labels for item in plan(order.brief)],
            intent=order.intent or "intent",
            seed=order.brief.seed,
        )
        evaluated = _evaluate(compared, order, (server, egress), work.progress.stage("Evaluating", 0.9, 1.0))
    write_atomic(files.scores, json.dumps(evaluated, ensure_ascii=False))


def _egress(work: Work, order: ConversationRequest) -> Egress:
    """Which servers this job may reach: its own model is on this machine, whatever the policy."""
    allowed = work.workspace.conversations.egress
    if order.local:
        return Egress(local_only=True)
    return replace(allowed, public_only=allowed.public_only or work.told.guarded, proxy=work.told.proxy)


@contextmanager
def _server(work: Work, order: ConversationRequest, key: str) -> Iterator[Server]:
    """The server that writes: the order's, or the small model of this machine, running while the block does."""
    if order.local:
        from synth.conversations.local_model import serving

        work.progress.stage("Starting the small model", 0.02, 0.03)(0.0)
        with serving(work.workspace.files.job(work.job.id).model_log) as server:
            yield server
    else:
        yield order.server.model_copy(update={"api_key": SecretStr(key)})


def _evaluate(
    compared: Conversations, order: ConversationRequest, judge: tuple[Server, Egress], report: Report
) -> dict[str, Any]:
    """The scores of a set by metric, and what its pictures show; `judge` is the model that may rate it."""
    from metrics import DIALOGUE_METRICS
    from metrics.dialogue.views import pictures

    names = order.metrics if order.metrics is not None else list(DIALOGUE_METRICS)
    scores = {}
    for at, name in enumerate(names):
        report(at / len(names) / 2, DIALOGUE_METRICS[name].card.title)
        scores[name] = DIALOGUE_METRICS[name](compared)
    if order.judged:
        scores["model_judge"] = _by_model(compared, order.judged, judge, report.part(0.5, 1.0))
    return {
        "scores": {name: score.model_dump(mode="json") for name, score in scores.items()},
        "pictures": pictures(compared) if compared.source.turns and compared.synthetic.turns else [],
    }


def _by_model(compared: Conversations, most: int, judge: tuple[Server, Egress], report: Report) -> Score:
    """The mean mark a model gives, 1 to 5, beside what it gives held-out real dialogues."""
    import numpy as np

    from metrics import Score
    from metrics.tools.intervals import mean_interval
    from synth.conversations.judge import RUBRIC, give_marks

    made = compared.synthetic.dialogues[:most]
    real = [dialogue for dialogue in compared.holdout.dialogues if dialogue.turns][:most] if compared.holdout else []
    marks = give_marks([*made, *real], judge[0], report, judge[1])
    means = [[mark.mean for mark in side if mark] for side in (marks[: len(made)], marks[len(made) :])]
    if not means[0]:
        return Score(value=None, note="The model gave no ratings that could be read.")
    return Score(
        value=float(np.mean(means[0])),
        reference=float(np.mean(means[1])) if means[1] else None,
        ci=mean_interval(np.array(means[0]), (1.0, 5.0)),
        detail={"rubric": RUBRIC, "marks": {d.id: m.model_dump() for d, m in zip(made, marks, strict=False) if m}},
    )

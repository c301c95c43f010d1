"""Sets of written conversations: from an uploaded file, or from a description alone, to files for training."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pydantic import SecretStr
from sqlalchemy import delete, update

from metrics import DIALOGUE_METRICS, Score
from metrics.dialogue.base import Conversations, Texts
from metrics.dialogue.views import pictures
from metrics.tools.intervals import mean_interval
from synth import Report
from synth.conversations import (
    Dialogue,
    Server,
    Shape,
    detect_shape,
    estimate,
    plan,
    read_dialogues,
    read_written,
    write,
)
from synth.conversations.batch import DISCOUNT
from synth.conversations.formats import SUFFIXES, FileForm, save_dialogues
from synth.conversations.judge import RUBRIC, give_marks
from synth.conversations.local_model import serving
from synth.conversations.order import ConversationRequest
from synth.conversations.prompts import fingerprint
from synth.conversations.writer import Written, prompts
from synth.conversations.writing import Estimate
from workspace.access.secrets import Secrets
from workspace.catalog.rows import ConversationSet, Job, new_id
from workspace.ingest import ingest as tables
from workspace.services.runs import Runs
from workspace.storage.files import LOCAL

if TYPE_CHECKING:
    from workspace.tasks.stages import Work

HELD_OUT = 0.2
"""Share of the real dialogues that no prompt shows, to judge against."""


class Talks(Runs):
    """What a workspace does with conversations."""

    def find_shape(self, dataset_id: str) -> Shape:
        """How a dataset holds conversations. Raises ValueError, in words, when it holds none."""
        return detect_shape(self._texts(dataset_id))

    def dialogues(self, dataset_id: str, shape: Shape, *, held_out: bool = False) -> list[Dialogue]:
        """The real dialogues that prompts may show, or those held out from them: whole dialogues, drawn by seed 0."""
        found = read_dialogues(self._texts(dataset_id), shape)
        held = set(np.random.default_rng(0).permutation(len(found))[: int(HELD_OUT * len(found))].tolist())
        return [dialogue for at, dialogue in enumerate(found) if (at in held) == held_out]

    def _texts(self, dataset_id: str) -> pd.DataFrame:
        """A dataset's rows, every cell as the file wrote it."""
        dataset = self.dataset(dataset_id)
        table = tables.read(self.dataset_folder(dataset.id) / "table.duckdb", dataset.schema)
        texts = {}
        for column in dataset.schema:
            values = table[column.name]
            if column.kind == "boolean" and column.labels:
                values = values.map({False: column.labels[0], True: column.labels[1]})
            texts[column.name] = values.astype("string").fillna("").astype(object)
        return pd.DataFrame(texts)

    def server(self, **asked: Any) -> Server:
        """The language-model server of the settings; `asked` overrides single fields."""
        settings = self.settings
        found = {
            "base_url": settings.llm_base_url,
            "api_key": settings.llm_api_key,
            "model": settings.llm_model,
            **{name: value for name, value in asked.items() if value is not None},
        }
        low, high = settings.llm_prices.get(found["model"], (0.0, 0.0))
        found.setdefault("price", {"input": low, "output": high})
        return Server(**{**found, "local_only": settings.llm_local_only or found.get("local_only", False)})

    def estimate_talk(self, order: ConversationRequest, source: list[Dialogue]) -> Estimate:
        """What an order will take, before anything is sent; `source` are the `dialogues` it is written from."""
        cost = estimate(order.brief, source, order.server, order.intent)
        return cost.model_copy(update={"dollars": cost.dollars * DISCOUNT}) if order.batch else cost

    def prompt(self, order: ConversationRequest, source: list[Dialogue]) -> list[dict[str, str]]:
        """The first request of an order, word for word as it will be sent."""
        first = plan(order.brief, source, intent=order.intent)[0]
        return prompts(order.brief, source)(first, False)

    def converse(
        self, dataset_id: str | None, order: ConversationRequest, *, name: str = "", owner: str = LOCAL
    ) -> Job:
        """Write a set of conversations; the key travels encrypted and is forgotten when the job is done.

        Raises ValueError, in words, when the order cannot be carried out.
        """
        if order.budget is not None and order.budget <= 0:
            raise ValueError("A budget of 0 pays for nothing. Raise it, or leave it empty for none.")
        unknown = sorted(set(order.metrics or ()) - set(DIALOGUE_METRICS))
        if unknown:
            raise ValueError(f"There is no metric {', '.join(unknown)}. There are {', '.join(DIALOGUE_METRICS)}.")
        if dataset_id is not None:
            dataset = self.dataset(dataset_id)
            order = order.model_copy(update={"shape": order.shape or self.find_shape(dataset_id)})
            name = name or dataset.name
        talk = ConversationSet(
            id=new_id(),
            name=name or order.brief.kind,
            owner=owner,
            dataset_id=dataset_id,
            order=order,
            prompt_hash=fingerprint(order.brief),
        )
        with self.catalog.session() as session:
            session.add(talk)
        return self._submit(talk, order.server.api_key, owner)

    def go_on(self, talk_id: str, api_key: SecretStr | None = None, *, owner: str = LOCAL) -> Job:
        """Write what a set still lacks: after a stop, an error, a raised budget or a dialogue taken out."""
        talk = self.talk(talk_id)
        self._not_being_written(talk)
        return self._submit(talk, api_key or self.settings.llm_api_key, owner)

    def _submit(self, talk: ConversationSet, key: SecretStr, owner: str) -> Job:
        hidden = Secrets(self.settings).hide(key.get_secret_value())
        job = self.queue.submit("converse", {"talk": talk.id, "key": hidden}, dataset_id=talk.dataset_id, owner=owner)
        self.change_talk(talk.id, job_id=job.id, note="")
        return job

    def talks(self, dataset_id: str | None = None, *, owner: str | None = None) -> Sequence[ConversationSet]:
        """All sets of conversations, newest first."""
        return self.listed(ConversationSet, dataset_id=dataset_id, owner=owner)

    def talk(self, talk_id: str) -> ConversationSet:
        return self.catalog.get(ConversationSet, talk_id)

    def written(self, talk_id: str) -> list[Written]:
        """The dialogues of a set so far, as they arrived."""
        lines = read_written(self.talk_folder(self.talk(talk_id).id) / "set.jsonl")
        return [line for line in lines if line.dialogue is not None and not line.rejected]

    def set_dialogue(self, talk_id: str, index: int, dialogue: Dialogue | None, *, again: bool = False) -> None:
        """Replace a dialogue by an edited one, or take it out (None); `again` lets `go_on` write another in its place.

        Raises ValueError while the set is being written.
        """
        talk = self.talk(talk_id)
        self._not_being_written(talk)
        file = self.talk_folder(talk_id) / "set.jsonl"
        lines = []
        for line in read_written(file):
            if line.index == index and line.dialogue is not None:
                if dialogue is not None:
                    line = line.model_copy(update={"dialogue": dialogue})
                elif again:
                    # What it cost stays on the bill.
                    line = line.model_copy(update={"dialogue": None, "problem": "it was sent back"})
                else:
                    line = line.model_copy(update={"rejected": True})
            lines.append(line)
        partial = file.with_suffix(".partial")
        partial.write_text("".join(line.model_dump_json() + "\n" for line in lines), encoding="utf-8")
        partial.replace(file)

    def talk_scores(self, talk_id: str) -> dict[str, Score]:
        """How a set was judged; empty before it was."""
        return {name: Score.model_validate(score) for name, score in self._judged(talk_id).get("scores", {}).items()}

    def talk_pictures(self, talk_id: str) -> list[dict[str, Any]]:
        """What `metrics.charts.column_figure` draws of a set beside the real dialogues."""
        return self._judged(talk_id).get("pictures", [])

    def _judged(self, talk_id: str) -> dict[str, Any]:
        file = self.talk_folder(talk_id) / "judged.json"
        return json.loads(file.read_bytes()) if file.is_file() else {}

    def export_talk(self, talk_id: str, form: FileForm) -> Path:
        """A set as a file: `csv` and `parquet` have the columns of the input, a turn per row."""
        talk = self.talk(talk_id)
        order = talk.order
        made = [self._as_input(line.dialogue, order) for line in self.written(talk_id)]
        columns: dict[str, Any] = {}
        if order.shape is not None and order.shape.form == "turns":
            named = {name: getattr(order.shape, name) for name in ("id", "turn", "role", "text")}
            columns = {name: value for name, value in named.items() if value}
            columns["header"] = self.dataset(talk.dataset_id).schema.names
        folder = self.talk_folder(talk_id) / "export"
        folder.mkdir(parents=True, exist_ok=True)
        # The set may change; a file is named by what it holds.
        held = hashlib.sha256("".join(d.model_dump_json() for d in made).encode()).hexdigest()[:12]
        target = folder / f"conversations-{form}-{held}{SUFFIXES[form]}"
        if not target.is_file():
            with self.incoming() as incoming:
                save_dialogues(made, incoming / target.name, form, assistant=order.brief.roles[1], **columns)
                (incoming / target.name).replace(target)
        return target

    def delete_talk(self, talk_id: str) -> None:
        """Delete a set of conversations; end its job first if it runs."""
        talk = self.talk(talk_id)
        job = self._job_of(talk)
        if job is not None and not job.ended:
            self.queue.cancel(job.id)
            self.end_at_once([job])
        with self.catalog.session() as session:
            session.execute(delete(ConversationSet).where(ConversationSet.id == talk_id))
        self.remove(self.talk_folder(talk_id))

    def _job_of(self, talk: ConversationSet) -> Job | None:
        with self.catalog.session() as session:
            return session.get(Job, talk.job_id) if talk.job_id else None

    def _not_being_written(self, talk: ConversationSet) -> None:
        job = self._job_of(talk)
        if job is not None and not job.ended:
            raise ValueError("This set is being written. Wait for it, or stop it first.")

    def change_talk(self, talk_id: str, **values: Any) -> None:
        with self.catalog.session() as session:
            session.execute(update(ConversationSet).where(ConversationSet.id == talk_id).values(**values))

    def shown(self, dataset_id: str | None, order: ConversationRequest) -> list[Dialogue]:
        if dataset_id is None:
            return []
        return self.dialogues(dataset_id, order.shape or self.find_shape(dataset_id))

    @staticmethod
    def _as_input(dialogue: Dialogue, order: ConversationRequest) -> Dialogue:
        """The dialogue with its intent under the input's own name for it."""
        named = {order.intent if name == "intent" and order.intent else name: v for name, v in dialogue.labels.items()}
        return dialogue.model_copy(update={"labels": named})


def converse(work: Work) -> None:
    """Write a set of conversations and judge it. What was written stays, whatever ends the job."""
    workspace = work.workspace
    talk = workspace.talk(work.job.arguments["talk"])
    order = talk.order
    key = Secrets(workspace.settings).show(work.job.arguments["key"])
    folder = workspace.talk_folder(talk.id)
    folder.mkdir(parents=True, exist_ok=True)
    reading = work.progress.stage("Reading", 0.0, 0.02)
    reading(0.0)
    shown = workspace.shown(talk.dataset_id, order)
    held = workspace.dialogues(talk.dataset_id, order.shape, held_out=True) if talk.dataset_id else []
    with _server(work, order, key) as server:
        writing = work.progress.stage("Writing", 0.03, 0.9)
        outcome = write(
            order.brief,
            shown,
            server,
            folder / "set.jsonl",
            intent=order.intent,
            budget=order.budget,
            batch=order.batch,
            report=writing,
        )
        workspace.change_talk(talk.id, outcome=asdict(outcome), note=outcome.stopped)
        talks = Conversations(
            source=Texts(shown),
            holdout=Texts(held) if any(dialogue.turns for dialogue in held) else None,
            synthetic=Texts([line.dialogue for line in workspace.written(talk.id)]),
            asked=[item.labels for item in plan(order.brief)],
            intent=order.intent or "intent",
            seed=order.brief.seed,
        )
        judged = _judge(talks, order, server, work.progress.stage("Judging", 0.9, 1.0))
    partial = folder / "judged.partial"
    partial.write_text(json.dumps(judged, ensure_ascii=False), encoding="utf-8")
    partial.replace(folder / "judged.json")
    workspace.queue.change(work.job.id, arguments={"talk": talk.id})


@contextmanager
def _server(work: Work, order: ConversationRequest, key: str) -> Iterator[Server]:
    """The server that writes: the order's, or the small model of this machine, running while the block does."""
    if order.local:
        work.progress.stage("Starting the small model", 0.02, 0.03)(0.0)
        with serving(work.workspace.queue.folder(work.job.id) / "model.txt") as server:
            yield server
    else:
        yield order.server.model_copy(update={"api_key": SecretStr(key)})


def _judge(talks: Conversations, order: ConversationRequest, server: Server, report: Report) -> dict[str, Any]:
    """The scores of a set by metric, and what its pictures show."""
    names = order.metrics if order.metrics is not None else list(DIALOGUE_METRICS)
    scores = {}
    for at, name in enumerate(names):
        report(at / len(names) / 2, DIALOGUE_METRICS[name].card.title)
        scores[name] = DIALOGUE_METRICS[name](talks)
    if order.judged:
        scores["model_judge"] = _by_model(talks, order.judged, server, report.part(0.5, 1.0))
    return {
        "scores": {name: score.model_dump(mode="json") for name, score in scores.items()},
        "pictures": pictures(talks) if talks.source.turns and talks.synthetic.turns else [],
    }


def _by_model(talks: Conversations, most: int, server: Server, report: Report) -> Score:
    """The mean mark a model gives, 1 to 5, beside what it gives real dialogues that were kept back."""
    made = talks.synthetic.dialogues[:most]
    real = [dialogue for dialogue in talks.holdout.dialogues if dialogue.turns][:most] if talks.holdout else []
    marks = give_marks([*made, *real], server, report)
    means = [[mark.mean for mark in side if mark] for side in (marks[: len(made)], marks[len(made) :])]
    if not means[0]:
        return Score(value=None, note="The model gave no marks that could be read.")
    return Score(
        value=float(np.mean(means[0])),
        reference=float(np.mean(means[1])) if means[1] else None,
        ci=mean_interval(np.array(means[0]), (1.0, 5.0)),
        detail={"rubric": RUBRIC, "marks": {d.id: m.model_dump() for d, m in zip(made, marks, strict=False) if m}},
    )

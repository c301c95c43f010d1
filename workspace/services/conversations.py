"""Conversation sets: ordered, read, edited, exported."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import SecretStr
from sqlalchemy import delete, update

from metrics import DIALOGUE_METRICS, Score
from synth.atomic import write_atomic
from synth.conversations import Dialogue, Server, Shape, detect_shape, estimate, plan, read_dialogues, read_written
from synth.conversations.batch import DISCOUNT
from synth.conversations.egress import Allowed, Egress, Host
from synth.conversations.formats import SUFFIXES, FileForm, formula_cells, save_dialogues
from synth.conversations.order import ConversationRequest
from synth.conversations.prompts import fingerprint
from synth.conversations.writer import Written, prompts
from synth.conversations.writing import Estimate
from synth.errors import Invalid, given_by_the_asker
from workspace.access.keys import Access
from workspace.arguments import ConverseArguments
from workspace.catalog.catalog import Catalog
from workspace.catalog.rows import ConversationSet, Job, new_id
from workspace.jobs.process import end_at_once
from workspace.jobs.queue import Draft, Queue
from workspace.services.datasets import Datasets
from workspace.services.training import Submitting
from workspace.settings import LOCAL
from workspace.storage.damage import read_whole
from workspace.storage.files import Files
from workspace.tables import duckdb_file

HELD_OUT = 0.2
"""Share of the real dialogues that is held out: no prompt shows them."""


class Conversations:
    """The conversation sets of a workspace: ordered, read, edited, exported."""

    def __init__(self, catalog: Catalog, files: Files, queue: Queue, datasets: Datasets, access: Access):
        self.catalog, self.files, self.queue, self.datasets = catalog, files, queue, datasets
        self.access, self.settings = access, access.settings

    def find_shape(self, dataset_id: str) -> Shape:
        """How a dataset holds conversations. Raises Invalid, in words, when it holds none."""
        return detect_shape(self._texts(dataset_id))

    def dialogues(self, dataset_id: str, shape: Shape, *, held_out: bool = False) -> list[Dialogue]:
        """The real dialogues that prompts may show, or those held out from them: whole dialogues, drawn by seed 0."""
        found = read_dialogues(self._texts(dataset_id), shape)
        held = set(np.random.default_rng(0).permutation(len(found))[: int(HELD_OUT * len(found))].tolist())
        return [dialogue for at, dialogue in enumerate(found) if (at in held) == held_out]

    def _texts(self, dataset_id: str) -> pd.DataFrame:
        """A dataset's rows, every cell as the file wrote it."""
        dataset = self.datasets.get(dataset_id)
        table = duckdb_file.read(self.files.dataset(dataset.id).table, dataset.schema)
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
        found: dict[str, Any] = {
            "base_url": settings.llm_base_url,
            "api_key": settings.llm_api_key,
            "model": settings.llm_model,
            **{name: value for name, value in asked.items() if value is not None},
        }
        low, high = settings.llm_prices.get(found["model"], (0.0, 0.0))
        found.setdefault("price", {"input": low, "output": high})
        found["local_only"] = settings.llm_local_only or found.get("local_only", False)
        with given_by_the_asker():
            return Server(**found)

    @property
    def egress(self) -> Egress:
        """Which servers the settings allow: where keys exist, public ones, the server of the settings and those it names."""
        settings, own = self.settings, Host.of(self.settings.llm_base_url)
        return Egress(
            local_only=settings.llm_local_only,
            public_only=self.access.guarded,
            allowed=(Allowed(own.name, own.port), *map(Allowed.of, settings.allowed_hosts)),
            proxy=settings.llm_proxy.get_secret_value() if settings.llm_proxy else None,
        )

    def check_server(self, order: ConversationRequest) -> None:
        """Refuse an order whose server may not be reached, as far as can be seen before the work. Raises Forbidden."""
        if not order.local:
            self.egress.here(order.server.local_only).check(order.server.base_url)

    def estimate(self, order: ConversationRequest, source: list[Dialogue]) -> Estimate:
        """What an order will take, before anything is sent; `source` are the `dialogues` it is written from."""
        cost = estimate(order.brief, source, order.server, order.intent)
        return cost.model_copy(update={"dollars": cost.dollars * DISCOUNT}) if order.batch else cost

    def prompt(self, order: ConversationRequest, source: list[Dialogue]) -> list[dict[str, str]]:
        """The first request of an order, word for word as it will be sent."""
        first = plan(order.brief, source, intent=order.intent)[0]
        return prompts(order.brief, source)(first, False)

    def draft_write(
        self, dataset_id: str | None, order: ConversationRequest, *, name: str = "", owner: str = LOCAL
    ) -> Draft:
        """Write a conversation set; the key travels encrypted and is forgotten when the job is done.

        Raises Invalid, in words, when the order cannot be carried out.
        """
        self.check_server(order)
        if order.budget is not None and order.budget <= 0:
            raise Invalid("A budget of 0 pays for nothing. Raise it, or leave it empty for none.")
        unknown = sorted(set(order.metrics or ()) - set(DIALOGUE_METRICS))
        if unknown:
            raise Invalid(f"There is no metric {', '.join(unknown)}. There are {', '.join(DIALOGUE_METRICS)}.")
        if dataset_id is not None:
            dataset = self.datasets.get(dataset_id)
            _check_columns(order, dataset.schema.names)
            order = order.model_copy(update={"shape": order.shape or self.find_shape(dataset_id)})
            name = name or dataset.name
        made = ConversationSet(
            id=new_id(),
            name=name or order.brief.kind,
            owner=owner,
            dataset_id=dataset_id,
            order=order,
            prompt_hash=fingerprint(order.brief),
        )
        draft = self._draft(made, order.server.api_key, owner)
        made.job_id = draft.id
        return replace(draft, rows=(made,))

    write = Submitting(draft_write)

    def resume(self, set_id: str, api_key: SecretStr | None = None, *, owner: str = LOCAL) -> Job:
        """Write what a set still lacks: after a stop, an error, a raised budget or a dialogue taken out."""
        found = self.get(set_id)
        self._check_not_being_written(found)
        self.check_server(found.order)
        job = self.queue.submit(self._draft(found, api_key or self._own_key(found), owner))
        self.change(set_id, job_id=job.id, note="")
        return job

    def retry(self, job_id: str, api_key: SecretStr | None = None) -> Job:
        """Queue the ended job of a set once more. Its key was forgotten when it ended, and is to be given again.

        Raises Invalid when it has not ended, or its server may not be reached.
        """
        job = self.catalog.get(Job, job_id)
        found = self.get(job.arguments["talk"])
        self.check_server(found.order)
        return self.queue.retry(job_id, job.arguments | {"key": self._hidden(api_key or self._own_key(found))})

    def _own_key(self, found: ConversationSet) -> SecretStr:
        """The settings' key, for the settings' server and no other."""
        own, asked = self.settings.llm_base_url, found.order.server.base_url
        return self.settings.llm_api_key if own.rstrip("/") == asked.rstrip("/") else SecretStr("")

    def _hidden(self, key: SecretStr) -> str:
        return self.access.secrets.hide(key.get_secret_value())

    def _draft(self, to_write: ConversationSet, key: SecretStr, owner: str) -> Draft:
        hidden = self._hidden(key)
        return Draft(ConverseArguments(set_id=to_write.id, key=hidden), owner, to_write.dataset_id)

    def find(self, dataset_id: str | None = None, *, owner: str | None = None) -> Sequence[ConversationSet]:
        """All conversation sets, newest first; those written from one dataset, or of one owner."""
        return self.catalog.listed(ConversationSet, dataset_id=dataset_id, owner=owner)

    def get(self, set_id: str) -> ConversationSet:
        """One conversation set. Raises NotFound."""
        return self.catalog.get(ConversationSet, set_id)

    def written(self, set_id: str) -> list[Written]:
        """The dialogues of a set so far, as they arrived."""
        with read_whole("The dialogues of this set"):
            lines = read_written(self.files.conversations(self.get(set_id).id).dialogues)
        return [line for line in lines if line.dialogue is not None and not line.rejected]

    def made(self, set_id: str) -> list[Dialogue]:
        """The dialogues of a set so far."""
        return [line.dialogue for line in self.written(set_id) if line.dialogue is not None]

    def set_dialogue(self, set_id: str, index: int, dialogue: Dialogue | None, *, again: bool = False) -> None:
        """Replace a dialogue by an edited one, or take it out (None); `again` lets `resume` write another in its place.

        Raises Invalid while the set is being written.
        """
        self._check_not_being_written(self.get(set_id))
        file = self.files.conversations(set_id).dialogues
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
        write_atomic(file, "".join(line.model_dump_json() + "\n" for line in lines))

    def scores(self, set_id: str) -> dict[str, Score]:
        """How a set scored; empty before it was evaluated."""
        with read_whole("The scores of this set"):
            found = self._evaluated(set_id).get("scores", {})
            return {name: Score.model_validate(score, extra="ignore") for name, score in found.items()}

    def pictures(self, set_id: str) -> list[dict[str, Any]]:
        """What `metrics.charts.column_figure` draws of a set beside the real dialogues."""
        with read_whole("The scores of this set"):
            return self._evaluated(set_id).get("pictures", [])

    def _evaluated(self, set_id: str) -> dict[str, Any]:
        file = self.files.conversations(self.get(set_id).id).scores
        return json.loads(file.read_bytes()) if file.is_file() else {}

    def formula_cells(self, set_id: str) -> int:
        """How many cells of a set as CSV a spreadsheet would run as formulas; headers count too."""
        found = self.get(set_id)
        return formula_cells([_as_input(one, found.order) for one in self.made(set_id)], **self._columns(found))

    def _columns(self, found: ConversationSet) -> dict[str, Any]:
        """The columns of the input, where it had a turn per row."""
        shape = found.order.shape
        if found.dataset_id is None or shape is None or shape.form != "turns":
            return {}
        named = {name: getattr(shape, name) for name in ("id", "turn", "role", "text")}
        columns: dict[str, Any] = {name: value for name, value in named.items() if value}
        return columns | {"header": self.datasets.get(found.dataset_id).schema.names}

    def export(self, set_id: str, form: FileForm, *, spreadsheet_safe: bool = False) -> Path:
        """A set as a file: `csv` and `parquet` have the columns of the input, a turn per row."""
        exported = self.get(set_id)
        order = exported.order
        made = [_as_input(dialogue, order) for dialogue in self.made(set_id)]
        columns = self._columns(exported) | {"spreadsheet_safe": spreadsheet_safe}
        folder = self.files.conversations(set_id).exports
        folder.mkdir(parents=True, exist_ok=True)
        # The set may change; a file is named by what it holds.
        held = hashlib.sha256("".join(d.model_dump_json() for d in made).encode()).hexdigest()[:12]
        target = folder / f"conversations-{form}{'-safe' if spreadsheet_safe else ''}-{held}{SUFFIXES[form]}"
        if not target.is_file():
            with self.files.incoming() as incoming:
                save_dialogues(made, incoming / target.name, form, assistant=order.brief.roles[1], **columns)
                (incoming / target.name).replace(target)
        return target

    def delete(self, set_id: str) -> None:
        """Delete a conversation set; end its job first if it runs."""
        job = self._job_of(self.get(set_id))
        if job is not None and not job.ended:
            self.queue.cancel(job.id)
            end_at_once([job], self.settings.cancel_grace_s)
        with self.catalog.session() as session:
            session.execute(delete(ConversationSet).where(ConversationSet.id == set_id))
        self.files.remove(self.files.conversations(set_id).folder)
        self.catalog.forget_deleted()

    def change(self, set_id: str, **values: Any) -> None:
        """Set columns of a conversation set's row."""
        changed = update(ConversationSet).where(ConversationSet.id == set_id).values(**values)
        self.catalog.lasting(lambda session: session.execute(changed))

    def shown(self, dataset_id: str | None, order: ConversationRequest, *, held_out: bool = False) -> list[Dialogue]:
        """The real dialogues that the prompts of an order may show, or those held out from them."""
        if dataset_id is None:
            return []
        return self.dialogues(dataset_id, order.shape or self.find_shape(dataset_id), held_out=held_out)

    def _job_of(self, found: ConversationSet) -> Job | None:
        return self.catalog.lasting(lambda session: session.get(Job, found.job_id) if found.job_id else None)

    def _check_not_being_written(self, found: ConversationSet) -> None:
        job = self._job_of(found)
        if job is not None and not job.ended:
            raise Invalid("This conversation set is being written. Wait until it is done, or cancel its job first.")


def _check_columns(order: ConversationRequest, names: list[str]) -> None:
    """Refuse an order that speaks of columns which the table lacks. Raises Invalid."""
    shape = order.shape
    named = [shape.id, shape.turn, shape.role, shape.text, shape.answer, *shape.labels] if shape else []
    for field, said in (("order.shape", named), ("order.intent", [order.intent])):
        if absent := sorted({name for name in said if name} - set(names)):
            raise Invalid(f"There is no column {', '.join(map(repr, absent))} in this table.", field)


def _as_input(dialogue: Dialogue, order: ConversationRequest) -> Dialogue:
    """The dialogue with its intent under the input's own name for it."""
    named = {order.intent if name == "intent" and order.intent else name: v for name, v in dialogue.labels.items()}
    return dialogue.model_copy(update={"labels": named})

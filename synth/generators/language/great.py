"""GReaT: a language model that writes the rows of a table as sentences."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
import pandas as pd

from synth.generators.base import Model, generator
from synth.generators.language.great_text import ColumnText, RowText, fitted_tokenizer
from synth.generators.neural.trainer import chosen_device, seeded
from synth.params import Params, knob
from synth.report import Report
from synth.schema import Schema

CACHE = Path.home() / ".cache" / "understudy"
"""Where packaged weights are unpacked, once."""


@generator(
    "great",
    title="GReaT (language model)",
    summary="A language model writes the rows. On a CPU the compact one takes minutes for a few thousand rows; pretrained "
    "ones are for small tables with meaningful words, or for a graphics card.",
    place=80,
    needs=("be_great", "transformers", "torch"),
    stops_early=True,
    quick={"steps": 2, "layers": 1, "width": 32},
    slow=True,
)
class GReaT(Model):
    """Trains a language model on sentences such as `age is 39, income is >50K`, the columns in random order.

    The be_great package with a grammar of our own (`synth.generators.language.great_text`), so that every row parses and what is given
    is kept exactly. Source: Borisov et al. 2023, "Language Models are Realistic Tabular Data Generators".
    """

    class Params(Params):
        weights: str = knob(
            "compact",
            "Where the model starts: compact (a small GPT-2 from scratch, needs no network), smollm2 (packaged, see "
            "requirements-llm.txt), a folder, or a name on the model hub such as distilgpt2.",
            min_length=1,
        )
        steps: int = knob(
            1_500, "Training steps, at most: what the time depends on.", ge=1, le=1_000_000, tune=(500, 3_000), log=True
        )
        batch_size: int = knob(32, "Rows per training step.", ge=1, le=4_096, tune=[16, 32, 64], advanced=True)
        learning_rate: float = knob(
            0.0, "Step width; 0: 0.002 for compact, 0.0002 with LoRA, else 0.00005.", ge=0, le=0.1, advanced=True
        )
        patience: int = knob(
            6,
            "Stop when the loss on rows set aside has not fallen in this many looks (30 in all), and keep the best; "
            "0: train all steps.",
            title="Early-stopping patience",
            ge=0,
            le=30,
        )
        time_limit_s: int = knob(0, "Stop after this many seconds and keep the best; 0: no limit.", ge=0, le=604_800)
        temperature: float = knob(
            1.0, "Below 1 rows are more typical, above 1 more varied.", gt=0, le=5, tune=(0.7, 1.1), advanced=True
        )
        lora: bool = knob(True, "Train small additions to pretrained weights instead of all of them.", advanced=True)
        layers: int = knob(4, "Layers of the compact model.", ge=1, le=48, tune=[2, 4, 6], advanced=True)
        width: int = knob(
            128,
            "Width of the compact model, a multiple of 32.",
            ge=32,
            le=2_048,
            multiple_of=32,
            tune=[64, 128, 256],
            advanced=True,
        )
        device: Literal["auto", "cpu", "cuda", "mps"] = knob(
            "auto", "Where to train; auto takes a graphics card when there is one.", advanced=True
        )

    @property
    def compact(self) -> bool:
        return self.params.weights == "compact"

    @classmethod
    def passes(cls, params: Params, rows: int) -> float:
        return params.steps * params.batch_size / rows

    @classmethod
    def lasting(cls, passes: int, rows: int) -> Params:
        usual = cls.Params()
        return usual.model_copy(update={"steps": max(1, passes * rows // usual.batch_size)})

    @classmethod
    def variant(cls, params: Params) -> str:
        return params.weights

    def fit(self, table: pd.DataFrame, schema: Schema, report: Report) -> None:
        report(0.0, "Reading the columns")
        device = chosen_device(self.params.device)
        columns = [ColumnText.learn(table[column.name], column, padded=self.compact) for column in schema]
        from synth.generators.language.great_model import Trainer, find_weights, write_compact

        with TemporaryDirectory() as scratch, seeded(self.seed):
            if self.compact:
                tokenizer = fitted_tokenizer(columns, table)
                self.text = RowText(columns, tokenizer, compact=True)
                write_compact(Path(scratch), tokenizer, self.text.longest, self.params.layers, self.params.width)
                trainer = Trainer(scratch, self.params, self.seed, device, Path(scratch))
            else:
                weights = find_weights(self.params.weights, CACHE)
                trainer = Trainer(weights, self.params, self.seed, device, Path(scratch))
                self.text = RowText(columns, trainer.tokenizer, compact=False)
            encoded = [column for column in self.text.encode(table) if column is not None]
            self.model, self.curve = trainer.run(self.text, encoded, report)

    def sample(self, rows: int, rng: np.random.Generator, report: Report) -> pd.DataFrame:
        return self._written(rows, [None] * len(self.text.columns), rng, report)

    def complete(self, given: pd.DataFrame, rng: np.random.Generator, report: Report) -> pd.DataFrame:
        return self._written(len(given), self.text.encode(given), rng, report).assign(**dict(given.items()))

    def knows(self, column: str, value: str) -> bool:
        return any(text.column.name == column and value in (text.texts or ()) for text in self.text.columns)

    def _written(self, rows: int, given: list, rng: np.random.Generator, report: Report) -> pd.DataFrame:
        from synth.generators.language.great_model import Sampler

        sampler = Sampler(self.model, self.text, self.params.temperature, batch=500 if self.compact else 32)
        return self.text.read(sampler.rows(rows, given, rng, report))

    def save(self, folder: Path) -> None:
        self.model.save_pretrained(folder / "model")
        self.text.tokenizer.save_pretrained(folder / "model")
        about = {text.column.name: text.to_json() for text in self.text.columns}
        (folder / "columns.json").write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")
        (folder / "curve.json").write_text(json.dumps(self.curve), encoding="utf-8")

    def load(self, folder: Path, schema: Schema) -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        about = json.loads((folder / "columns.json").read_text(encoding="utf-8"))
        columns = [ColumnText.of_json(column, about[column.name]) for column in schema]
        tokenizer = AutoTokenizer.from_pretrained(folder / "model", local_files_only=True)
        self.text = RowText(columns, tokenizer, self.compact)
        model = AutoModelForCausalLM.from_pretrained(folder / "model", local_files_only=True)
        self.model = model.to(chosen_device(self.params.device)).eval()
        self.curve = json.loads((folder / "curve.json").read_text(encoding="utf-8"))

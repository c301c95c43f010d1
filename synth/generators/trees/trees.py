"""Sequential trees: columns one after another, each drawn from a tree on those before it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from synth.columns.association import associations
from synth.columns.encoders import CategoryEncoder, NumericEncoder
from synth.columns.numeric import is_choice
from synth.generators.base import Model, generator
from synth.generators.trees.boosted import ROUNDS, Boosted, Halves, fits_better
from synth.generators.trees.cart import Cart, Leaves
from synth.params import Params, knob
from synth.report import Report
from synth.schema import Schema

MOST_CLASSES = 64
"""A tree tells so many levels apart one by one; of more it learns their order."""
MOST_PREDICTORS = 30
MOST_ROWS = 100_000
"""Trees are grown on so many rows, and filled with all."""
SMALL_LEAF, LARGE_LEAF, ROWS_EACH = 25, 40, 400
"""Rows in a leaf when nobody says how many: one for every 400 of the table, 25 to 40.

Means of two to six seeds, 20 rows everywhere against 40: attribute inference 0.12 against 0.05 on diamonds, DCR share
0.527 against 0.519 on adult. It costs what a detector then sees: 0.934 against 0.920 on california_housing, 0.981 against
0.965 on adult; in tables of a few thousand rows 40 would cost more than they protect (bank_marketing 0.93 against 0.91).
"""
FINE, ENOUGH = 100, 500
"""A column of so many different numbers, in so many rows, may be drawn as a boosted prediction plus an error."""
SMOOTHING = 10
"""Weight of the overall mean, in rows, in a smoothed target mean (target encoding)."""
PARTICLES = 16
"""Particles of a row in the bootstrap filter that completes it."""


Codes = list[np.ndarray] | dict[int, np.ndarray]
"""Of each variable, the code of every row."""


class ColumnModel(NamedTuple):
    """How one variable is drawn: a column's values, or whether columns have one."""

    variable: int
    predictors: list[int]
    scales: list[np.ndarray | None]
    """Of each predictor that is a category: where its levels lie, the last entry for missing."""
    drawn_from: Leaves | Boosted
    """Leaves hold codes of training rows."""


@generator(
    "trees",
    title="Trees",
    summary="Decision trees, one column after another. Best quality on a CPU, in seconds: start here.",
    place=10,
)
class Trees(Model):
    """Draws columns one after another, each value from the leaf of a tree that the row so far falls into.

    A column's tree is grown on the columns before it: a classification tree for categories, a regression tree on
    ranks for numbers. Categories among the predictors are ordered by what they say about the column, which spares
    the tree thousands of one-hot columns. Whether values are missing is decided first. A number is drawn between
    two neighbours in the leaf, so that no real value need be repeated.
    Source: Reiter 2005, "Using CART to generate partially synthetic public use microdata"; Nowok, Raab and Dibben
    2016, "synthpop".
    """

    class Params(Params):
        min_leaf: int | None = knob(
            None,
            "Training rows that share a leaf, at least. More of them protect people better and blur the table. "
            f"Automatic: {SMALL_LEAF} in small tables, {LARGE_LEAF} from {LARGE_LEAF * ROWS_EACH:,} rows on.",
            title="Minimum rows per leaf",
            ge=5,
            le=1000,
            tune=(10, 100),
            log=True,
        )
        refine: bool = knob(
            True,
            "Draw numbers that follow others closely as a boosted prediction plus an error: sharper, a few times slower.",
            title="Sharper numbers",
            tune=[False, True],
        )
        order: Literal["few values first", "many values first", "as in the table"] = knob(
            "few values first", "In which order the columns are drawn.", advanced=True
        )

    # The hooks -------------------------------------------------------------------------------------------------

    def fit(self, table: pd.DataFrame, schema: Schema, report: Report) -> None:
        report(0.0, "Reading the columns")
        self.columns = schema
        self.min_leaf = self.params.min_leaf or min(max(len(table) // ROWS_EACH, SMALL_LEAF), LARGE_LEAF)
        self.encoders, codes = [], []
        for column in schema:
            if column.kind in ("category", "boolean"):
                encoder, coded = CategoryEncoder.learn(table[column.name], column)
            else:
                values = table[column.name]
                choice = is_choice(values, column)
                encoder, coded = NumericEncoder.learn(values, self.params.rare_below, choice=choice)
            self.encoders.append(encoder)
            codes.append(coded)
        self.gap_of, gaps = _gap_patterns(codes)
        codes += gaps
        rng = np.random.default_rng([self.seed, 0])
        grown_on = np.sort(rng.permutation(len(table))[:MOST_ROWS])
        order = self._order(codes)
        near = _nearest(codes, order, grown_on)
        self.models = []
        for place, variable in enumerate(order):
            report(0.1 + 0.9 * place / len(order), f"Growing tree {place + 1} of {len(order)}")
            self.models.append(self._grown(variable, near[variable], codes, grown_on))

    def sample(self, rows: int, rng: np.random.Generator, report: Report) -> pd.DataFrame:
        drawn: dict[int, np.ndarray] = {}
        for place, model in enumerate(self.models):
            report(place / len(self.models), "Drawing rows")
            self._draw(model, drawn, rows, rng)
        return self._decoded(drawn)

    def save(self, folder: Path) -> None:
        arrays: dict[str, np.ndarray] = {}
        about: dict[str, Any] = {"codecs": [], "gap_of": self.gap_of, "stages": []}
        for place, encoder in enumerate(self.encoders):
            if isinstance(encoder, NumericEncoder):
                arrays |= {f"{part} {place}": getattr(encoder, part) for part in ("values", "common", "ends")}
                about["codecs"].append(None)
            else:
                about["codecs"].append({"names": encoder.names.tolist(), "rare": encoder.rest})
        for place, model in enumerate(self.models):
            about["stages"].append({"variable": model.variable, "predictors": model.predictors})
            arrays |= {f"scale {place} {i}": scale for i, scale in enumerate(model.scales) if scale is not None}
            leaves = model.drawn_from
            if isinstance(leaves, Boosted):
                for i, text in enumerate(leaves.texts()):
                    arrays[f"model {place} {i}"] = np.frombuffer(text.encode(), np.uint8)
                leaves = leaves.errors
            arrays |= {f"{part} {place}": array for part, array in leaves.cart._asdict().items()}
            arrays |= {f"starts {place}": leaves.starts, f"donors {place}": leaves.donors}
        about["columns"] = self.columns.model_dump(mode="json")
        (folder / "trees.json").write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")
        np.savez_compressed(folder / "trees.npz", **arrays)

    def load(self, folder: Path, schema: Schema) -> None:
        about = json.loads((folder / "trees.json").read_text(encoding="utf-8"))
        self.columns, self.gap_of = Schema.model_validate(about["columns"], extra="ignore"), about["gap_of"]
        with np.load(folder / "trees.npz", allow_pickle=False) as arrays:
            self.encoders = [
                NumericEncoder(*(arrays[f"{part} {place}"] for part in ("values", "common", "ends")))
                if state is None
                else CategoryEncoder(np.array(state["names"], str), state["rare"])
                for place, state in enumerate(about["codecs"])
            ]
            self.models = [_loaded(place, model, arrays) for place, model in enumerate(about["stages"])]

    def complete(self, given: pd.DataFrame, rng: np.random.Generator, report: Report) -> pd.DataFrame:
        """Rows with the values of `given`: a bootstrap filter over the columns in their visiting order.

        Each row has several particles, which draw the columns that are not given. At a given column, a particle's
        weight is how likely the given value is after what it has drawn, and the particles are resampled by weight.
        Source: Gordon, Salmond and Smith 1993, "Novel approach to nonlinear/non-Gaussian Bayesian state estimation".
        """
        known = {}
        for place, (column, encoder) in enumerate(zip(self.columns, self.encoders, strict=True)):
            if column.name in given.columns:
                known[place] = encoder.encode(given[column.name])
                if self.gap_of[place] >= 0:
                    known.setdefault(self.gap_of[place], np.zeros(len(given), np.int32))
        rows, particles = len(given), 1
        drawn: dict[int, np.ndarray] = {}
        left = sum(model.variable in known for model in self.models)
        for place, model in enumerate(self.models):
            report(place / len(self.models), "Drawing rows")
            if model.variable not in known:
                if left and particles == 1:
                    particles = PARTICLES
                    drawn = {variable: np.repeat(codes, particles, axis=0) for variable, codes in drawn.items()}
                self._draw(model, drawn, rows * particles, rng)
                continue
            left -= 1
            value = np.repeat(known[model.variable], particles)
            if particles > 1:
                weights = self._likelihood(model, drawn, value, rng).reshape(rows, particles)
                chosen = _resampled(weights, 1 if not left else particles, rng)
                particles = chosen.shape[1]
                chosen = (chosen + len(weights[0]) * np.arange(rows)[:, None]).ravel()
                drawn = {variable: codes[chosen] for variable, codes in drawn.items()}
            drawn[model.variable] = np.repeat(known[model.variable], particles)
        return self._decoded(drawn)

    def knows(self, column: str, value: str) -> bool:
        encoder = self.encoders[self.columns.names.index(column)]
        return value in encoder.names

    # Fitting ---------------------------------------------------------------------------------------------------

    def _order(self, codes: list[np.ndarray]) -> list[int]:
        """Whether values are missing, then the columns."""
        size, columns = len(self.encoders), list(range(len(self.encoders)))
        if self.params.order != "as in the table":
            few_first = self.params.order == "few values first"
            columns.sort(key=lambda place: len(self.encoders[place]) * (1 if few_first else -1))
        return [*range(size, len(codes)), *columns]

    def _levels_of(self, variable: int) -> int:
        return 2 if variable >= len(self.encoders) else len(self.encoders[variable])

    def _is_ordered(self, variable: int) -> bool:
        return variable < len(self.encoders) and self.encoders[variable].ordered

    def _grown(
        self, variable: int, predictors: list[int], codes: list[np.ndarray], grown_on: np.ndarray
    ) -> ColumnModel:
        rows = grown_on[codes[variable][grown_on] >= 0]
        outcome, levels = codes[variable][rows], self._levels_of(variable)
        classes = not self._is_ordered(variable) and levels <= MOST_CLASSES
        if classes:
            meaning = np.eye(levels)[outcome]
        else:
            position = np.arange(levels)
            if not self._is_ordered(variable) and predictors:
                position = self._ordered_levels(outcome, levels, predictors, codes, rows)
            outcome = _ranks(position[outcome])
            meaning = outcome[:, None]
        scales = [
            None
            if self._is_ordered(predictor) or self._levels_of(predictor) <= 2
            else target_scale(codes[predictor][rows], self._levels_of(predictor), meaning)
            for predictor in predictors
        ]
        matrix = _matrix(predictors, scales, codes, rows)
        drawn_from = None
        if self._is_ordered(variable) and predictors:
            drawn_from = self._boosted(variable, matrix, codes[variable][rows])
        if drawn_from is None:
            cart = Cart.grow(matrix, outcome, classes=classes, min_leaf=self.min_leaf, seed=self.seed)
            there = np.flatnonzero(codes[variable] >= 0)
            drawn_from = Leaves.fill(cart, _matrix(predictors, scales, codes, there), codes[variable][there])
        return ColumnModel(variable, predictors, scales, drawn_from)

    def _boosted(self, variable: int, matrix: np.ndarray, coded: np.ndarray) -> Boosted | None:
        """Boosted trees that draw a number, where the column is fine enough for them and they draw it better."""
        encoder = self.encoders[variable]
        if not self.params.refine or len(encoder) < FINE or len(coded) < ENOUGH:
            return None
        scores = encoder.scores(coded, np.random.default_rng([self.seed, 2, variable]))
        fine = sum(encoder.ordered and len(encoder) >= FINE for encoder in self.encoders)
        halves = Halves.fit(matrix, scores, min(ROUNDS, max(ROUNDS * 20 // fine, 10)), self.seed)
        settings = {"min_leaf": self.min_leaf, "seed": self.seed}
        if not fits_better(halves, matrix, scores, encoder.ends, **settings):
            return None
        return Boosted.of(halves, matrix, scores, **settings)

    def _ordered_levels(
        self, outcome: np.ndarray, levels: int, predictors: list[int], codes: list[np.ndarray], rows: np.ndarray
    ) -> np.ndarray:
        """Where each of very many levels lies along the predictor that they say most about."""
        counts = np.maximum(np.bincount(outcome, minlength=levels), 1)
        best, most = np.arange(levels, dtype=float), -1.0
        for predictor in predictors:
            seen = codes[predictor][rows].astype(float)
            means = np.bincount(outcome, seen, levels) / counts
            said = means[outcome].var() / max(seen.var(), 1e-12)
            if said > most:
                best, most = means, said
        # Levels with equal means keep apart.
        return np.argsort(np.argsort(best, kind="stable"), kind="stable")

    # Drawing ---------------------------------------------------------------------------------------------------

    def _draw(self, model: ColumnModel, drawn: dict[int, np.ndarray], rows: int, rng: np.random.Generator) -> None:
        """Add the model's variable to what is drawn: codes, and beside those of numbers the numbers themselves."""
        codes = np.full(rows, -1, np.int32)
        gap = self.gap_of[model.variable] if model.variable < len(self.encoders) else -1
        todo = np.arange(rows) if gap < 0 else np.flatnonzero(drawn[gap] == 0)
        matrix = _matrix(model.predictors, model.scales, drawn, todo)
        if isinstance(model.drawn_from, Boosted):
            amounts = self.encoders[model.variable].of_scores(model.drawn_from.draw(matrix, rng))
        else:
            amounts, codes[todo] = self._from_leaves(model.variable, model.drawn_from, matrix, rng)
        if amounts is not None:
            codes[todo] = self.encoders[model.variable].places(amounts)
            drawn[self._amounts_of(model.variable)] = np.full(rows, np.nan)
            drawn[self._amounts_of(model.variable)][todo] = amounts
        drawn[model.variable] = codes

    def _from_leaves(
        self, variable: int, leaves: Leaves, matrix: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray | None, np.ndarray]:
        """Numbers (of an ordered column) and codes, each row's from the leaf it falls into."""
        leaf = leaves.cart.find(matrix)
        start, end = leaves.starts[leaf], leaves.starts[leaf + 1]
        donor = start + (leaves.spread(leaf, rng) * (end - start)).astype(np.int64)
        codes = leaves.donors[donor]
        if not self._is_ordered(variable):
            return None, codes
        beside = np.clip(donor + rng.choice([-1, 1], len(donor)), start, end - 1)
        return self.encoders[variable].between(codes, leaves.donors[beside], rng), codes

    def _likelihood(
        self, model: ColumnModel, drawn: dict[int, np.ndarray], value: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """How likely each row's leaf is to hold its code, or for numbers one near it."""
        matrix = _matrix(model.predictors, model.scales, drawn, np.arange(len(value)))
        if isinstance(model.drawn_from, Boosted):
            return model.drawn_from.likelihood(matrix, self.encoders[model.variable].scores(value, rng))
        leaves, levels = model.drawn_from, self._levels_of(model.variable)
        low = high = value
        if self._is_ordered(model.variable):
            # A sixteenth of the rows on either side counts as near.
            ordered = np.sort(leaves.donors)
            low = ordered[np.maximum(np.searchsorted(ordered, value) - len(ordered) // 16, 0)]
            high = ordered[np.minimum(np.searchsorted(ordered, value) + len(ordered) // 16, len(ordered) - 1)]
        leaf = leaves.cart.find(matrix).astype(np.int64)
        size = np.diff(leaves.starts)
        donors = np.repeat(np.arange(len(size)), size) * levels + leaves.donors
        near = np.searchsorted(donors, leaf * levels + high, "right") - np.searchsorted(donors, leaf * levels + low)
        near = np.where(value < 0, 0, near)  # a level that the model does not know
        return (near + 0.1) / (size[leaf] + 1)

    def _amounts_of(self, variable: int) -> int:
        """Where the numbers of an ordered column lie among what is drawn."""
        return -1 - variable

    def _decoded(self, drawn: dict[int, np.ndarray]) -> pd.DataFrame:
        columns = {}
        for place, (column, encoder) in enumerate(zip(self.columns, self.encoders, strict=True)):
            if isinstance(encoder, NumericEncoder):
                amounts = drawn.get(self._amounts_of(place))
                columns[column.name] = encoder.decode(
                    encoder.amounts(drawn[place]) if amounts is None else amounts, column
                )
            else:
                columns[column.name] = encoder.decode(drawn[place], column)
        return pd.DataFrame(columns)


def _loaded(place: int, about: dict[str, Any], arrays: Any) -> ColumnModel:
    cart = Cart(*(arrays[f"{part} {place}"] for part in Cart._fields))
    drawn_from = Leaves(cart, arrays[f"starts {place}"], arrays[f"donors {place}"])
    if f"model {place} 0" in arrays:
        texts = [arrays[f"model {place} {i}"].tobytes().decode() for i in (0, 1)]
        drawn_from = Boosted.of_texts(texts, drawn_from)
    scales = [arrays.get(f"scale {place} {i}") for i in range(len(about["predictors"]))]
    return ColumnModel(about["variable"], about["predictors"], scales, drawn_from)


def _gap_patterns(codes: list[np.ndarray]) -> tuple[list[int], list[np.ndarray]]:
    """For each column the variable that says whether it has a value (-1: always), and those variables' codes.

    Columns that are missing in the same rows share one.
    """
    gap_of, found, gaps = [], {}, []
    for coded in codes:
        missing = coded < 0
        if not missing.any():
            gap_of.append(-1)
            continue
        pattern = missing.tobytes()
        if pattern not in found:
            found[pattern] = len(codes) + len(gaps)
            gaps.append(missing.astype(np.int32))
        gap_of.append(found[pattern])
    return gap_of, gaps


def _nearest(codes: list[np.ndarray], order: list[int], rows: np.ndarray) -> dict[int, list[int]]:
    """For each variable those before it that say most about it, at most `MOST_PREDICTORS`, in their order."""
    before = {variable: order[:place] for place, variable in enumerate(order)}
    if len(order) <= MOST_PREDICTORS + 1:
        return before
    said = associations([codes[variable][rows[:4000]] for variable in order])
    for place, variable in enumerate(order):
        best = np.argsort(-said[place, :place], kind="stable")[:MOST_PREDICTORS]
        before[variable] = [order[other] for other in np.sort(best)]
    return before


def _ranks(values: np.ndarray) -> np.ndarray:
    """Where each value lies among all, 0 to 1, equal ones in the middle of theirs."""
    ordered = np.sort(values)
    return (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / 2 / len(values)


def target_scale(codes: np.ndarray, levels: int, meaning: np.ndarray) -> np.ndarray:
    """Each level's smoothed target mean, along the direction in which these differ most; missing last."""
    codes = np.where(codes < 0, levels, codes)
    counts = np.bincount(codes, minlength=levels + 1).astype(float)
    sums = np.stack([np.bincount(codes, side, levels + 1) for side in meaning.T], axis=1)
    overall = meaning.mean(axis=0)
    means = (sums + SMOOTHING * overall) / (counts + SMOOTHING)[:, None] - overall
    if means.shape[1] == 1:
        return means[:, 0]
    _, directions = np.linalg.eigh((means * counts[:, None]).T @ means)
    return means @ directions[:, -1]


def _matrix(predictors: list[int], scales: list[np.ndarray | None], codes: Codes, rows: np.ndarray) -> np.ndarray:
    """What the tree sees of some rows: codes, or where the code lies on its scale."""
    matrix = np.empty((len(rows), len(predictors)), np.float32)
    for place, (predictor, scale) in enumerate(zip(predictors, scales, strict=True)):
        seen = codes[predictor][rows]
        matrix[:, place] = seen if scale is None else scale[seen]
    return matrix


def _resampled(weights: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """For each row `count` of its particles, by systematic resampling in proportion to their weights."""
    ends = np.cumsum(weights, axis=1)
    ends /= ends[:, -1:]
    points = (rng.random((len(weights), 1)) + np.arange(count)) / count
    return np.minimum((points[:, :, None] > ends[:, None, :]).sum(axis=2), weights.shape[1] - 1)

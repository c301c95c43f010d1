"""Levels that few rows hold, which could point at one person: which are protected, and what comes in their place.

Everything here happens before a model sees the rows, so that no model holds a protected level, in memory or on disk, and
no word of ours is ever drawn in their place: each cell of a protected level takes a kept level of one of the rows that are
most alike in the other columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from synth.columns.numeric import as_floats, is_choice
from synth.columns.people import about_people
from synth.schema import Column, Schema

OF_PEOPLE, OF_THINGS = 5, 2
"""Rows that hold a level, at least, for it to be kept: in columns about people, and in others."""
ENOUGH_STAYS = 0.5
"""Where less than this share of a column's rows would stay, nothing is replaced in silence."""
SMALL_TABLE, ENOUGH_LEVELS = 100, 0.75
"""Nor, in a table of fewer rows, where less than this share of the levels would stay: of 8 cities in 24 rows that are no
people, 3 stand alone, and the table would lose them without anybody being the safer."""
BINS = 8
ALIKE_IN = 6
"""Other columns that rows are compared by, at most: those that say most about the column."""
LOOKED_AT = 10_000
"""Rows that tell which columns say most about another."""

Outcome = Literal["kept", "replaced", "lost", "chosen"]


class Protection(BaseModel):
    """What is done about the rare levels of one column."""

    model_config = ConfigDict(extra="forbid")

    column: str = Field(description="The column.", examples=["occupation"])
    about: str = Field(
        "", description="What about people it holds; empty where it is about things.", examples=["a job"]
    )
    below: int = Field(description="Levels that fewer rows hold are protected.", examples=[5])
    levels: int = Field(description="Different levels of the column.", examples=[62])
    rows: int = Field(description="Rows that hold a level.", examples=[2000])
    rare_levels: int = Field(description="Levels that fewer rows hold.", examples=[12])
    rare_rows: int = Field(description="Rows that hold one of these.", examples=[31])
    outcome: Outcome = Field(
        description="What comes of them: kept (all levels come out as they are), replaced (by kept levels of the rows most "
        "alike), lost (replaced too, but that leaves less than half of the column: the owner should choose), or chosen "
        "(as the column's own settings say).",
        examples=["replaced"],
    )
    place: str = Field(
        "similar", description="What stands in their place, as the column's `rare` says.", examples=["similar"]
    )
    smallest: dict[str, int] = Field(
        default_factory=dict,
        description="Of the target and of columns of two values: the kept levels of fewer than five rows, with their rows.",
        examples=[{"fraud": 3}],
    )

    @property
    def changes(self) -> bool:
        """Whether any cell is changed before a model learns the column."""
        return self.rare_rows > 0 and self.outcome != "kept"


def level_counts(table: pd.DataFrame, schema: Schema) -> dict[str, pd.Series]:
    """Of each category and boolean column, how many rows hold each level, and of whole numbers that are a choice."""
    counts = {}
    for column in schema:
        values = table[column.name]
        if column.kind in ("category", "boolean") or is_choice(values, column):
            counted = values.value_counts()
            counts[column.name] = counted[counted > 0].rename(index=str)
    return counts


def protections(schema: Schema, counts: Mapping[str, pd.Series], below: int | None = None) -> list[Protection]:
    """What is done about each column's rare levels; `counts` as `level_counts` gives them.

    `below`: levels of fewer rows are protected in columns about people; None: five. A column's own number goes first.
    """
    levels = {name: dict(zip(count.index, count.tolist(), strict=True)) for name, count in counts.items()}
    about = about_people(schema.columns, levels)
    return [
        _protection(schema[name], count, about.get(name, ""), below or OF_PEOPLE)
        for name, count in counts.items()
        if len(count)
    ]


def _protection(column: Column, counts: pd.Series, about: str, of_people: int) -> Protection:
    chosen = column.rare != "auto" or column.rare_below is not None
    below = column.rare_below or (of_people if about else OF_THINGS)
    rare, rows = counts < below, int(counts.sum())
    is_answer = column.kind != "category" or (not about and (len(counts) <= 2 or column.role == "target"))
    found = Protection(
        column=column.name,
        about=about,
        below=below,
        levels=len(counts),
        rows=rows,
        rare_levels=int(rare.sum()),
        rare_rows=int(counts[rare].sum()),
        outcome="replaced",
    )
    if is_answer:
        # A rare answer is never turned into the other one.
        few = counts[counts < OF_PEOPLE]
        smallest = {str(level): int(count) for level, count in few.items()}
        return found.model_copy(update={"outcome": "kept", "smallest": smallest})
    if column.rare == "keep":
        return found.model_copy(update={"outcome": "kept", "place": "keep"})
    if chosen:
        return found.model_copy(
            update={"outcome": "chosen", "place": "similar" if column.rare == "auto" else column.rare}
        )
    few_stay = rows - found.rare_rows < ENOUGH_STAYS * rows
    if rows < SMALL_TABLE and not about:
        few_stay |= len(counts) - found.rare_levels < ENOUGH_LEVELS * len(counts)
    if few_stay:
        return found.model_copy(update={"outcome": "lost" if about else "kept"})
    return found.model_copy(update={"outcome": "replaced" if found.rare_levels else "kept"})


# In their place ----------------------------------------------------------------------------------------------------


def protected(
    table: pd.DataFrame,
    schema: Schema,
    found: Sequence[Protection],
    groups: Sequence[Sequence[str]] = (),
    seed: int = 0,
) -> pd.DataFrame:
    """`table` without the rare levels; `found` are the protections of `schema`'s columns.

    `groups` are columns whose values only come together as they do in the table: of these a row takes them all from one
    other row. The same seed gives the same table.
    """
    changed = [one for one in found if one.changes]
    if not changed:
        return table
    keys = {column.name: _key(table[column.name], column) for column in schema}
    rare = {one.column: _rare_rows(table[one.column], one.below) for one in changed}
    similar = {one.column for one in changed if one.place in ("similar", "coarser")}
    result = table.copy(deep=False)
    for one in changed:
        if one.place in ("blank", "label", "coarser"):
            result[one.column], left = _instead(table[one.column], rare[one.column], one, schema[one.column])
            rare[one.column] = left
    together = [list(group) for group in groups if similar & set(group)]
    alone = [[name] for name in rare if name in similar and not any(name in group for group in together)]
    for number, names in enumerate([*together, *alone]):
        lacking = np.logical_or.reduce([rare[name] for name in names if name in similar])
        lacking &= table[names].notna().all(axis=1).to_numpy()
        givers = ~np.logical_or.reduce([rare[name] for name in names if name in rare])
        givers &= table[names].notna().all(axis=1).to_numpy()
        donors = _donors(names, lacking, givers, keys, np.random.default_rng([seed, 7, number]))
        for name in names:
            result[name] = _taken(result[name], lacking, donors)
    for one in changed:
        if isinstance(result[one.column].dtype, pd.CategoricalDtype):
            # Not even as a category without rows.
            result[one.column] = result[one.column].cat.remove_unused_categories()
    return result


def _key(values: pd.Series, column: Column) -> np.ndarray:
    """What rows are compared by: levels, or eighths of numbers and dates, as numbers from 0 on; the last is missing."""
    if column.kind == "category" and isinstance(values.dtype, pd.CategoricalDtype):
        codes = values.cat.codes.to_numpy()
    elif column.kind in ("category", "boolean"):
        codes = pd.factorize(values)[0]
    else:
        amounts = as_floats(values)
        known = amounts[~np.isnan(amounts)]
        edges = np.unique(np.quantile(known, np.arange(1, BINS) / BINS)) if len(known) else np.empty(0)
        codes = np.where(np.isnan(amounts), -1, np.searchsorted(edges, amounts, "right"))
    codes = codes.astype(np.int64)
    return np.where(codes < 0, codes.max(initial=0) + 1, codes)


def _rare_rows(values: pd.Series, below: int) -> np.ndarray:
    counts = values.value_counts()
    return values.isin(counts.index[counts < below]).to_numpy(bool)


def _donors(
    names: list[str], lacking: np.ndarray, givers: np.ndarray, keys: dict[str, np.ndarray], rng: np.random.Generator
) -> np.ndarray:
    """For each row of `lacking` the one of `givers` that it takes the values of `names` from; -1 where there is none.

    One that agrees with it in the column that says most about these, then, of those, in the next column in which any
    agrees, and so on. Among equals at random, a level of four times as many rows twice as likely: a rare level is more
    like other rare ones, and no common level is swollen by them.
    """
    asking, giving = np.flatnonzero(lacking), np.flatnonzero(givers)
    found = np.full(len(asking), -1)
    if not len(asking) or not len(giving):
        return found
    telling = _telling(names, giving, keys, rng)
    told = _together(names, giving, keys)
    weight = 1 / np.sqrt(np.bincount(told)[told])

    def settle(rows: np.ndarray, group: np.ndarray, groups: np.ndarray, depth: int) -> None:
        """`group`: of each of `rows` (places in `asking`), the group of givers it has come to; `groups`: of each giver."""
        if not len(rows):
            return
        if depth == len(telling):
            order = np.argsort(groups, kind="stable")
            start, end = np.searchsorted(groups[order], group), np.searchsorted(groups[order], group, "right")
            upto = np.append(0.0, np.cumsum(weight[order]))
            drawn = np.searchsorted(upto, upto[start] + rng.random(len(rows)) * (upto[end] - upto[start]), "right") - 1
            found[rows] = giving[order[np.clip(drawn, start, end - 1)]]
            return
        key = keys[telling[depth]]
        width = int(key.max()) + 1
        finer, of_giver = np.unique(groups * width + key[giving], return_inverse=True)
        sought = group * width + key[asking[rows]]
        place = np.minimum(np.searchsorted(finer, sought), len(finer) - 1)
        agrees = finer[place] == sought
        settle(rows[agrees], place[agrees], of_giver, depth + 1)
        settle(rows[~agrees], group[~agrees], groups, depth + 1)

    settle(np.arange(len(asking)), np.zeros(len(asking), np.int64), np.zeros(len(giving), np.int64), 0)
    return found


def _telling(names: list[str], giving: np.ndarray, keys: dict[str, np.ndarray], rng: np.random.Generator) -> list[str]:
    """The columns that say most about those of `names`, the most telling first.

    By how much likelier two rows agree in `names` that agree in the column: pairs of different rows, so that a column in
    which every row is alone says nothing.
    """
    some = giving if len(giving) <= LOOKED_AT else rng.choice(giving, LOOKED_AT, replace=False)
    told = _together(names, some, keys)
    chance = _agreement(np.zeros(len(some), np.int64), told)
    said = {name: _agreement(key[some], told, chance) - chance for name, key in keys.items() if name not in names}
    return [name for name in sorted(said, key=lambda name: -said[name]) if said[name] > 1e-9][:ALIKE_IN]


def _together(names: list[str], rows: np.ndarray, keys: dict[str, np.ndarray]) -> np.ndarray:
    """The values of several columns as one number a row, from 0."""
    told = np.zeros(len(rows), np.int64)
    for name in names:
        told = np.unique(told * (int(keys[name].max()) + 1) + keys[name][rows], return_inverse=True)[1]
    return told


def _agreement(groups: np.ndarray, told: np.ndarray, alone: float = 0.0) -> float:
    """How likely another row of a row's group is told alike; `alone` stands for rows without another."""
    cells, counts = np.unique(groups * (int(told.max()) + 1) + told, return_counts=True)
    of_cell = np.unique(cells // (int(told.max()) + 1), return_inverse=True)[1]
    size = np.bincount(of_cell, counts)
    alike = np.bincount(of_cell, counts * (counts - 1.0)) / np.maximum(size - 1, 1)
    return float(np.where(size > 1, alike, alone).sum() / len(told))


def _taken(values: pd.Series, lacking: np.ndarray, donors: np.ndarray) -> pd.Series:
    """`values` with those of the donors where they lack; missing where there is no donor."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        codes = values.cat.codes.to_numpy().copy()
        codes[lacking] = np.where(donors < 0, -1, codes[donors])
        taken = pd.Categorical.from_codes(codes.tolist(), dtype=values.dtype)
        return pd.Series(taken, index=values.index, name=values.name)
    place = np.arange(len(values))
    place[lacking] = donors
    return pd.Series(values.array.take(place, allow_fill=True), index=values.index, name=values.name)


def _instead(values: pd.Series, lacking: np.ndarray, found: Protection, column: Column) -> tuple[pd.Series, np.ndarray]:
    """The column as its owner wants it, and the rows for which that is not enough."""
    texts = values.astype(object).to_numpy(copy=True)
    left = np.zeros(len(values), bool)
    if found.place == "blank":
        texts[lacking] = None
    elif found.place == "label":
        texts[lacking] = column.rare_label
    else:
        groups = coarser(values[lacking].value_counts(), found.below)
        texts[lacking] = [groups.get(text, text) for text in texts[lacking]]
        left[lacking] = [text not in groups for text in values[lacking]]
    return pd.Series(texts, index=values.index, name=values.name).astype("category"), left


def coarser(counts: pd.Series, below: int) -> dict[str, str]:
    """For rare levels the longest beginning that levels of `below` rows or more share, such as A01 of A01.1 and A01.3.

    Texts are cut before signs and blanks, and those with digits anywhere; levels that share nothing are left out.
    """
    counts = counts[counts > 0]
    under: dict[str, list[str]] = {}
    for text in counts.index:
        for end in range(len(text) - 1, 0, -1):
            if not text[end].isalnum() or (text[end - 1].isalnum() and any(map(str.isdigit, text))):
                under.setdefault(text[:end].rstrip(), []).append(text)
    groups: dict[str, str] = {}
    for beginning in sorted(under, key=lambda text: (-len(text), text)):
        texts = [text for text in dict.fromkeys(under[beginning]) if text not in groups]
        if len(texts) > 1 and counts[texts].sum() >= below:
            groups |= dict.fromkeys(texts, beginning)
    return groups

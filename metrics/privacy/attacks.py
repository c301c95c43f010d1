"""Attacks on the people in the training data: singling out, linking, inferring (Giomi et al. 2023).

Each attack is run against training rows and, as its control, against as many holdout rows that no generator saw.
Only what succeeds more often against training rows is a leak; the rest is what the population tells anybody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import numpy as np

from metrics.base import NotMeasurable, Score, Tables, conformed, metric, once
from metrics.privacy.distances import equal_sides
from metrics.tools.compare import plain
from metrics.tools.encode import Encoded, Side, encoded, equal_edges
from metrics.tools.intervals import Interval, Z, clip
from metrics.tools.nearest import Space, in_parts, nearest, nearest_without_each, row_keys
from metrics.tools.sampling import randomness

SOURCE = "Giomi et al. 2023, A Unified Framework for Quantifying Privacy Risk in Synthetic Data (Anonymeter)"
QUERIES, LINKED, INFERRED = 1000, 2000, 1000
"""Singling-out queries asked; people whose records are linked; people whose secrets are inferred."""
KNOWN_COLUMNS = 3
"""Columns in a multivariate singling-out query."""
BATCH, MOST_BATCHES = 20_000, 50
PLAUSIBLE = 5
"""A query is tried only if about this few rows would match were its columns independent: most others match many."""
TOLERANCE = 0.05
"""A guessed number counts as right when it is this near, relative to itself; a date, relative to the range."""
Hits = tuple[float, int]
"""Successful attacks, and all attacks."""


@dataclass(frozen=True)
class Arena:
    """What an attack needs: the table the attacker has, the people attacked, and people who cannot leak."""

    sides: Encoded
    synthetic: Side
    targets: Side
    controls: Side
    seed: int


@dataclass(frozen=True)
class Outcome:
    """How often an attack succeeded against targets and controls, and mere guessing against targets."""

    attack: Hits
    control: Hits
    guessing: Hits
    parts: list[dict] | None = None
    """The same for each secret, where there are several."""


@once
def arenas(tables: Tables) -> tuple[Arena, list[Arena]]:
    """The arena of the synthetic table, and two with half of the holdout in its place, the other half as control."""
    sides = encoded(tables)
    train_rows, holdout_rows = equal_sides(tables)
    train, holdout = sides.train.take(train_rows), sides.holdout.take(holdout_rows)
    rng = randomness(tables.seed, "arenas")
    real = Arena(sides, sides.synthetic, train, holdout, tables.seed)
    order = rng.permutation(holdout.rows)
    first, second = np.array_split(order, 2)
    fresh = [
        Arena(
            sides,
            synthetic=holdout.take(here),
            targets=train.take(rng.permutation(train.rows)[: len(there)]),
            controls=holdout.take(there),
            seed=tables.seed,
        )
        for here, there in ((first, second), (second, first))
    ]
    return real, fresh


def run(tables: Tables, attack: Callable[[Arena], Outcome]) -> Score:
    """The risk of an attack with the synthetic table, beside that of the same attack with fresh real rows."""
    real, fresh = arenas(tables)
    outcome, fresh_outcomes = attack(real), [attack(arena) for arena in fresh]
    value, interval = excess_risk(outcome.attack, outcome.control)
    reference, reference_interval = excess_risk(
        together([outcome.attack for outcome in fresh_outcomes]),
        together([outcome.control for outcome in fresh_outcomes]),
    )
    detail = {
        "attack_rate": plain(rate(outcome.attack)),
        "control_rate": plain(rate(outcome.control)),
        "guessing_rate": plain(rate(outcome.guessing)),
        "attacks": outcome.attack[1],
    }
    if outcome.parts is not None:
        detail["secrets"] = sorted(outcome.parts, key=lambda part: -part["risk"])
    note = ""
    if rate(outcome.attack) <= rate(outcome.guessing):
        note = "The attack did no better than guessing, so it tells of this attack only, not that none succeeds."
    return Score(
        value=value, ci=interval, reference=reference, reference_ci=reference_interval, detail=detail, note=note
    )


def together(hits: list[Hits]) -> Hits:
    return sum(successes for successes, _ in hits), sum(attacks for _, attacks in hits)


def rate(hits: Hits) -> float:
    return hits[0] / max(hits[1], 1)


def wilson(hits: Hits) -> tuple[float, float]:
    """Rate and half-width of Wilson's interval (1927), which stays sensible near 0 and 1."""
    successes, attempts = hits
    whole = attempts + Z * Z
    half = Z / whole * sqrt(successes * (attempts - successes) / attempts + Z * Z / 4)
    return (successes + Z * Z / 2) / whole, half


def excess_risk(attack: Hits, control: Hits) -> tuple[float, Interval]:
    """Successes beyond the control's, as a share of what the control left: (a - c) / (1 - c), within 0 and 1.

    The error is propagated from both rates. Source: Giomi et al. 2023, section 4.
    """
    (attacked, attacked_half), (controlled, controlled_half) = wilson(attack), wilson(control)
    risk = (attacked - controlled) / (1 - controlled)
    half = sqrt(
        (attacked_half / (1 - controlled)) ** 2 + (controlled_half * (attacked - 1) / (1 - controlled) ** 2) ** 2
    )
    return min(max(risk, 0.0), 1.0), clip(max(risk - half, 0.0), max(risk + half, 0.0))


# Singling out ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Queries:
    """Conditions that may single somebody out, one query a row; see `kernels.count_matches`."""

    columns: np.ndarray
    comparisons: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.columns)

    def take(self, rows: np.ndarray) -> Queries:
        return Queries(self.columns[rows], self.comparisons[rows], self.values[rows])

    def distinct(self) -> Queries:
        """Each query once, in the order they come."""
        whole = np.column_stack([self.columns, self.comparisons, self.values])
        _, first = np.unique(whole, axis=0, return_index=True)
        return self.take(np.sort(first))

    def expected(self, columns: list[np.ndarray], rows: int) -> np.ndarray:
        """How many of `rows` rows would match each query if the columns had nothing to do with each other.

        `columns` holds each column's values in order, without the missing ones.
        """
        from metrics.tools.kernels import AT_LEAST, AT_MOST, LACKING

        shares = np.ones(self.columns.shape)
        for column, ordered in enumerate(columns):
            here = self.columns == column
            asked, comparison = self.values[here], self.comparisons[here]
            below, up_to = np.searchsorted(ordered, asked, "left"), np.searchsorted(ordered, asked, "right")
            matching = np.where(comparison == AT_LEAST, len(ordered) - below, up_to - below)
            matching = np.where(comparison == AT_MOST, up_to, matching)
            shares[here] = np.where(comparison == LACKING, rows - len(ordered), matching) / rows
        return rows * shares.prod(axis=1)

    def single_out(self, rows: np.ndarray) -> np.ndarray:
        """Which queries match exactly one of the rows."""
        from metrics.tools.kernels import count_matches

        found = np.empty(len(self), dtype=np.int64)

        def count(part: slice) -> None:
            count_matches(rows, self.columns[part], self.comparisons[part], self.values[part], 2, found[part])

        in_parts(count, len(self))
        return found == 1


def distinct_rows(arena: Arena, side: Side) -> np.ndarray:
    """The distinct rows of a table, rows x columns, levels as codes, missing as NaN."""
    names = arena.sides.names
    _, first = np.unique(row_keys([side], names)[0], return_index=True)
    columns = []
    for name in names:
        if name in side.codes:
            codes = side.codes[name].astype(np.float64)
            columns.append(np.where(codes == len(arena.sides.levels[name]), np.nan, codes))
        else:
            columns.append(side.numbers[name])
    return np.column_stack(columns)[np.sort(first)]


def univariate_queries(rows: np.ndarray, numeric: np.ndarray) -> Queries:
    """Values that occur once; the smallest and the largest number of a column also ask for "at most", "at least"."""
    from metrics.tools.kernels import AT_LEAST, AT_MOST, EQUAL, LACKING

    found: list[tuple[int, int, float]] = []
    for column, values in enumerate(rows.T):
        there = values[~np.isnan(values)]
        seen, counts = np.unique(there, return_counts=True)
        found += [(column, EQUAL, value) for value in seen[counts == 1]]
        if len(there) == len(values) - 1:
            found.append((column, LACKING, 0.0))
        if numeric[column] and len(there):
            extremes = ((AT_MOST, 0), (AT_LEAST, -1))
            found += [(column, comparison, seen[end]) for comparison, end in extremes if counts[end] == 1]
    parts = np.array(found, dtype=np.float64).reshape(-1, 3, 1)
    return Queries(parts[:, 0].astype(np.int64), parts[:, 1].astype(np.int64), parts[:, 2])


def multivariate_queries(
    rows: np.ndarray, middles: np.ndarray, numeric: np.ndarray, rng: np.random.Generator, count: int
) -> Queries:
    """`count` queries, each made of some columns of a random row, with what it says there.

    Numbers ask for at least the row's value when it is above the column's middle, else for at most it: extremes
    single out best.
    """
    from metrics.tools.kernels import AT_LEAST, AT_MOST

    columns = random_columns(rows, rng, count)
    values = rows[rng.integers(0, len(rows), count)[:, None], columns]
    return asking(columns, np.where(values > middles[columns], AT_LEAST, AT_MOST), values, numeric)


def combined_queries(rows: np.ndarray, numeric: np.ndarray, rng: np.random.Generator) -> Queries:
    """Different queries of several columns that match exactly one row: `QUERIES`, or as many as can be found."""
    ordered = [np.sort(values[~np.isnan(values)]) for values in rows.T]
    middles = np.array([np.median(values) if len(values) else 0 for values in ordered])
    queries = multivariate_queries(rows, middles, numeric, rng, 0)
    for _ in range(MOST_BATCHES):
        more = multivariate_queries(rows, middles, numeric, rng, BATCH)
        more = more.take(np.flatnonzero(more.expected(ordered, len(rows)) <= PLAUSIBLE))
        before, queries = len(queries), joined(queries, more.take(np.flatnonzero(more.single_out(rows)))).distinct()
        if len(queries) >= QUERIES or len(queries) - before < BATCH // 1000:
            break
    return queries


def random_queries(rows: np.ndarray, numeric: np.ndarray, rng: np.random.Generator, count: int, width: int) -> Queries:
    """`count` queries made by somebody who knows only which values occur."""
    from metrics.tools.kernels import AT_LEAST, AT_MOST

    columns = random_columns(rows, rng, count)[:, :width]
    values = rows[rng.integers(0, len(rows), columns.shape), columns]
    return asking(columns, rng.choice([AT_LEAST, AT_MOST], columns.shape), values, numeric)


def random_columns(rows: np.ndarray, rng: np.random.Generator, count: int) -> np.ndarray:
    """For each of `count` queries a few different columns, in order."""
    chosen = np.argsort(rng.random((count, rows.shape[1])), axis=1)[:, :KNOWN_COLUMNS]
    return np.sort(chosen, axis=1)


def asking(columns: np.ndarray, comparisons: np.ndarray, values: np.ndarray, numeric: np.ndarray) -> Queries:
    """Queries that compare numbers as told, levels for equality, and missing values for being missing."""
    from metrics.tools.kernels import EQUAL, LACKING

    comparisons = np.where(numeric[columns], comparisons, EQUAL)
    lacking = np.isnan(values)
    return Queries(columns, np.where(lacking, LACKING, comparisons), np.where(lacking, 0.0, values))


def singling_out(arena: Arena, multivariate: bool) -> Outcome:
    """Ask queries that match one synthetic row: how many match exactly one target, and exactly one control?"""
    rng = randomness(arena.seed, "singling out")
    rows = distinct_rows(arena, arena.synthetic)
    targets, controls = distinct_rows(arena, arena.targets), distinct_rows(arena, arena.controls)
    # In more rows fewer queries match exactly one.
    size = min(len(targets), len(controls))
    targets, controls = targets[:size], controls[:size]
    numeric = np.array([name not in arena.sides.levels for name in arena.sides.names])
    if multivariate:
        queries = combined_queries(rows, numeric, rng)
    else:
        queries = univariate_queries(rows, numeric)
        queries = queries.take(rng.permutation(len(queries)))
    queries = queries.take(np.arange(min(QUERIES, len(queries))))
    if not len(queries):
        raise NotMeasurable("No synthetic row has a value or values of its own that an attacker could ask for.")
    guesses = random_queries(rows, numeric, rng, len(queries), KNOWN_COLUMNS if multivariate else 1)
    # A thousand queries about fifty people are worth no more than fifty independent ones.
    worth = min(len(queries), len(rows), size)
    attack, control, guessing = (
        (worth * float(asked.single_out(asked_of).mean()), worth)
        for asked, asked_of in ((queries, targets), (queries, controls), (guesses, targets))
    )
    return Outcome(attack, control, guessing)


def joined(left: Queries, right: Queries) -> Queries:
    return Queries(
        np.vstack([left.columns, right.columns]),
        np.vstack([left.comparisons, right.comparisons]),
        np.vstack([left.values, right.values]),
    )


RISK = {
    "low": 0,
    "high": 1,
    "good": "low",
    "why": "0 means the attack succeeds no more often than against people who were never in the data.",
    "cost": "medium",
    "needs": ("holdout",),
    "matters": 0.02,
    "source": SOURCE,
}


@metric(
    "Singling out, one column",
    "privacy",
    "Can a single value of the synthetic table point at exactly one person of the training data?",
    **RISK,
)
def singling_out_univariate(tables: Tables) -> Score:
    """Can a single value of the synthetic table point at exactly one person of the training data?

    The attacker looks for values that occur once and for extremes ("the one aged 90 or more"), and hopes that they
    fit exactly one real person. Successes against training rows beyond those against as many holdout rows, as a
    share of what could be gained. In [0, 1], 0 is no leak.
    """
    return run(tables, lambda arena: singling_out(arena, multivariate=False))


@metric(
    "Singling out, several columns",
    "privacy",
    "Can a combination of values in the synthetic table point at exactly one person of the training data?",
    **RISK,
)
def singling_out_multivariate(tables: Tables) -> Score:
    """Can a combination of values in the synthetic table point at exactly one person of the training data?

    "A farmer in Hawaii who works at least 70 hours": combinations of three columns that fit exactly one synthetic
    row, numbers as "at least" or "at most". Successes against training rows beyond those against as many holdout
    rows, as a share of what could be gained. In [0, 1], 0 is no leak.
    """
    return run(tables, lambda arena: singling_out(arena, multivariate=True))


# Linking -----------------------------------------------------------------------------------------------------------


@metric(
    "Linkability",
    "privacy",
    "Can the synthetic table join two halves of one person's record?",
    **RISK,
)
def linkability(tables: Tables) -> Score:
    """Can the synthetic table join two halves of one person's record?

    The attacker holds two tables about the same people, say of a hospital and of a shop, and no shared key. For
    each half of a record he looks up the most similar synthetic row; where both halves find the same one, he joins
    them. Successes against training rows beyond those against as many holdout rows, as a share of what could be
    gained. In [0, 1], 0 is no leak. The columns are dealt to the halves in turn, those with most values first.
    """
    return run(tables, link)


def link(arena: Arena) -> Outcome:
    """Find the nearest synthetic row of each half of targets and of controls."""
    left, right = halves(arena)
    rng = randomness(arena.seed, "linking")
    count = min(LINKED, arena.targets.rows)
    found = {}
    for name, side in (("targets", arena.targets), ("controls", arena.controls)):
        chosen = side.take(rng.permutation(side.rows)[:count])
        found[name] = [nearest_rows(arena, chosen, names) for names in (left, right)]
    guesses = rng.integers(0, arena.synthetic.rows, (2, count))
    return Outcome(
        (int((found["targets"][0] == found["targets"][1]).sum()), count),
        (int((found["controls"][0] == found["controls"][1]).sum()), count),
        (int((guesses[0] == guesses[1]).sum()), count),
    )


def halves(arena: Arena) -> tuple[list[str], list[str]]:
    """The columns in two halves that tell about equally much."""
    names = arena.sides.names
    if len(names) < 2:
        raise NotMeasurable("There is only one column, and linking needs two halves of a record.")
    synthetic = arena.synthetic
    distinct = {
        name: len(np.unique(synthetic.codes[name] if name in synthetic.codes else synthetic.numbers[name]))
        for name in names
    }
    telling = sorted(names, key=lambda name: -distinct[name])
    return telling[0::2], telling[1::2]


def nearest_rows(arena: Arena, side: Side, names: list[str]) -> np.ndarray:
    """Position of the synthetic row nearest to each row, by these columns."""
    space = Space.of(arena.sides, names)
    return nearest(space.points(side), space.points(arena.synthetic), space.is_code)[1][:, 0]


# Inferring ---------------------------------------------------------------------------------------------------------


@metric(
    "Attribute inference",
    "privacy",
    "Can the synthetic table tell what somebody keeps secret, from what is known of them?",
    **RISK,
)
def attribute_inference(tables: Tables) -> Score:
    """Can the synthetic table tell what somebody keeps secret, from what is known of them?

    The attacker knows all of a person's record but one value (or only `options["quasi_identifiers"]`), looks up the
    most similar synthetic row, and reads the secret there; a number counts as guessed within 5 percent. The mean
    over the secrets (`options["sensitive"]`, or every column): successes against training rows beyond those
    against as many holdout rows, as a share of what could be gained. In [0, 1], 0 is no leak.
    """
    return run(tables, lambda arena: infer(arena, conformed(tables)))


def infer(arena: Arena, tables: Tables) -> Outcome:
    """Guess every secret of targets and controls from the nearest synthetic row."""
    known = [name for name in tables.options.get("quasi_identifiers", []) if name in arena.sides.names]
    secrets = [name for name in tables.options.get("sensitive", []) if name in arena.sides.names]
    secrets = [name for name in secrets or arena.sides.names if name not in known]
    if not secrets or len(arena.sides.names) < 2:
        raise NotMeasurable("There is no secret to guess from other columns.")
    rng = randomness(arena.seed, "inferring")
    count = min(INFERRED, arena.targets.rows)
    hits: dict[str, np.ndarray] = {}
    for name, side in (("targets", arena.targets), ("controls", arena.controls)):
        chosen = side.take(rng.permutation(side.rows)[:count])
        nearest_of = look_up(arena, chosen, known, secrets)
        hits[name] = guessed(arena, tables, chosen, nearest_of, secrets)
        if name == "targets":
            anybody = {secret: rng.integers(0, arena.synthetic.rows, count) for secret in secrets}
            hits["guessing"] = guessed(arena, tables, chosen, anybody, secrets)
    parts = []
    for place, secret in enumerate(secrets):
        attack, control = (int(hits["targets"][:, place].sum()), count), (int(hits["controls"][:, place].sum()), count)
        risk, interval = excess_risk(attack, control)
        parts.append(
            {
                "secret": secret,
                "risk": plain(risk),
                "ci": [plain(end) for end in interval],
                "attack_rate": plain(rate(attack)),
                "control_rate": plain(rate(control)),
                "guessing_rate": plain(float(hits["guessing"][:, place].mean())),
            }
        )
    return Outcome(*(pooled(hits[name]) for name in ("targets", "controls", "guessing")), parts)


def pooled(hits: np.ndarray) -> Hits:
    """Successes against all secrets of all people (people x secrets), as so many independent attacks.

    What is guessed about one person goes together, so that the spread of the people's own rates tells how many
    independent attacks the guesses are worth (the design effect: Kish 1965).
    """
    share, spread = float(hits.mean()), float(hits.mean(axis=1).var())
    attacks = round(len(hits) * share * (1 - share) / spread) if spread else hits.size
    return share * attacks, attacks


def look_up(arena: Arena, side: Side, known: list[str], secrets: list[str]) -> dict[str, np.ndarray]:
    """For each secret the position of the synthetic row nearest to each row by what is known."""
    if known:
        found = nearest_rows(arena, side, known)
        return dict.fromkeys(secrets, found)
    space = Space.of(arena.sides)
    positions = nearest_without_each(space.points(side), space.points(arena.synthetic), space.is_code)
    return {secret: positions[:, arena.sides.names.index(secret)] for secret in secrets}


def guessed(
    arena: Arena, tables: Tables, side: Side, positions: dict[str, np.ndarray], secrets: list[str]
) -> np.ndarray:
    """Which secrets of each row the synthetic rows at these positions tell (rows x secrets)."""
    found = np.empty((side.rows, len(secrets)), dtype=bool)
    for place, secret in enumerate(secrets):
        if secret in side.codes:
            found[:, place] = arena.synthetic.codes[secret][positions[secret]] == side.codes[secret]
            continue
        guess, truth = arena.synthetic.numbers[secret][positions[secret]], side.numbers[secret]
        if tables.schema[secret].kind == "datetime":
            slack = TOLERANCE * np.ptp(equal_edges(arena.sides.train.numbers[secret]))
        else:
            slack = TOLERANCE * np.abs(guess)
        with np.errstate(invalid="ignore"):
            near = np.abs(guess - truth) <= slack
        found[:, place] = near | (np.isnan(guess) & np.isnan(truth))
    return found

"""Self-test: is the evaluation right about this dataset? It is run on four tables whose verdict is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from pydantic import BaseModel, Field

from metrics.base import NotMeasurable, Tables, conformed
from metrics.evaluation import evaluate
from metrics.registry import METRICS
from metrics.tools.sampling import randomness, sample_rows
from metrics.verdict import FIGURES, verdict

PRIVACY = FIGURES["privacy"]
"""A table leaks when one of these says so: an attacker takes the easiest way in."""
TRENDS = ("column_pair_trends", "correlation_difference")
"""Either will do: SDMetrics cuts each table's numbers by its own range, which one outlier can move."""
MOST_ROWS = 10_000
FLIPPED = 0.1


class Check(BaseModel):
    """Whether the evaluation was right about a table whose verdict is known."""

    case: str = Field(description="Which table it is.", examples=["train"])
    expected: str = Field(description="What the evaluation must say of it.", examples=["It fails privacy."])
    passed: bool = Field(description="Whether it says so.", examples=[True])
    wrong: list[str] = Field(description="The verdicts that are wrong, each in a sentence.", examples=[[]])


@dataclass(frozen=True)
class Case:
    """A table whose verdict is known: which metrics must find it worse than real data, and which must not."""

    title: str
    expected: str
    tables: Callable[[Tables], Tables]
    worse: tuple[tuple[str, ...], ...] = ()
    """Of each group one metric at least must find it worse."""
    not_worse: tuple[str, ...] = ()
    as_good_as_real: bool = False
    """Whether no metric at all may find it worse."""

    @property
    def spared(self) -> tuple[str, ...]:
        """The metrics that must not find it worse."""
        return tuple(METRICS) if self.as_good_as_real else self.not_worse

    @property
    def metrics(self) -> list[str]:
        """The metrics it is evaluated with."""
        return list(dict.fromkeys([name for group in (*self.worse, self.spared) for name in group]))


def self_test(tables: Tables, report: Callable[[float, str], None] | None = None) -> list[Check]:
    """Evaluate four tables whose verdict is known, made of the real rows.

    The training rows handed out as synthetic must fail privacy. Half of the holdout must pass everything, with the
    other half as holdout. Every column shuffled by itself must fail the trends and the detector. The training rows
    with one cell in ten changed must fail privacy, although their columns look right.
    On few rows a check can fail because no metric can tell; the reader then knows that.
    Raises NotMeasurable without a holdout of at least twice the rows that privacy needs.
    """
    from metrics.privacy.distances import LEAST_ROWS

    tables = conformed(tables)
    if tables.holdout is None or len(tables.holdout) < 2 * LEAST_ROWS:
        raise NotMeasurable(f"The self-test needs a holdout of at least {2 * LEAST_ROWS} rows, to halve it.")
    checks = []
    for place, case in enumerate(CASES):
        if report:
            report(place / len(CASES), case.title)
        checks.append(checked(case, tables))
    if report:
        report(1.0, "Self-test done")
    return checks


def checked(case: Case, tables: Tables) -> Check:
    """The verdicts on one case, against those expected."""
    scores = evaluate(case.tables(tables), case.metrics)
    verdicts = {name: verdict(METRICS[name].card, score) for name, score in scores.items()}
    wrong = [
        f"{' or '.join(METRICS[name].card.title for name in group)} should have found it worse. "
        + " ".join(verdicts[name].text for name in group)
        for group in case.worse
        if all(verdicts[name].level != "worse" for name in group)
    ] + [
        f"{METRICS[name].card.title} should not have found it worse. {verdicts[name].text}"
        for name in case.spared
        if verdicts[name].level == "worse"
    ]
    return Check(case=case.title, expected=case.expected, passed=not wrong, wrong=wrong)


def copied(tables: Tables) -> Tables:
    """The training rows handed out as synthetic."""
    rows = sample_rows(len(tables.train), MOST_ROWS, tables.seed, "self-test copies")
    return replace(tables, synthetic=tables.train.iloc[rows].reset_index(drop=True))


def fresh(tables: Tables) -> Tables:
    """One half of the holdout as synthetic, the other as holdout."""
    order = randomness(tables.seed, "self-test halves").permutation(len(tables.holdout))
    middle = len(order) // 2
    return replace(tables, synthetic=tables.holdout.iloc[order[:middle]], holdout=tables.holdout.iloc[order[middle:]])


def shuffled(tables: Tables) -> Tables:
    """Every column of the training rows drawn by itself."""
    import pandas as pd

    rng = randomness(tables.seed, "self-test shuffled")
    size = min(len(tables.train), MOST_ROWS)
    columns = {
        name: values.iloc[rng.integers(0, len(values), size)].reset_index(drop=True)
        for name, values in tables.train.items()
    }
    return replace(tables, synthetic=pd.DataFrame(columns))


def flipped(tables: Tables) -> Tables:
    """The training rows with one cell in ten replaced by another row's."""
    import pandas as pd

    rng = randomness(tables.seed, "self-test flipped")
    rows = copied(tables).synthetic
    columns = {}
    for name, values in rows.items():
        others = tables.train[name].iloc[rng.integers(0, len(tables.train), len(rows))].reset_index(drop=True)
        columns[name] = values.where(rng.random(len(rows)) >= FLIPPED, others)
    return replace(tables, synthetic=pd.DataFrame(columns))


CASES = (
    Case("Training rows as synthetic", "must fail privacy", copied, worse=(PRIVACY,)),
    Case("Held-out real rows as synthetic", "must pass everything", fresh, as_good_as_real=True),
    Case(
        "Every column shuffled by itself",
        "must fail trends and detection",
        shuffled,
        worse=(TRENDS, ("detector",)),
        not_worse=("column_shapes",),
    ),
    Case(
        "Training rows with one cell in ten changed",
        "must fail privacy, although every column looks right",
        flipped,
        worse=(PRIVACY,),
        not_worse=("column_shapes",),
    ),
)

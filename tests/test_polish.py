"""Polishing, on pools whose best choice is known."""

import numpy as np
import pandas as pd
import pytest

from synth import Column, Schema, Synthesizer
from synth.generators.bootstrap import Bootstrap
from synth.params import POOL
from synth.sampling.polish import FEW, MOST_PAIRS, Polish
from tests.trained import fitted

ROWS = 2_000


def schema(**kinds: str) -> Schema:
    return Schema(columns=[Column(name=name, kind=kind) for name, kind in kinds.items()])


def twins(rows: int = ROWS) -> tuple[pd.DataFrame, Schema]:
    """Two columns of equal letters."""
    letters = np.tile(["x", "y"], rows // 2)
    return pd.DataFrame({"a": letters, "b": letters}).astype("category"), schema(a="category", b="category")


def polished(table: pd.DataFrame, described: Schema, rows: int = ROWS) -> tuple[Bootstrap, pd.DataFrame]:
    model = fitted(Bootstrap(Bootstrap.Params(polish=True), seed=0), table, described)
    return model, model.sample(rows)


def test_columns_drawn_apart_are_brought_together():
    # Drawn apart, half of the rows have equal letters. Four times as many are drawn, so that enough of them have.
    _, rows = polished(*twins())
    assert (rows["a"].astype(str) == rows["b"].astype(str)).mean() > 0.99
    assert rows["a"].value_counts()["x"] == pytest.approx(ROWS / 2, abs=20)


def test_what_the_pool_lacks_does_not_spoil_the_rest():
    table, described = twins()
    table["c"] = np.tile([1, 1, 2, 2], ROWS // 4)
    polish = Polish.learn(
        table, described.model_copy(update={"columns": [*described, Column(name="c", kind="integer")]})
    )
    rng = np.random.default_rng(0)
    pool = pd.DataFrame(
        {"a": rng.choice(["x", "y"], POOL * ROWS), "b": "x", "c": rng.choice([1, 2], POOL * ROWS, p=[0.8, 0.2])}
    )
    kept = pool.iloc[polish.keep(pool, ROWS, rng)]
    # No row has a "y" in b; the shares of a, and of c, can be had all the same.
    assert (kept["c"] == 1).mean() == pytest.approx(0.5, abs=0.03)
    assert 0.4 < (kept["a"] == "x").mean() < 0.9


def test_numbers_and_missing_values_come_in_their_shares():
    # Half of the known amounts lie from 0 to 10, half from 10 to 40; of the pool's a quarter lies below 10.
    rng = np.random.default_rng(0)
    amounts = np.where(np.arange(ROWS) % 2, rng.uniform(0, 10, ROWS), rng.uniform(10, 40, ROWS))
    table = pd.DataFrame({"a": pd.Series(amounts).mask(rng.random(ROWS) < 0.3)})
    pool = pd.DataFrame({"a": pd.Series(rng.uniform(0, 40, POOL * ROWS)).mask(rng.random(POOL * ROWS) < 0.2)})
    kept = pool["a"].iloc[Polish.learn(table, schema(a="number")).keep(pool, ROWS, rng)]
    assert kept.isna().mean() == pytest.approx(0.3, abs=0.025)
    assert (kept.dropna() < 10).mean() == pytest.approx(0.5, abs=0.025)


def test_rows_are_kept_once_each_and_in_order_of_the_pool():
    table, described = twins()
    at = Polish.learn(table, described).keep(table, 700, np.random.default_rng(0))
    assert len(at) == 700 and (np.diff(at) > 0).all()


def test_copies_are_not_preferred_to_fresh_rows():
    # The pool is half training rows, half new rows of the same kind: polishing must not see the difference.
    rng = np.random.default_rng(0)

    def people(rows: int) -> pd.DataFrame:
        age = rng.uniform(20, 60, rows)
        columns = {"age": age, "pay": age + rng.normal(0, 5, rows), "tall": rng.normal(0, 1, rows)}
        return pd.DataFrame(columns | {"town": rng.choice(list("pqrs"), rows)}).astype({"town": "category"})

    described = schema(age="number", pay="number", tall="number", town="category")
    train, fresh = people(ROWS), people(ROWS)
    shares = [
        (
            Polish.learn(train, described).keep(pd.concat([train, fresh]), ROWS // 2, np.random.default_rng(i)) < ROWS
        ).mean()
        for i in range(5)
    ]
    assert np.mean(shares) == pytest.approx(0.5, abs=0.02)


def test_the_saved_shares_are_of_many_rows_and_name_no_value(tmp_path):
    table = pd.DataFrame(
        {"name": ["common"] * 50 + ["unique"] * 1, "pay": [1.0] * 40 + [float(2**i + 0.5) for i in range(11)]}
    )
    polish = Polish.learn(table, schema(name="category", pay="number"))
    polish.save(tmp_path / "polish.json")
    text = (tmp_path / "polish.json").read_text()
    assert "common" in text and "unique" not in text
    assert not any(str(value) in text for value in table["pay"].iloc[40:])
    for margin in polish.margins:
        counts = margin.shares[1:] * len(table)
        assert (counts >= FEW).all() and margin.shares.sum() == pytest.approx(1)


def test_a_loaded_model_polishes_the_same(tmp_path):
    model, rows = polished(*twins())
    model.save(tmp_path)
    pd.testing.assert_frame_equal(Synthesizer.load(tmp_path).sample(ROWS), rows)


def test_conditions_and_chunks_give_the_rows_asked_for():
    model, _ = polished(*twins())
    rows = model.sample(300, {"a": "x"})
    assert len(rows) == 300 and (rows["a"] == "x").all() and (rows["b"] == "x").mean() > 0.99
    chunks = list(model.chunks(1_000, size=400))
    assert [len(chunk) for chunk in chunks] == [400, 400, 200]
    assert all((chunk["a"].astype(str) == chunk["b"].astype(str)).mean() > 0.98 for chunk in chunks)


def test_of_very_many_pairs_the_most_telling_are_kept():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({f"c{i}": rng.random(200) for i in range(40)}).assign(c39=lambda table: table["c7"])
    polish = Polish.learn(table, schema(**dict.fromkeys(table.columns, "number")))
    pairs = [margin.columns for margin in polish.margins if len(margin.columns) == 2]
    assert len(pairs) == MOST_PAIRS and [7, 39] in pairs


def test_without_polish_nothing_is_learned_for_it():
    assert fitted(Bootstrap(), *twins()).preparation.polish is None

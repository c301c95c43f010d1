import json

import numpy as np
import pandas as pd
import pytest

from synth import Column, Report, Schema, Stopped, quiet
from synth.generators.copula.gaussian_copula import MOST_ROWS, GaussianCopula
from synth.generators.copula.sdv_copula import SdvCopula
from synth.generators.neural.copulagan import CopulaGAN, fitted_shape, from_normal, to_normal
from tests.trained import fitted, small_world

RNG = np.random.default_rng(0)


def described(table: pd.DataFrame) -> tuple[pd.DataFrame, Schema]:
    kinds = {"f": "number", "i": "integer", "O": "category", "b": "boolean", "M": "datetime"}
    return table, Schema(columns=[Column(name=name, kind=kinds[table[name].dtype.kind]) for name in table])


def correlated(rows: int = 4_000, rho: float = 0.8) -> np.ndarray:
    return RNG.multivariate_normal([0, 0], [[1, rho], [rho, 1]], size=rows)


# Gaussian copula -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("marginals", ["empirical", "beta", "norm"])
def test_the_correlation_of_two_columns_is_learned(marginals):
    pairs = correlated()
    table = pd.DataFrame({"x": pairs[:, 0], "y": 100 + 3 * pairs[:, 1]})
    generator = fitted(GaussianCopula(GaussianCopula.Params(marginals=marginals)), *described(table))
    synthetic = generator.sample(4_000)
    assert synthetic.corr().loc["x", "y"] == pytest.approx(0.8, abs=0.03)
    assert synthetic["y"].mean() == pytest.approx(100, abs=0.3) and synthetic["y"].std() == pytest.approx(3, abs=0.2)


def test_a_skewed_column_keeps_its_shape_and_its_spike():
    spent = np.where(RNG.random(5_000) < 0.7, 0.0, RNG.exponential(500, 5_000)).round(2)
    synthetic = fitted(
        GaussianCopula(), *described(pd.DataFrame({"spent": spent, "x": RNG.normal(size=5_000)}))
    ).sample(5_000)
    assert (synthetic["spent"] == 0).mean() == pytest.approx(0.7, abs=0.03)
    assert synthetic["spent"].quantile(0.9) == pytest.approx(np.quantile(spent, 0.9), rel=0.1)


def test_ties_do_not_weaken_what_columns_have_in_common():
    # x > 0 and y > 0 agree in 1/2 + asin(0.8) / pi = 79.5 % of the rows.
    pairs = correlated(8_000) > 0
    table = pd.DataFrame({"a": np.where(pairs[:, 0], "yes", "no"), "b": pairs[:, 1]})
    synthetic = fitted(GaussianCopula(), *described(table)).sample(8_000)
    agree = ((synthetic["a"] == "yes") == synthetic["b"]).mean()
    assert agree == pytest.approx(0.5 + np.arcsin(0.8) / np.pi, abs=0.04)


def test_levels_keep_their_shares_and_lie_in_the_order_that_says_most():
    # Pay rises with the grade, and the names of the grades say nothing of it.
    grade = RNG.integers(0, 4, 4_000)
    table = pd.DataFrame({"grade": np.array(["m", "a", "z", "c"])[grade], "pay": grade * 10 + RNG.normal(0, 2, 4_000)})
    generator = fitted(GaussianCopula(), *described(table))
    levels = [level for level in generator.model.axes[0].levels if level is not None]
    assert levels in (["m", "a", "z", "c"], ["c", "z", "a", "m"])
    synthetic = generator.sample(4_000)
    assert synthetic["grade"].value_counts(normalize=True).between(0.22, 0.28).all()
    pay = synthetic.groupby("grade", observed=True)["pay"].median()
    assert pay["m"] < pay["a"] < pay["z"] < pay["c"]


def test_what_is_missing_depends_on_the_row():
    synthetic = fitted(GaussianCopula(), *small_world()).sample(3_000)
    missing = synthetic["height"].isna().groupby(synthetic["sex"].astype(str)).mean()
    assert missing["f"] < 0.06 < 0.2 < missing["m"]
    assert synthetic["height"].isna().mean() == pytest.approx(0.12, abs=0.03)


def test_no_record_holder_nor_metadata_is_saved(tmp_path):
    values = np.append(RNG.normal(0, 1, 999), 98_765.4321)
    for marginals in ("empirical", "beta"):
        table = pd.DataFrame({"x": values, "y": RNG.normal(size=1_000)})
        generator = fitted(GaussianCopula(GaussianCopula.Params(marginals=marginals)), *described(table))
        generator.save(tmp_path)
        saved = "".join(file.read_text() for file in tmp_path.iterdir())
        assert "98765" not in saved and "range_values" not in saved
        assert generator.sample(2_000)["x"].max() < 10


def test_sdv_is_told_no_real_values():
    synthesizer = SdvCopula({"axis 0": "uniform"}, [np.arange(50)], quiet)
    synthesizer.fit({"table": pd.DataFrame({"axis 0": RNG.random(50)})})
    assert synthesizer.get_metadata().to_dict()["tables"]["table"]["columns"] == {"axis 0": {"sdtype": "numerical"}}


def test_cancel_comes_between_columns():
    class Impatient(Report):
        fitted = 0

        def __call__(self, done, note="", **curve):
            self.fitted += note == "Fitting distributions"
            if self.fitted == 3:
                raise Stopped("cancelled")

    table = pd.DataFrame(RNG.normal(size=(500, 8)), columns=list("abcdefgh"))
    report = Impatient()
    with pytest.raises(Stopped):
        fitted(GaussianCopula(GaussianCopula.Params(marginals="beta")), *described(table), report)
    assert report.fitted == 3


def test_a_large_table_is_learned_from_a_part_of_it():
    rows = MOST_ROWS * 2
    generator = fitted(
        GaussianCopula(), *described(pd.DataFrame({"x": np.arange(rows) / 7, "k": ["a", "b"] * MOST_ROWS}))
    )
    synthetic = generator.sample(1_000)
    assert synthetic["x"].median() == pytest.approx(rows / 14, rel=0.1)


def test_others_randomness_is_left_alone():
    np.random.seed(5)
    expected = np.random.rand(3)
    np.random.seed(5)
    fitted(GaussianCopula(GaussianCopula.Params(marginals="beta")), *small_world(200)).sample(20)
    assert (np.random.rand(3) == expected).all()


def test_the_copula_is_saved_as_json(tmp_path):
    fitted(GaussianCopula(), *small_world(200)).save(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["copula.json", "generator.json"]
    json.loads((tmp_path / "copula.json").read_text())


# CopulaGAN -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("distribution", ["beta", "gamma", "norm", "truncnorm", "uniform"])
def test_numbers_made_normal_come_back(distribution):
    amounts = np.append(RNG.gamma(2, 1_000, 500), np.nan)
    shape = fitted_shape(amounts, distribution, seed=0)
    back = from_normal(to_normal(amounts, shape), shape)
    inside = (amounts > np.quantile(amounts[:-1], 0.05)) & (amounts < np.quantile(amounts[:-1], 0.95))
    assert np.allclose(back[inside], amounts[inside], rtol=1e-3)
    assert np.isnan(back[-1])


def test_a_skewed_column_becomes_about_normal():
    normal = to_normal(amounts := RNG.gamma(2, 1_000, 3_000), fitted_shape(amounts, "gamma", seed=0))
    assert normal.mean() == pytest.approx(0, abs=0.1) and normal.std() == pytest.approx(1, abs=0.1)


def test_a_single_value_comes_back():
    amounts = np.array([7.0, 7.0, np.nan])
    shape = fitted_shape(amounts, "beta", seed=0)
    assert from_normal(to_normal(amounts, shape), shape)[:2].tolist() == [7.0, 7.0]


def test_copulagan_draws_every_kind():
    table, schema = small_world(600)
    synthetic = fitted(CopulaGAN(CopulaGAN.Params(epochs=1)), table, schema).sample(50)
    assert [str(dtype) for dtype in synthetic.dtypes] == ["category", "float64", "boolean", "datetime64[us]"]


def test_copulagan_saves_no_record_holder(tmp_path):
    values = np.append(RNG.normal(0, 1, 999), 98_765.4321)
    generator = fitted(CopulaGAN(CopulaGAN.Params(epochs=1)), *described(pd.DataFrame({"x": values})))
    generator.save(tmp_path)
    assert "98765" not in "".join(file.read_text() for file in tmp_path.glob("*.json"))

"""What every generator can do. Parametrised over `GENERATORS`: a new one is tested by being listed."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from synth import GENERATORS, Generator, Report, Stopped, conform
from synth.schema.rules import Combination, Range
from tests.tables import AWKWARD, WIDE

QUICK = {
    "ctgan": {"epochs": 1},
    "tvae": {"epochs": 1},
    "copulagan": {"epochs": 1},
    "ganeraid": {"epochs": 1},
    "great": {"steps": 2, "layers": 1, "width": 32},
}
"""Settings that train for a moment, for the generators whose own would train for minutes."""

SHIPPED = [name for name, generator in GENERATORS.items() if generator.__module__.startswith("synth.")]
"""All but the fakes that other tests put beside them."""

TRAINS_FOR_MINUTES = {"great", "ganeraid"}
"""Their files test them on small tables; the whole suite over them belongs to the long trainings."""
every_generator = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in TRAINS_FOR_MINUTES else name for name in SHIPPED]
)


def quick(name: str, seed: int = 0, **params):
    generator = GENERATORS[name]
    return generator(generator.Params(**QUICK.get(name, {}), **params), seed=seed)


@every_generator
@pytest.mark.parametrize("table, schema", AWKWARD.values(), ids=AWKWARD)
def test_awkward_tables_give_the_same_columns_kinds_and_order(name, table, schema):
    rows = 25
    synthetic = quick(name).fit(table, schema).sample(rows)
    real = conform(table, schema)[schema.released.names]
    assert list(synthetic.columns) == schema.released.names
    assert len(synthetic) == rows
    assert [kind(dtype) for dtype in synthetic.dtypes] == [kind(dtype) for dtype in real.dtypes]
    for column in schema.released.having(roles=("feature", "target")):
        if real[column].notna().all() and schema[column].kind != "text":
            assert synthetic[column].notna().all(), column
        if real[column].isna().all():
            assert synthetic[column].isna().all(), column
        if isinstance(real[column].dtype, pd.CategoricalDtype):
            assert len(synthetic[column].cat.categories) > 0 or real[column].isna().all()


def kind(dtype) -> str:
    return "category" if isinstance(dtype, pd.CategoricalDtype) else str(dtype)


WIDE_TAKES_MINUTES = {"ctgan", "tvae", "copulagan", "ganeraid", "great"}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name in WIDE_TAKES_MINUTES else name for name in SHIPPED],
)
def test_300_columns(name):
    table, schema = WIDE
    synthetic = quick(name).fit(table, schema).sample(5)
    assert list(synthetic.columns) == schema.names and len(synthetic) == 5


@every_generator
def test_the_same_seed_gives_the_same_table_on_a_repeated_fit_too(name):
    table, schema = AWKWARD["mixed"]
    first, again = quick(name, seed=3).fit(table, schema), quick(name, seed=3).fit(table, schema)
    pd.testing.assert_frame_equal(first.sample(40), again.sample(40))
    pd.testing.assert_frame_equal(first.sample(40, seed=8), again.sample(40, seed=8))
    assert not first.sample(40).equals(first.sample(40, seed=8))


@every_generator
def test_a_saved_model_samples_the_same(name, tmp_path):
    table, schema = AWKWARD["mixed"]
    generator = quick(name, seed=1).fit(table, schema)
    generator.save(tmp_path / "model")
    loaded = GENERATORS[name].load(tmp_path / "model")
    pd.testing.assert_frame_equal(generator.sample(40), loaded.sample(40))


@every_generator
def test_no_id_nor_personal_data_reaches_the_output_or_a_saved_file(name, tmp_path):
    table, schema = AWKWARD["mixed"]
    generator = quick(name).fit(table, schema)
    synthetic = generator.sample(200)
    private = schema.released.having(kinds=("text",))
    assert private == ["customer", "name", "email", "remark"]
    for column in private:
        assert not set(synthetic[column]) & set(table[column])
    generator.save(tmp_path)
    saved = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    for value in table[[*private, "secret"]].stack():
        assert len(value) == 1 or value.encode() not in saved


@every_generator
def test_progress_rises_to_one(name):
    table, schema = AWKWARD["mixed"]
    for run in (
        lambda report: quick(name).fit(table, schema, report),
        lambda report: fitted(name).sample(5, report=report),
    ):
        listener = Listener()
        run(listener)
        assert listener.heard[-1] == 1.0
        assert listener.heard == sorted(listener.heard)


@every_generator
def test_a_cancelled_fit_stops(name):
    table, schema = AWKWARD["mixed"]
    with pytest.raises(Stopped):
        quick(name).fit(table, schema, Listener(stop_at=0.0))


@every_generator
def test_a_cancelled_draw_stops(name):
    with pytest.raises(Stopped):
        fitted(name).sample(50, report=Listener(stop_at=0.0))


@every_generator
def test_integers_stay_integers_and_decimals_keep_their_digits(name):
    synthetic = fitted(name).sample(100)
    assert synthetic["age"].dtype == "Int64" and synthetic["age"].isna().any()
    assert synthetic["age"].min() >= 18 and synthetic["age"].max() <= 58
    assert (synthetic["price"].round(2) == synthetic["price"]).all()
    assert (synthetic["joined"].dropna().dt.normalize() == synthetic["joined"].dropna()).all()


@every_generator
def test_chunks_make_up_the_rows_and_their_ids_differ(name):
    chunks = list(fitted(name).chunks(70, size=32))
    assert [len(chunk) for chunk in chunks] == [32, 32, 6]
    ids = pd.concat([chunk["customer"] for chunk in chunks])
    assert ids.is_unique and ids.str.fullmatch(r"CUST-\d{5}").all()


@every_generator
def test_conditions_are_met_by_as_many_rows_as_asked_for(name):
    rows = fitted(name).sample(30, {"cases": [{"where": {"sex": "f", "age": {"ge": 20}}, "rows": 12}]})
    assert len(rows) == 30
    assert ((rows["sex"] == "f") & (rows["age"] >= 20).fillna(False)).sum() >= 12


@every_generator
def test_rows_are_completed_and_gaps_filled(name):
    table, schema = AWKWARD["mixed"]
    given = table[["sex", "age", "email"]].head(20)
    rows = fitted(name).complete(given)
    assert list(rows.columns) == schema.released.names and rows[["sex", "age", "email"]].notna().all(axis=None)
    for column in given:
        there = given[column].notna()
        assert (rows.loc[there, column].astype(object) == given.loc[there, column].astype(object)).all()
    assert rows["price"].notna().all() and rows["customer"].is_unique


@every_generator
def test_rules_are_kept_in_every_row(name):
    table, schema = AWKWARD["mixed"]
    rules = [Range(column="price", low=12, high=54), Combination(columns=["sex", "bought"])]
    model = quick(name).fit(table, schema.model_copy(update={"rules": rules}))
    rows = model.sample(40)
    assert len(rows) == 40 and rows["price"].between(12, 54).all()
    assert set(rows.loc[rows["sex"].notna(), "bought"] == (rows["sex"] == "f")[rows["sex"].notna()]) == {True}
    assert [report.rule for report in model.rule_report] == ["12 <= price <= 54", "sex + bought as seen together"]


@every_generator
def test_polished_rows_are_as_many_as_asked_for_and_the_same_from_a_loaded_model(name, tmp_path):
    model = quick(name, polish=True).fit(*AWKWARD["mixed"])
    rows = model.sample(50, {"cases": [{"where": {"sex": "m"}, "rows": 20}]})
    assert len(rows) == 50 and (rows["sex"] == "m").sum() >= 20 and rows["customer"].is_unique
    model.save(tmp_path)
    pd.testing.assert_frame_equal(GENERATORS[name].load(tmp_path).sample(30, seed=2), model.sample(30, seed=2))


@every_generator
def test_no_rows_cannot_be_learned_nor_drawn(name):
    table, schema = AWKWARD["mixed"]
    with pytest.raises(ValueError, match="no rows to learn"):
        quick(name).fit(table.head(0), schema)
    with pytest.raises(ValueError, match="at least 1"):
        fitted(name).sample(0)


@every_generator
def test_unknown_parameters_are_errors(name):
    with pytest.raises(ValueError, match="no_such_thing"):
        GENERATORS[name].Params.model_validate({"no_such_thing": 1})


@every_generator
def test_params_tell_the_form_and_the_tuner_what_they_need(name):
    for field in GENERATORS[name].Params.model_json_schema().get("properties", {}).values():
        assert field["description"] and "default" in field and {"tune", "log", "advanced"} <= set(field)
    json.dumps(GENERATORS[name].Params.model_json_schema())


@every_generator
def test_models_are_saved_without_pickle(name, tmp_path):
    fitted(name).save(tmp_path)
    for file in tmp_path.rglob("*"):
        if file.suffix == ".npz":
            with np.load(file, allow_pickle=False) as arrays:
                assert all(arrays[key].dtype != object for key in arrays)
        assert file.suffix not in (".pkl", ".pickle", ".joblib", ".pt", ".bin") or not file.is_file()


PROMISES = {
    "Numbers, dates, categories, truth values, all with gaps": "test_awkward_tables_give_the_same_columns_kinds_and_order",
    "New ids, faked personal data": "test_no_id_nor_personal_data_reaches_the_output_or_a_saved_file",
    "Conditions, with the rows asked for": "test_conditions_are_met_by_as_many_rows_as_asked_for",
    "Completes rows, fills gaps": "test_rows_are_completed_and_gaps_filled",
    "Rules kept in every row": "test_rules_are_kept_in_every_row",
    "Polishing": "test_polished_rows_are_as_many_as_asked_for_and_the_same_from_a_loaded_model",
    "The same seed, the same table": "test_the_same_seed_gives_the_same_table_on_a_repeated_fit_too",
    "Saved and loaded, without pickle": "test_models_are_saved_without_pickle",
    "Draws in chunks, straight to the file": "test_chunks_make_up_the_rows_and_their_ids_differ",
    "Time limit, stop and keep": "time_limit_s",
    "Graphics card": "device",
}
"""What the README says of every generator, and the test that says so too, or the parameter that it takes."""


def promised() -> dict[str, dict[str, str]]:
    """The README's table: what each generator can do."""
    lines = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8").splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("| | `"))
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[begin:] if line.startswith("|")]
    rows = rows[: next((i for i, row in enumerate(rows) if len(row) != len(rows[0])), len(rows))]
    names = [name.strip("`") for name in rows[0][1:]]
    return {name: {row[0]: row[place] for row in rows[2:]} for place, name in enumerate(names, start=1)}


@pytest.mark.parametrize("name", SHIPPED)
def test_the_readme_promises_what_is_tested(name):
    kind, told = GENERATORS[name], promised()[name]
    assert set(told) == set(PROMISES)
    for promise, reason in PROMISES.items():
        if reason.startswith("test_"):
            marks = globals()[reason].pytestmark
            assert any(every_generator.mark == mark for mark in marks)
            itself = "itself" if kind._complete is not Generator._complete else "by trees"
            assert told[promise] == (itself if promise == "Completes rows, fills gaps" else "yes")
        else:
            assert told[promise] == ("yes" if reason in kind.Params.model_fields else "no")


_FITTED = {}


def fitted(name: str):
    """The generator fitted on the mixed table, once for all tests that only draw from it."""
    if name not in _FITTED:
        _FITTED[name] = quick(name).fit(*AWKWARD["mixed"])
    return _FITTED[name]


class Listener(Report):
    """Notes progress, and cancels once it has come to `stop_at`."""

    def __init__(self, stop_at: float = 2.0):
        self.heard: list[float] = []
        self.stop_at = stop_at

    def __call__(self, done: float, note: str = "", **curve: float) -> None:
        self.heard.append(done)
        if done >= self.stop_at:
            raise Stopped("cancelled")

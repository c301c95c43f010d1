"""What every generator must do, for those who write one.

    from synth.checks import check_generator

    def test_coin_does_what_a_generator_must():
        check_generator(Coin)

Each check is a function of a `Subject`, and `CHECKS` lists them; our own tests run them one by one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from synth.awkward_tables import AWKWARD, WIDE
from synth.generators.base import GENERATORS, Model
from synth.report import Report, Stopped
from synth.schema import Schema
from synth.schema.casting import conform
from synth.schema.rules import Combination, Ordering, Range
from synth.synthesizer import Synthesizer


class Listener(Report):
    """Notes progress, cancels once it has come to `stop_at`; `early` asks for an early stop after the first point."""

    def __init__(self, stop_at: float = 2.0, *, early: bool = False):
        self.heard: list[float] = []
        self.points = 0
        """Of the training's curve."""
        self.stop_at, self.early = stop_at, early

    def __call__(self, done: float, note: str = "", **curve: float) -> None:
        self.heard.append(done)
        self.points += bool(curve)
        if done >= self.stop_at:
            raise Stopped("cancelled")

    @property
    def stop_early(self) -> bool:
        return self.early and self.points > 0


class Subject:
    """A generator under test, fitted once on the table `mixed` for all checks that only draw from it."""

    def __init__(self, kind: type[Model]):
        self.kind = kind

    def new(self, schema: Schema, seed: int = 0, **params: Any) -> Synthesizer:
        """A synthesizer with quick parameters."""
        return Synthesizer(self.kind(self.kind.quick(**params), seed=seed), schema)

    def of(self, name: str, seed: int = 0) -> Synthesizer:
        """One that is fitted on an awkward table."""
        table, schema = AWKWARD[name]
        return self.new(schema, seed).fit(table)

    @cached_property
    def fitted(self) -> Synthesizer:
        return self.of("mixed")


Check = Callable[[Subject], None]
CHECKS: list[Check] = []
"""All checks but those over `AWKWARD` tables and the wide one, in the order in which they are declared."""


def _check(check: Check) -> Check:
    CHECKS.append(check)
    return check


def check_generator(kind: type[Model]) -> None:
    """Raise AssertionError (or what the generator raises) unless `kind` does all that a generator must.

    Takes some fifty fits of small tables with the parameters that its tag `quick` gives.
    """
    subject = Subject(kind)
    for name in AWKWARD:
        awkward_tables_give_the_same_columns_kinds_and_order(subject, name)
    a_table_of_300_columns_is_learned(subject)
    for check in CHECKS:
        check(subject)


def awkward_tables_give_the_same_columns_kinds_and_order(subject: Subject, name: str) -> None:
    table, schema = AWKWARD[name]
    synthetic = subject.of(name).sample(25)
    real = conform(table, schema)[schema.released.names]
    assert list(synthetic.columns) == schema.released.names
    assert len(synthetic) == 25
    assert [_kind(dtype) for dtype in synthetic.dtypes] == [_kind(dtype) for dtype in real.dtypes]
    for column in schema.released.having(roles=("feature", "target")):
        if real[column].notna().all() and schema[column].kind != "text":
            assert synthetic[column].notna().all(), column
        if real[column].isna().all():
            assert synthetic[column].isna().all(), column
        if isinstance(real[column].dtype, pd.CategoricalDtype):
            assert len(synthetic[column].cat.categories) > 0 or real[column].isna().all()


def _kind(dtype: Any) -> str:
    return "category" if isinstance(dtype, pd.CategoricalDtype) else str(dtype)


def a_table_of_300_columns_is_learned(subject: Subject) -> None:
    table, schema = WIDE
    synthetic = subject.new(schema).fit(table).sample(5)
    assert list(synthetic.columns) == schema.names and len(synthetic) == 5


@_check
def the_same_seed_gives_the_same_table_on_a_repeated_fit_too(subject: Subject) -> None:
    first, again = subject.of("mixed", seed=3), subject.of("mixed", seed=3)
    pd.testing.assert_frame_equal(first.sample(40), again.sample(40))
    pd.testing.assert_frame_equal(first.sample(40, seed=8), again.sample(40, seed=8))
    assert not first.sample(40).equals(first.sample(40, seed=8))


@_check
def a_saved_model_samples_the_same(subject: Subject) -> None:
    with TemporaryDirectory() as folder:
        subject.fitted.save(Path(folder) / "model")
        loaded = Synthesizer.load(Path(folder) / "model")
        pd.testing.assert_frame_equal(subject.fitted.sample(40), loaded.sample(40))


@_check
def no_id_nor_personal_data_reaches_the_output_or_a_saved_file(subject: Subject) -> None:
    table, schema = AWKWARD["mixed"]
    synthetic = subject.fitted.sample(200)
    private = schema.released.having(kinds=("text",))
    assert private == ["customer", "name", "email", "remark"]
    for column in private:
        assert not set(synthetic[column]) & set(table[column])
    with TemporaryDirectory() as folder:
        subject.fitted.save(Path(folder))
        saved = b"".join(file.read_bytes() for file in Path(folder).rglob("*") if file.is_file())
    for value in map(str, table[[*private, "secret"]].to_numpy().ravel()):
        assert len(value) == 1 or value.encode() not in saved


@_check
def progress_rises_to_one(subject: Subject) -> None:
    table, schema = AWKWARD["mixed"]
    fit, draw = Listener(), Listener()
    subject.new(schema).fit(table, fit)
    subject.fitted.sample(5, report=draw)
    for listener in (fit, draw):
        assert listener.heard[-1] == 1.0
        assert listener.heard == sorted(listener.heard)


@_check
def a_cancelled_fit_stops(subject: Subject) -> None:
    table, schema = AWKWARD["mixed"]
    _raises(Stopped, lambda: subject.new(schema).fit(table, Listener(stop_at=0.0)))


@_check
def a_cancelled_draw_stops(subject: Subject) -> None:
    _raises(Stopped, lambda: subject.fitted.sample(50, report=Listener(stop_at=0.0)))


@_check
def a_fit_that_is_asked_to_stop_early_keeps_what_is_trained(subject: Subject) -> None:
    table, schema = AWKWARD["mixed"]
    if subject.kind.stops_early:
        long, listener = subject.kind.lasting(500, len(table)).model_dump(exclude_defaults=True), Listener(early=True)
        assert len(subject.new(schema, **long).fit(table, listener).sample(5)) == 5
        assert 0 < listener.points < 100


@_check
def integers_stay_integers_and_decimals_keep_their_digits(subject: Subject) -> None:
    synthetic = subject.fitted.sample(100)
    assert synthetic["age"].dtype == "Int64" and synthetic["age"].isna().any()
    assert synthetic["age"].min() >= 18 and synthetic["age"].max() <= 58
    assert (synthetic["price"].round(2) == synthetic["price"]).all()
    assert (synthetic["joined"].dropna().dt.normalize() == synthetic["joined"].dropna()).all()


@_check
def chunks_make_up_the_rows_and_their_ids_differ(subject: Subject) -> None:
    chunks = list(subject.fitted.chunks(70, size=32))
    assert [len(chunk) for chunk in chunks] == [32, 32, 6]
    ids = pd.concat([chunk["customer"] for chunk in chunks])
    assert ids.is_unique and ids.str.fullmatch(r"CUST-\d{5}").all()


@_check
def conditions_are_met_by_as_many_rows_as_asked_for(subject: Subject) -> None:
    rows = subject.fitted.sample(30, {"cases": [{"where": {"sex": "f", "age": {"ge": 20}}, "rows": 12}]})
    assert len(rows) == 30
    assert ((rows["sex"] == "f") & (rows["age"] >= 20).fillna(False)).sum() >= 12


@_check
def rows_are_completed_and_gaps_filled(subject: Subject) -> None:
    table, schema = AWKWARD["mixed"]
    given = table[["sex", "age", "email"]].head(20)
    rows = subject.fitted.complete(given)
    assert list(rows.columns) == schema.released.names and rows[["sex", "age", "email"]].notna().all(axis=None)
    for column in given:
        there = given[column].dropna().astype(object)
        assert (rows[column].loc[there.index].astype(object) == there).all()
    assert rows["price"].notna().all() and rows["customer"].is_unique


@_check
def rules_are_kept_in_every_row(subject: Subject) -> None:
    table, schema = AWKWARD["mixed"]
    rules = [Range(column="price", low=12, high=54), Combination(columns=["sex", "bought"])]
    synthesizer = subject.new(schema.model_copy(update={"rules": rules})).fit(table)
    rows = synthesizer.sample(40)
    assert len(rows) == 40 and rows["price"].between(12, 54).all()
    known = rows["sex"].notna()
    assert set(rows.loc[known, "bought"] == (rows["sex"] == "f")[known]) == {True}
    assert [report.rule for report in synthesizer.rule_report] == ["12 <= price <= 54", "sex + bought as seen together"]


@_check
def columns_in_order_stay_in_order(subject: Subject) -> None:
    table, schema = AWKWARD["mixed"]
    table = table.assign(
        left=table["joined"] + pd.to_timedelta(np.arange(len(table)) % 9, unit="D"), paid=table["price"] + 3
    )
    columns = [schema["joined"], schema["sex"], schema["price"], *_renamed(schema, {"joined": "left", "price": "paid"})]
    rules = [Ordering(low="joined", high="left"), Ordering(low="price", high="paid", strict=True)]
    rows = subject.new(Schema(columns=columns, rules=rules)).fit(table).sample(40)
    dated = rows.dropna(subset=["joined", "left"])
    assert (dated["joined"] <= dated["left"]).all() and (rows["price"] < rows["paid"]).all()


def _renamed(schema: Schema, names: dict[str, str]) -> list:
    return [schema[old].model_copy(update={"name": new}) for old, new in names.items()]


@_check
def polished_rows_are_as_many_as_asked_for_and_the_same_from_a_loaded_model(subject: Subject) -> None:
    table, schema = AWKWARD["mixed"]
    synthesizer = subject.new(schema, polish=True).fit(table)
    rows = synthesizer.sample(50, {"cases": [{"where": {"sex": "m"}, "rows": 20}]})
    assert len(rows) == 50 and (rows["sex"] == "m").sum() >= 20 and rows["customer"].is_unique
    with TemporaryDirectory() as folder:
        synthesizer.save(Path(folder))
        loaded = Synthesizer.load(Path(folder))
        pd.testing.assert_frame_equal(loaded.sample(30, seed=2), synthesizer.sample(30, seed=2))


@_check
def no_rows_cannot_be_learned_nor_drawn(subject: Subject) -> None:
    table, schema = AWKWARD["mixed"]
    _raises(ValueError, lambda: subject.new(schema).fit(table.head(0)), "no rows to learn")
    _raises(ValueError, lambda: subject.fitted.sample(0), "at least 1")


@_check
def unknown_parameters_are_errors(subject: Subject) -> None:
    _raises(ValueError, lambda: subject.kind.Params.model_validate({"no_such_thing": 1}), "no_such_thing")


@_check
def params_have_defaults_that_the_form_and_the_tuner_can_start_from(subject: Subject) -> None:
    for field in subject.kind.Params.model_json_schema().get("properties", {}).values():
        assert "default" in field
    json.dumps(subject.kind.Params.model_json_schema())


@_check
def tags_tell_what_it_is(subject: Subject) -> None:
    kind = subject.kind
    assert GENERATORS[kind.name] is kind
    assert kind.title and kind.summary and "\n" not in kind.title + kind.summary
    assert kind.completes == (kind.complete is not Model.complete)
    kind.quick()


@_check
def models_are_saved_without_pickle(subject: Subject) -> None:
    with TemporaryDirectory() as folder:
        subject.fitted.save(Path(folder))
        for file in filter(Path.is_file, Path(folder).rglob("*")):
            if file.suffix == ".npz":
                with np.load(file, allow_pickle=False) as arrays:
                    assert all(arrays[key].dtype != object for key in arrays)
            assert file.suffix not in (".pkl", ".pickle", ".joblib", ".pt", ".bin")


def _raises(kind: type[Exception], act: Callable[[], object], words: str = "") -> None:
    try:
        act()
    except kind as error:
        assert words in str(error), f"It should speak of {words!r}: {error}"
    else:
        raise AssertionError(f"{kind.__name__} should have been raised.")

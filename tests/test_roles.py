"""Ids, personal data, text and constants: made new, in the look of the old, never the old."""

import re
import uuid

import numpy as np
import pandas as pd
import pytest

from synth.columns.fakes import KINDS, check_locale, fakes_of, kind_of
from synth.columns.patterns import Pattern
from synth.columns.precision import Precision
from synth.generators.bootstrap import Bootstrap
from synth.schema import Column, Schema
from tests.trained import fitted

ROWS = 400


def sampled(values, rows: int = 500, **column) -> pd.Series:
    """The column as a generator makes it for `rows` rows."""
    schema = Schema(columns=[Column(name="x", **column), Column(name="y", kind="number")])
    table = pd.DataFrame({"x": values, "y": np.arange(len(values)) / 3})
    return fitted(Bootstrap(seed=1), table, schema).sample(rows)["x"]


@pytest.mark.parametrize(
    "ids, pattern",
    [
        ([f"CUST-{i:05d}" for i in range(1, ROWS)], r"CUST-\d{5}"),
        ([f"CUST-{i:05d}" for i in (7, 3012, 99999)], r"CUST-\d{5}"),
        ([f"{i:04d}-{'ABCDEFGHIJ'[i % 10]}XQ{'KLMNO'[i % 5]}" for i in range(ROWS)], r"\d{4}-[A-J]XQ[K-O]"),
        ([f"user{i}" for i in range(ROWS)], r"user\d{3,4}"),
        ([str(uuid.UUID(int=i * 2**97 + 7, version=4)) for i in range(ROWS)], r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"),
        ([f"{i * 7919 % 16**6:06x}" for i in range(1, ROWS)], r"[0-9a-f]{6}"),
        ([f"😀{i:03d}" for i in range(ROWS)], r"😀\d{3,4}"),
    ],
)  # fmt: skip
def test_new_ids_follow_the_pattern_and_none_is_real(ids, pattern):
    new = sampled(ids, kind="text", role="id")
    assert new.is_unique and not set(new) & set(ids)
    assert new.map(lambda text: bool(re.fullmatch(pattern, text))).all(), new.head().tolist()


@pytest.mark.parametrize("ids", [range(1, 1001), range(0, 10**6, 997), [2**53 + i for i in range(300)], [5]])
def test_new_integer_ids_are_integers_and_none_is_real(ids):
    new = sampled(list(ids), rows=2000, kind="integer", role="id")
    assert new.dtype == "Int64" and new.is_unique and not set(new) & set(ids)


def test_a_full_pattern_grows_by_a_digit():
    """All 1,000 ids of three digits are taken, so new ones have four."""
    assert sampled([f"{i:03d}" for i in range(1000)], kind="text", role="id").str.fullmatch(r"\d{4}").all()


def test_ids_differ_across_a_million_rows_in_chunks():
    rng = np.random.default_rng(0)
    stream = Pattern.learn(pd.Series([f"A{i:04d}" for i in range(900)])).stream(1_000_000, rng)
    ids = np.concatenate([stream.take(250_000, rng) for _ in range(4)])
    assert len(set(ids)) == 1_000_000


def test_the_pattern_keeps_no_id():
    ids = pd.Series([f"{i * 7919 % 10**8:08d}-QX" for i in range(ROWS)])
    kept = Pattern.learn(ids).model_dump_json()
    assert not any(text[:8] in kept for text in ids)


def test_missing_ids_stay_as_frequent():
    new = sampled([None if i % 4 == 0 else f"K{i:03d}" for i in range(ROWS)], rows=2000, kind="text", role="id")
    assert new.isna().mean() == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize("kind", ["boolean", "datetime"])
def test_an_id_that_cannot_be_one_is_an_error(kind):
    values = [True, False] if kind == "boolean" else pd.to_datetime(["2020-01-01", "2020-01-02"])
    with pytest.raises(ValueError, match="marked as an id"):
        sampled(values, kind=kind, role="id")


def contacts() -> tuple[pd.DataFrame, Schema]:
    number = range(ROWS)
    table = {
        ("first", "first_name"): [f"Given{i}" for i in number],
        ("last", "last_name"): [f"FAMILY{i}" for i in number],
        ("full name", None): [f"Family{i}, Given{i}" for i in number],
        ("e-mail", "email"): [f"given{i}@family.com" for i in number],
        ("second e-mail", "email"): [f"other{i}@family.com" for i in number],
        ("phone", "phone"): [f"504-621-{i:04d}" for i in number],
        ("city", "city"): [f"City{i}" for i in number],
        ("born", "date_of_birth"): pd.date_range("1950-01-01", periods=ROWS),
    }
    columns = [
        Column(name=name, kind="datetime" if pii == "date_of_birth" else "text", role="pii", pii=pii)
        for name, pii in table
    ]
    return pd.DataFrame({name: values for (name, _), values in table.items()}), Schema(columns=columns)


def test_faked_people_agree_within_a_row():
    rows = fitted(Bootstrap(seed=2), *contacts()).sample(300)
    assert (rows["full name"].str.upper() == rows["last"] + ", " + rows["first"].str.upper()).all()
    plain = rows["first"].str.lower().str.replace("[^a-z]", "", regex=True)
    assert all(mail.startswith(first) for first, mail in zip(plain, rows["e-mail"], strict=True))
    assert rows["last"].str.isupper().all()
    assert (rows["e-mail"] != rows["second e-mail"]).all() and rows["e-mail"].is_unique
    assert rows["e-mail"].str.endswith("@example.com").all()
    assert rows["phone"].str.fullmatch(r"504-621-\d{4}").all()
    assert rows["born"].between(pd.Timestamp("1950-01-01"), pd.Timestamp("1951-02-10")).all()


def test_no_faked_value_is_a_real_one():
    table, schema = contacts()
    rows = fitted(Bootstrap(seed=2), table, schema).sample(1000)
    for name in table.columns.drop("born"):
        assert not set(rows[name]) & set(table[name])


def test_the_locale_decides_whose_names_they_are():
    table, schema = contacts()
    german = fitted(Bootstrap(seed=2), table, schema.model_copy(update={"locale": "de_DE"})).sample(300)
    english = fitted(Bootstrap(seed=2), table, schema).sample(300)
    assert german["city"].str.contains("[äöüß]").any() and not english["city"].str.contains("[äöüß]").any()


@pytest.mark.parametrize("locale", ["en_US", "ja_JP", "ar_EG", "fr-FR"])
def test_every_kind_can_be_faked_in_every_locale(locale):
    rng = np.random.default_rng(0)
    person = fakes_of(check_locale(locale)).people(5, 0, rng)
    assert all(len(person[kind]) == 5 and all(person[kind]) for kind in KINDS)


def test_an_unknown_locale_is_an_error():
    with pytest.raises(ValueError, match="Did you mean de, de_AT, de_CH, de_DE"):
        check_locale("de_XX")


@pytest.mark.parametrize(
    "label, kind", [("E-Mail", "email"), ("given name", "first_name"), ("iban", None), (None, None)]
)
def test_kinds_of_personal_data_go_by_several_names(label, kind):
    assert kind_of(label) == kind


def test_personal_data_of_no_stated_kind_is_recognised_by_its_look():
    assert sampled([f"a{i}@b.org" for i in range(50)], kind="text", role="pii").str.endswith("@example.com").all()
    assert sampled([f"Ann Lee{'abcdefgh'[i % 8]}" for i in range(50)], kind="text", role="pii").str.contains(" ").all()
    assert sampled([f"AB {i:04d}" for i in range(50)], kind="text", role="pii").str.fullmatch(r"AB \d{4}").all()


def test_text_is_faked_or_left_empty_by_choice():
    remarks = [f"patient {i} says that it hurts" for i in range(ROWS)]
    faked = sampled(remarks, kind="text")
    assert faked.notna().all() and not set(faked) & set(remarks)
    assert faked.str.split().str.len().between(5, 7).all()
    assert sampled(remarks, kind="text", text="empty").isna().all()


def test_text_of_codes_keeps_their_look():
    assert sampled([f"PC {i:05d}" for i in range(ROWS)], kind="text").str.fullmatch(r"PC \d{5}").all()


def test_a_constant_column_stays_constant():
    moment = pd.Timestamp("1969-07-20 20:17:40+00:00")
    assert (sampled([moment] * 5, kind="datetime", timezone="UTC") == moment).all()
    assert (sampled([2.5] * 5, kind="number") == 2.5).all()
    assert sampled([None] * 5, kind="integer").isna().all()


@pytest.mark.parametrize(
    "values, kind, expected",
    [
        ([0, 0, 0, 0, 0, 0, 3, 4, 900], "integer", (0, 900)),  # few rows: one is kept back from none
        ([0] * 50 + list(range(1, 51)), "integer", (0, 46)),  # 0 occurs often enough, 47 to 50 are single people's
        ([1.25, 2.5, 3.75], "number", (1.25, 3.75)),
        ([float(i) for i in range(1, 101)], "number", (5.5, 95.5)),  # between two people, on neither
    ],
)
def test_the_reach_ends_before_the_record_holders(values, kind, expected):
    grain = Precision.learn(pd.Series(values), Column(name="x", kind=kind))
    assert (grain.low, grain.high) == expected


@pytest.mark.parametrize("values, decimals", [([1.0, 2.0], 0), ([1.25, 2.5], 2), ([1 / 3, 2.0], None)])
def test_the_digits_of_a_number_are_learned(values, decimals):
    assert Precision.learn(pd.Series(values), Column(name="x", kind="number")).decimals == decimals


def test_datetimes_keep_their_step_and_time_zone():
    column = Column(name="x", kind="datetime", timezone="Europe/Berlin")
    days = pd.Series(pd.date_range("2024-10-20", periods=20, freq="D", tz="Europe/Berlin")).astype(
        "datetime64[us, Europe/Berlin]"
    )
    grain = Precision.learn(days, column)
    rounded = grain.apply(days + pd.Timedelta(hours=5).as_unit("us"), column)
    assert grain.step == "D" and rounded.dtype == days.dtype
    assert (rounded.dt.hour == 0).all()

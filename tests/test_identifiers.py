"""Personal data replayed, rare values reproduced, epsilon."""

from dataclasses import replace

import pandas as pd
import pytest

from metrics.base import Tables
from metrics.privacy.identifiers import epsilon, pii_replay, rare_values
from synth.schema import Column, Schema
from tests.judging import mixed_tables, tables


def people(names: list[str], mails: list[str], remarks: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"name": names, "mail": mails, "remark": remarks, "x": range(len(names))})


PEOPLE = Schema(
    columns=[
        Column(name="name", kind="text", role="pii"),
        Column(name="mail", kind="text", role="id"),
        Column(name="remark", kind="text"),
        Column(name="x", kind="integer"),
    ]
)


def test_names_and_addresses_of_real_people_are_counted_by_column():
    real = people(["Ann", "Bob", "Cay", "Dan"], ["ann@a.at", "bob@b.at", "cay@c.at", "dan@d.at"], ["hello"] * 4)
    made = people(
        ["Ann", "Ann", "Eve", "Bob"], ["eve@e.at", "fay@f.at", "bob@b.at", "gus@g.at"], ["new", "b", "c", "d"]
    )
    fresh = people(["Ann", "Ida"], ["ida@i.at", "kim@k.at"], ["e", "f"])
    score = pii_replay(Tables(real, fresh, made, PEOPLE))
    # Three of four names, one of four addresses; of strangers one of two is called Ann.
    assert score.value == 0.75
    assert score.reference == 0.5
    assert {column.column: column.count for column in score.detail.columns} == {
        "name": 3,
        "mail": 1,
        "remark": 0,
    }


def test_an_address_inside_a_text_is_found():
    real = people(["Ann"], ["ann@a.at"], ["hello"])
    made = people(["Eve", "Fay"], ["eve@e.at", "fay@f.at"], ["write to ann@a.at, please", "nothing here"])
    assert pii_replay(Tables(real, None, made, PEOPLE)).value == 0.5


def test_a_text_taken_whole_is_found():
    real = people(["Ann"], ["ann@a.at"], ["I was there on Monday"])
    made = people(["Eve"], ["eve@e.at"], ["I was there on Monday"])
    assert pii_replay(Tables(real, None, made, PEOPLE)).value == 1.0


def test_no_personal_column_says_so():
    score = pii_replay(mixed_tables())
    assert score.value is None
    assert "nothing to replay" in score.note


def test_the_share_of_rare_values_that_come_out():
    # Levels: y and z have at most three rows, x has ten. y comes out. Numbers: of 0 to 11 none is an outlier;
    # 500 and 900 lie beyond the outer fence, and 900 comes out: 2 of 4.
    train = {"a": ["x"] * 10 + ["y", "z", "z"], "n": [*range(11), 500, 900]}
    score = rare_values(tables(train, {"a": ["x", "y"], "n": [900, 5]}, {"a": ["x", "x"], "n": [3, 500]}))
    assert score.value == 0.5
    assert score.reference == 0.25
    assert score.detail.rare == 4


def test_training_rows_as_synthetic_reproduce_every_rarity():
    judged = tables({"a": ["x"] * 10 + ["y"]}, {"a": ["x"] * 10 + ["y"]})
    assert rare_values(judged).value == 1.0


def test_nothing_rare_says_so():
    score = rare_values(tables({"a": ["x", "y"] * 5}, {"a": ["x"]}))
    assert score.value is None
    assert "no rare level" in score.note


@pytest.mark.parametrize("given, factor", [(1.0, "2.7"), (0, "1.0"), (30, "astronomic")])
def test_epsilon_is_the_generators_promise_in_words(given, factor):
    score = epsilon(replace(mixed_tables(), options={"epsilon": given}))
    assert score.value == given
    assert factor in score.note


def test_a_generator_without_a_promise_says_so():
    assert epsilon(mixed_tables()).value is None

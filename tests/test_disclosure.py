"""CAP, k-anonymity and l-diversity, worked out by hand and as SDMetrics has it."""

from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sdmetrics.single_table.privacy import DisclosureProtection

from metrics.privacy.disclosure import choice, disclosure_protection, k_anonymity, l_diversity
from tests.judging import mixed_tables, rows, tables

CHOSEN = {"quasi_identifiers": ["a"], "sensitive": ["b"]}


def test_the_guess_is_as_good_as_the_share_of_people_alike_who_have_the_secret():
    # Secrets p and q. Of the synthetic rows with x two of three say p, with y all say q.
    # Training rows: (x, p) guessed with 2/3, (x, q) with 1/3, (y, q) with 1; z is like nobody. Mean 2/3, wrong 1/3;
    # throwing a coin is wrong in 1/2: 2/3.
    judged = tables(
        rows(("x", "p"), ("x", "q"), ("y", "q"), ("z", "q")),
        rows(("x", "p"), ("x", "p"), ("x", "q"), ("y", "q")),
        options=CHOSEN,
    )
    score = disclosure_protection(judged)
    assert score.value == pytest.approx(2 / 3)
    assert score.detail.known == ["a"]


def test_nobody_alike_means_nothing_follows():
    score = disclosure_protection(tables(rows(("x", "p"), ("y", "q")), rows(("z", "p")), options=CHOSEN))
    assert score.value is None
    assert "No synthetic row agrees with a real one" in score.note


PEOPLE = st.lists(
    st.tuples(st.sampled_from("xyz"), st.integers(0, 40), st.sampled_from("pqr")), min_size=4, max_size=30
)


@settings(max_examples=15, deadline=None)
@given(PEOPLE, PEOPLE)
def test_values_are_those_of_sdmetrics(real, made):
    names = ["a", "n", "b"]
    real, made = pd.DataFrame(real, columns=names), pd.DataFrame(made, columns=names)
    # Two numbers that differ: of a constant SDMetrics makes bins of another width.
    real.loc[:1, "n"] = [0, 40]
    ours = disclosure_protection(
        tables(real, made, options={"quasi_identifiers": ["a", "n"], "sensitive": ["b"]})
    ).value
    theirs = DisclosureProtection.compute(real, made, ["a", "n"], ["b"], continuous_column_names=["n"])
    if ours is not None:
        assert ours == pytest.approx(theirs)


def test_k_is_the_size_of_the_smallest_group():
    # Groups of three x and two y; their secrets p, q, q and p, p: two and one different.
    made = rows(("x", "p"), ("x", "q"), ("x", "q"), ("y", "p"), ("y", "p"))
    judged = tables(made, made, rows(("x", "p"), ("x", "q")), options=CHOSEN)
    assert k_anonymity(judged).value == 2
    assert k_anonymity(judged).reference == 2
    assert k_anonymity(judged).detail.groups == 2
    assert k_anonymity(judged).detail.groups_with_fewer_rows == {"2": 0, "5": 2, "10": 2}
    assert l_diversity(judged).value == 1
    assert l_diversity(judged).reference == 2


def test_numbers_are_grouped_in_bins():
    judged = tables(
        {"a": [0, 1, 99, 100], "b": list("pqpq")}, {"a": [0, 1, 99, 100], "b": list("pqpq")}, options=CHOSEN
    )
    assert k_anonymity(judged).value == 2


def test_without_a_choice_one_is_made_and_told():
    judged = mixed_tables()
    chosen = choice(judged)
    assert chosen.sensitive == ["buys"]
    assert "buys" not in chosen.known
    assert "No sensitive column was chosen" in disclosure_protection(judged).note
    assert choice(replace(judged, options={"sensitive": ["group"], "quasi_identifiers": ["age"]})).note == ""

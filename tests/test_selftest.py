"""The judge is judged on real rows: tables whose verdict is known."""

import pytest

from metrics import METRICS, evaluate
from metrics.base import NotMeasurable
from metrics.selftest import CASES, copied, flipped, fresh, self_test, shuffled
from metrics.verdict import verdict
from tests.judging import adult, mixed_tables


def test_the_judge_is_right_on_adult():
    heard = []
    checks = self_test(adult(1200, 600), report=lambda done, note: heard.append(done))
    assert [check.wrong for check in checks] == [[], [], [], []]
    assert all(check.passed for check in checks)
    assert [check.case for check in checks] == [case.title for case in CASES]
    assert heard == sorted(heard)
    assert heard[-1] == 1.0


def test_every_measure_of_copying_notices_it_where_rows_suffice():
    for make in (copied, flipped):
        scores = evaluate(make(adult(1200, 600)), list(COPYING))
        assert {name: verdict(METRICS[name].card, score).level for name, score in scores.items()} == dict.fromkeys(
            COPYING, "worse"
        )


COPYING = ("exact_copies", "near_copies", "distance_to_closest_record", "membership_inference")


def test_one_cell_in_ten_is_changed_and_the_columns_stay_as_they_are():
    judged = adult(1200, 300)
    changed = (flipped(judged).synthetic.astype(object) != judged.train.astype(object)).to_numpy().mean()
    # One in ten is drawn again; many of them come out as they were.
    assert 0.03 < changed < 0.1


def test_the_halves_of_the_holdout_share_no_row():
    judged = fresh(adult(500, 401))
    assert len(judged.synthetic) + len(judged.holdout) == 401
    assert not set(judged.synthetic.index) & set(judged.holdout.index)


def test_shuffled_rows_keep_the_columns():
    judged = adult(500, 300)
    assert set(shuffled(judged).synthetic["education"].dropna()) <= set(judged.train["education"].dropna())


def test_a_holdout_too_small_to_halve_says_so():
    with pytest.raises(NotMeasurable, match="at least 60 rows"):
        self_test(mixed_tables(100, 50, 100))

"""How strongly columns go together, worked out by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats.contingency import association

from metrics.fidelity.correlation import associations, correlation_difference
from metrics.tools.encode import encoded
from tests.judging import mixed_tables, rows, tables


def test_numbers_and_levels_are_associated_by_the_correlation_ratio():
    # Real: a is 1, 3 in x and 5, 7 in y; mean 4, total spread 9 + 1 + 1 + 9 = 20, between 2 * 4 + 2 * 4 = 16:
    # sqrt(16 / 20). Synthetic: both levels have 1 and 7: nothing between, 0.
    score = correlation_difference(
        tables(
            {"a": [1.0, 3.0, 5.0, 7.0] * 5, "b": list("xxyy") * 5},
            {"a": [1.0, 7.0, 1.0, 7.0] * 5, "b": list("xxyy") * 5},
        )
    )
    assert score.value == pytest.approx(np.sqrt(0.8))
    assert score.detail.pairs[0].measure == "correlation ratio"


def test_levels_are_associated_by_cramers_v():
    # Perfectly settled in the real rows, independent in the synthetic ones.
    score = correlation_difference(
        tables(rows(*[("x", "u"), ("y", "v")] * 10), rows(*[("x", "u"), ("y", "v"), ("x", "v"), ("y", "u")] * 5))
    )
    assert score.value == pytest.approx(1.0)


def test_the_sign_of_a_correlation_counts():
    score = correlation_difference(
        tables({"a": [1.0, 2.0, 3.0], "b": [1.0, 2.0, 3.0]}, {"a": [1.0, 2.0, 3.0], "b": [3.0, 2.0, 1.0]})
    )
    assert score.value == pytest.approx(2.0)


def test_cramers_v_is_scipys():
    judged = mixed_tables(300, 50, 50)
    ours = associations(encoded(judged), encoded(judged).train)
    for left, right in (("group", "buys"), ("group", "member"), ("member", "buys")):
        table = pd.crosstab(
            judged.train[left].astype(object).fillna("-"), judged.train[right].astype(object).fillna("-")
        )
        places = judged.schema.names.index(left), judged.schema.names.index(right)
        assert ours[places] == pytest.approx(association(table.to_numpy(), method="cramer"))


def test_the_correlation_ratio_leaves_missing_numbers_out():
    columns = {"a": [1.0, 3.0, 5.0, 7.0, None, None], "b": list("xxyyxz")}
    # As if the last two rows were not there: 16 of 20 lies between; no level is common enough for a bin of its own
    # but with ten times the rows.
    judged = tables({name: values * 10 for name, values in columns.items()}, columns)
    assert associations(encoded(judged), encoded(judged).train)[0, 1] == pytest.approx(np.sqrt(0.8))


def test_a_constant_column_goes_with_nothing():
    columns = {"a": [1.0, 2.0] * 5, "b": ["x"] * 10, "c": [3.0] * 10}
    assert np.isnan(
        associations(encoded(tables(columns, columns)), encoded(tables(columns, columns)).train)[0, 1:]
    ).all()


def test_fresh_rows_are_as_good_as_fresh_rows():
    score = correlation_difference(mixed_tables(1000, 500, 1000))
    assert score.at_holdout_size == pytest.approx(score.reference, abs=0.03)

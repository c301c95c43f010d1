"""Trees, on small worlds whose answers are known: what may come out, what depends on what, and what a fit costs."""

import numpy as np
import pandas as pd
import pytest
from sklearn.tree import DecisionTreeRegressor

from synth import Column, Schema, Synthesizer
from synth.columns.encoders import NumericEncoder
from synth.generators.trees.boosted import Boosted
from synth.generators.trees.cart import Cart, Leaves
from synth.generators.trees.trees import MOST_CLASSES, Trees, target_scale
from synth.schema.rules import Ordering
from tests.trained import fitted

ROWS = 3_000


def trees_of(rules: list | None = None, seed: int = 0, params: dict | None = None, **columns) -> Synthesizer:
    """Trees of a table written as `name=(kind, values)`."""
    schema = Schema(columns=[Column(name=name, kind=kind) for name, (kind, _) in columns.items()], rules=rules or [])
    table = pd.DataFrame({name: pd.Series(values) for name, (_, values) in columns.items()})
    return fitted(Trees(Trees.Params(**(params or {})), seed), table, schema)


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# What may come out --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("min_leaf", [5, 20, 80])
@pytest.mark.parametrize("refine", [False, True])
def test_no_leaf_holds_fewer_rows_than_the_minimum(min_leaf, refine):
    x = random().normal(size=ROWS)
    synthesizer = trees_of(
        params={"min_leaf": min_leaf, "refine": refine},
        x=("number", x),
        y=("number", x**2 + 0.1 * random(1).normal(size=ROWS)),
        town=("category", random(2).choice(list("abc"), ROWS)),
        likes=("boolean", x > 0),
    )
    leaves = [
        stage.drawn_from.errors if isinstance(stage.drawn_from, Boosted) else stage.drawn_from
        for stage in synthesizer.model.models
    ]
    assert min(np.diff(each.starts).min() for each in leaves) >= min_leaf
    assert max(len(each.starts) - 1 for each in leaves) > 5


@pytest.mark.parametrize(("rows", "least"), [(4_000, 25), (12_000, 30), (20_000, 40)])
def test_larger_tables_have_larger_leaves_unless_told_otherwise(rows, least):
    x = random().normal(size=rows)
    synthesizer = trees_of(params={"refine": False}, x=("number", x), y=("number", x + random(1).normal(0, 0.1, rows)))
    assert synthesizer.model.min_leaf == least
    assert np.diff(synthesizer.model.models[-1].drawn_from.starts).min() >= least


def test_the_rare_side_of_a_truth_value_is_drawn_as_rarely():
    drawn = trees_of(ill=("boolean", [True] * 4 + [False] * 496)).sample(20_000)["ill"]
    assert drawn.mean() == pytest.approx(0.008, abs=0.002)


@pytest.mark.parametrize("flag", [[0, 1], [2.5, 9.0]])
def test_the_rare_side_of_a_flag_in_numbers_is_drawn_as_rarely(flag):
    values = [flag[1]] * 4 + [flag[0]] * 496
    drawn = trees_of(ill=("integer" if flag == [0, 1] else "number", values)).sample(20_000)["ill"]
    assert set(drawn) == set(flag) and (drawn == flag[1]).mean() == pytest.approx(0.008, abs=0.002)


def test_the_ends_of_a_column_stay_away_from_its_records():
    # 1..995 and five records; as many rows as make a level common must have passed before the reach ends.
    pay = np.append(np.arange(1.0, 996), [2e6, 3e6, 4e6, 5e6, 6e6])
    drawn = trees_of(pay=("number", pay), params={"refine": False}).sample(20_000)["pay"]
    assert drawn.max() <= 2e6 and drawn.min() >= 5


def test_neither_rows_nor_the_model_repeat_values_of_one_person():
    pay = random().lognormal(10, 1, ROWS)
    synthesizer = trees_of(pay=("number", pay), x=("number", pay * random(1).uniform(0.9, 1.1, ROWS)))
    assert not np.isin(synthesizer.sample(ROWS)["pay"], pay).any()
    assert not np.isin(synthesizer.model.encoders[0].values, pay).any()


def test_what_a_column_of_numbers_may_give_out_again():
    # 7 is the value of four rows, as many as make it common. The others stand between their neighbours: 2 between 1
    # and 4, 4 between 2 and 7; the first and the last are the ends, which lie where four rows have passed.
    codec, codes = NumericEncoder.learn(pd.Series([1, 2, 4, 7, 7, 7, 7, 20.0] * 1 + [None]), rare_below=4)
    assert codes.tolist() == [0, 1, 2, 3, 3, 3, 3, 4, -1]
    assert codec.common.tolist() == [False, False, False, True, False]
    assert codec.values[1:4].tolist() == [2.5, 4.5, 7.0]
    assert codec.ends.tolist() == [1 / 8, 2 / 8, 3 / 8, 7 / 8, 1]


def test_values_on_a_grid_stay_on_it():
    steps = random().integers(0, 50, ROWS)
    table = trees_of(
        tens=("integer", 10 * steps), quarters=("number", steps / 4), free=("number", random(1).random(ROWS))
    )
    drawn = table.sample(ROWS)
    assert (drawn["tens"] % 10 == 0).all() and (drawn["quarters"] * 4 % 1 == 0).all()
    assert drawn["tens"].nunique() == 50


def test_a_spike_keeps_its_share_and_the_rest_stays_spread():
    worked = random().random(ROWS) < 0.1
    gain = np.where(worked, random(1).uniform(100, 200, ROWS), 0.0)
    drawn = trees_of(gain=("number", gain), worked=("boolean", worked)).sample(ROWS)
    assert (drawn["gain"] == 0).mean() == pytest.approx(0.9, abs=0.02)
    assert ((drawn["gain"] > 0) == drawn["worked"]).mean() > 0.995
    assert drawn.loc[drawn["gain"] > 0, "gain"].between(100, 200).mean() > 0.98
    assert drawn["gain"].nunique() > 200


# What depends on what -----------------------------------------------------------------------------------------


def test_values_are_missing_where_they_were():
    sex = random().choice(["f", "m"], ROWS)
    lost = (sex == "m") & (random(1).random(ROWS) < 0.3)
    height, weight = (pd.Series(random(i).normal(170, 9, ROWS)).mask(lost) for i in (2, 3))
    drawn = trees_of(sex=("category", sex), height=("number", height), weight=("number", weight)).sample(ROWS)
    assert drawn.loc[drawn["sex"] == "f", "height"].notna().all()
    assert drawn.loc[drawn["sex"] == "m", "height"].isna().mean() == pytest.approx(0.3, abs=0.03)
    assert (drawn["height"].isna() == drawn["weight"].isna()).all()


def test_an_interaction_of_two_columns_is_found():
    # The sum of both is odd: neither column alone says anything about it.
    a, b = random().integers(0, 2, ROWS), random(1).integers(0, 2, ROWS)
    drawn = trees_of(a=("integer", a), b=("integer", b), odd=("category", np.where(a ^ b, "odd", "even"))).sample(ROWS)
    assert ((drawn["odd"] == "odd") == (drawn["a"] != drawn["b"]).astype(bool)).mean() > 0.99


@pytest.mark.parametrize("cities", [MOST_CLASSES // 2, 10 * MOST_CLASSES])
def test_very_many_levels_stay_with_what_they_belong_to(cities):
    city = random().integers(0, cities, 10 * ROWS)
    synthesizer = trees_of(
        region=("category", np.char.add("region ", (city % 8).astype(str))),
        city=("category", np.char.add("city ", city.astype(str))),
    )
    drawn = synthesizer.sample(5_000)
    at_home = drawn["city"].astype(str).str[5:].astype(int) % 8 == drawn["region"].astype(str).str[7:].astype(int)
    assert at_home.mean() > 0.95
    assert drawn["city"].nunique() > 0.95 * min(cities, 5_000 / 3)


@pytest.mark.parametrize("refine", [True, False])
def test_a_number_that_follows_others_follows_them_closely(refine):
    # y lies 0.02 off a wave, in the mean; plain leaves are broader than that.
    x = random().uniform(0, 6, ROWS)
    y = np.sin(x) + random(1).normal(0, 0.02, ROWS)
    drawn = trees_of(x=("number", x), y=("number", y), params={"refine": refine}).sample(ROWS)
    off = (drawn["y"] - np.sin(drawn["x"])).std()
    assert off < 0.045 if refine else off > 0.01


def test_clustered_numbers_stay_in_their_clusters():
    # Three towns, nothing between them, and a second number that tells them apart only in part.
    town = random().integers(0, 3, ROWS)
    place = np.array([1.0, 5.0, 6.0])[town] + random(1).normal(0, 0.01, ROWS)
    drawn = trees_of(near=("number", town + random(2).normal(0, 1, ROWS)), place=("number", place)).sample(ROWS)
    assert (np.abs(drawn["place"].to_numpy()[:, None] - [1, 5, 6]).min(axis=1) < 0.1).mean() > 0.98


def test_the_order_of_two_datetimes_is_kept_with_its_rule():
    # Rides of half an hour in the mean, begun over a whole year.
    begin = pd.Timestamp("2024-01-01") + pd.to_timedelta(random().integers(0, 366 * 24 * 60, ROWS), unit="min")
    end = begin + pd.to_timedelta(random(1).gamma(3, 10, ROWS).round(), unit="min")
    rule = Ordering(low="begin", high="end")
    drawn = trees_of([rule], begin=("datetime", begin), end=("datetime", end)).sample(ROWS)
    minutes = (drawn["end"] - drawn["begin"]).dt.total_seconds() / 60
    assert (minutes >= 0).all()
    assert minutes.mean() == pytest.approx(30, abs=2) and minutes.std() == pytest.approx(300**0.5, abs=3)
    assert (drawn["begin"].dt.second == 0).all()


def test_columns_that_are_drawn_late_can_be_given():
    # The city is drawn after the region, having more values; given cities draw their regions all the same.
    city = random().integers(0, 40, ROWS)
    synthesizer = trees_of(
        region=("category", np.char.add("r", (city // 10).astype(str))),
        city=("category", np.char.add("c", city.astype(str))),
    )
    rows = synthesizer.complete(pd.DataFrame({"city": [f"c{i}" for i in range(40)] * 5}))
    assert (rows["region"].astype(str) == [f"r{i // 10}" for i in range(40)] * 5).mean() > 0.95


# The parts ----------------------------------------------------------------------------------------------------


def test_a_tree_finds_the_step_and_less_in_noise_than_it_might():
    x = np.arange(1_000, dtype=np.float32)[:, None]
    step = Cart.grow(x, np.where(x[:, 0] < 300, 0.0, 1.0), classes=False, min_leaf=20, seed=0)
    assert len(np.unique(step.find(x))) == 2 and step.threshold[0] == 299.5
    noise = Cart.grow(x, random().normal(size=1_000), classes=False, min_leaf=20, seed=0)
    unpruned = DecisionTreeRegressor(min_samples_leaf=20, random_state=0).fit(x, random().normal(size=1_000))
    assert noise.leaf[-1] + 1 < unpruned.get_n_leaves()


def test_rows_fall_where_scikit_learn_says():
    matrix = random().normal(size=(2_000, 3)).astype(np.float32)
    outcome = np.sign(matrix[:, 0] * matrix[:, 1]) * 10 + matrix[:, 2]
    ours = Cart.grow(matrix, outcome, classes=False, min_leaf=200, seed=0)
    theirs = DecisionTreeRegressor(min_samples_leaf=200, random_state=0).fit(matrix, outcome)
    together = pd.crosstab(ours.find(matrix), theirs.apply(matrix)) > 0
    # Pruning may have joined their leaves; it never splits one.
    assert (together.sum(axis=0) == 1).all()


def test_as_many_draws_as_a_leaf_has_rows_take_every_row_once():
    x = np.repeat([0.0, 1.0], 100)[:, None].astype(np.float32)
    cart = Cart.grow(x, x[:, 0], classes=False, min_leaf=20, seed=0)
    leaves = Leaves.fill(cart, x, np.arange(200))
    leaf = random().permutation(cart.find(x))
    start, end = leaves.starts[leaf], leaves.starts[leaf + 1]
    places = start + (leaves.spread(leaf, random(1)) * (end - start)).astype(int)
    assert sorted(leaves.donors[places]) == list(range(200))


def test_levels_lie_by_what_they_say_about_the_outcome():
    # Means of the outcome: 0 for level 0, 10 for level 1, 4 for level 2; missing (last) is as the whole table.
    codes = np.repeat([0, 1, 2], 100)
    scale = target_scale(codes, 3, np.repeat([0.0, 10.0, 4.0], 100)[:, None])
    assert np.argsort(scale[:3]).tolist() == [0, 2, 1] and scale[3] == 0
    # 100 rows against 10 of the whole table, whose mean is 14/3.
    assert scale[1] == pytest.approx((100 * 10 + 10 * 14 / 3) / 110 - 14 / 3)


def test_a_fit_goes_over_the_rows_little_more_often_when_there_are_more():
    def visits(rows: int) -> int:
        """How many nodes all rows together pass in one tree: what growing it costs."""
        x = random().uniform(0, 6, (rows, 3)).astype(np.float32)
        cart = Cart.grow(
            x, np.sin(x[:, 0]) + x[:, 1] + random(1).normal(0, 0.3, rows), classes=False, min_leaf=20, seed=0
        )
        depth = np.zeros(len(cart.left), int)
        for node in np.flatnonzero(cart.left >= 0):
            depth[[cart.left[node], cart.right[node]]] = depth[node] + 1
        rows_in = np.bincount(cart.find(x))
        return int((depth[cart.left < 0] * rows_in).sum())

    few, many = visits(2_000), visits(16_000)
    # n log n would be 8 x log(16,000 / 20) / log(2,000 / 20) = 11.6 times as many; n squared 64 times.
    assert 8 < many / few < 16


def test_the_order_of_visits_can_be_chosen():
    columns = {"many": ("integer", np.arange(ROWS) % 50), "few": ("category", np.where(np.arange(ROWS) % 2, "a", "b"))}
    orders = {
        order: [stage.variable for stage in trees_of(params={"order": order}, **columns).model.models]
        for order in ("few values first", "many values first", "as in the table")
    }
    assert orders == {"few values first": [1, 0], "many values first": [0, 1], "as in the table": [0, 1]}


def test_a_saved_model_holds_its_boosted_columns_too(tmp_path):
    x = random().uniform(0, 6, ROWS)
    synthesizer = trees_of(x=("number", x), y=("number", np.sin(x)))
    assert any(isinstance(stage.drawn_from, Boosted) for stage in synthesizer.model.models)
    synthesizer.save(tmp_path)
    pd.testing.assert_frame_equal(Synthesizer.load(tmp_path).sample(100), synthesizer.sample(100))

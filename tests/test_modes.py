import json

import numpy as np
import pandas as pd
import pytest

from synth import Column, Schema, conform
from synth.generators.neural.mode_encoder import Modes, Numbers, OneHotEncoder
from synth.generators.neural.quality_probe import Probe

RNG = np.random.default_rng(0)


def coded(columns: dict[str, tuple[str, list]], **options):
    """Modes fitted on a table of `name: (kind, values)`, its code and the table."""
    schema = Schema(columns=[Column(name=name, kind=kind) for name, (kind, _) in columns.items()])
    table = conform(pd.DataFrame({name: pd.Series(values) for name, (_, values) in columns.items()}), schema)
    modes = Modes(**options).fit(table, schema, seed=0)
    return modes, modes.encode(table, np.random.default_rng(1)), table


def test_what_is_coded_comes_back():
    modes, code, table = coded(
        {
            "height": ("number", np.concatenate([RNG.normal(150, 5, 300), RNG.normal(190, 5, 300)])),
            "born": ("datetime", pd.date_range("1893-01-01", periods=600, freq="7h")),
            "sex": ("category", ["f", "m", None] * 200),
            "member": ("boolean", [True, None, False] * 200),
        }
    )
    back = modes.decode(code, RNG)
    assert np.allclose(back["height"], table["height"], atol=1e-3)
    assert ((back["born"] - table["born"]).abs() < pd.Timedelta("5s")).all()
    assert back["sex"].astype("string").equals(table["sex"].astype("string"))
    assert back["member"].equals(table["member"])


def test_two_heaps_of_numbers_are_told_apart():
    _, code, _ = coded({"x": ("number", np.concatenate([RNG.normal(0, 1, 500), RNG.normal(100, 1, 500)]))})
    low, high = set(code.levels[:500, 0]), set(code.levels[500:, 0])
    assert not low & high


def test_missing_numbers_are_a_mode_of_their_own():
    modes, code, table = coded({"x": ("number", [None if i % 4 == 0 else i * 1.5 for i in range(400)])})
    missing = modes.widths[0] - 1
    assert ((code.levels[:, 0] == missing) == table["x"].isna()).all()
    assert (modes.decode(code, RNG)["x"].isna() == table["x"].isna()).all()


def test_few_distinct_numbers_are_levels_and_come_back_exactly():
    modes, code, table = coded(
        {"rooms": ("integer", [1, 2, 2, 5] * 50), "share": ("number", [0.0, 0.5, None, 0.0] * 50)}
    )
    assert all(isinstance(column, OneHotEncoder) for column in modes.columns)
    assert modes.widths == [3, 3]
    assert conform(modes.decode(code, RNG), modes.schema).equals(table)


def test_numbers_that_occur_once_are_not_levels():
    modes, *_ = coded({"x": ("number", [1.5, 2.25, 3.125, 4.0])})
    assert isinstance(modes.columns[0], Numbers)


def test_a_constant_takes_no_place():
    modes, code, _ = coded({"x": ("number", [7.0] * 9), "y": ("category", ["a", "b", "c"] * 3)})
    assert modes.widths == [3]
    assert (modes.decode(code, RNG)["x"] == 7.0).all()


def test_rare_levels_share_codes_and_are_drawn_by_frequency():
    # "a" and "b" are frequent; r0 to r7 share the other two codes: r0 to r3 (40 rows) and r4 to r7 (40 rows).
    values = ["a"] * 100 + ["b"] * 90 + [f"r{i}" for i in range(8) for _ in range(10)]
    values += ["r0"] * 30
    modes, code, _ = coded({"x": ("category", values)}, max_levels=4)
    assert modes.widths == [4]
    assert len(set(code.levels[:190, 0])) == 2
    many = code.take(np.tile(np.arange(len(code)), 50))
    shares = modes.decode(many, RNG)["x"].value_counts(normalize=True)
    assert set(shares[shares > 0].index) == set(values)
    # r0 has 40 of its group's rows; within the group it must be drawn as often as it occurs.
    assert shares["r0"] == pytest.approx(40 / 300, abs=0.01)
    assert shares["r7"] == pytest.approx(10 / 300, abs=0.01)


def test_a_column_of_only_distinct_levels_takes_no_more_places_than_allowed():
    modes, code, _ = coded({"x": ("category", [f"v{i:05d}" for i in range(20_000)])}, max_levels=50)
    assert modes.widths == [50]
    assert code.levels.max() == 49


def test_a_spike_keeps_its_share_and_its_place():
    values = np.concatenate([np.zeros(900), RNG.exponential(5_000, 100)])
    modes, code, _ = coded({"gain": ("number", values)})
    back = modes.decode(code, RNG)["gain"]
    assert (back[:900].abs() < 50).all()


def test_saved_modes_decode_the_same(tmp_path):
    modes, code, _ = coded({"x": ("number", RNG.normal(size=200)), "y": ("category", ["a", None] * 100)})
    modes.save(tmp_path / "modes.json")
    loaded = Modes.load(tmp_path / "modes.json")
    first, second = (one.decode(code, np.random.default_rng(3)) for one in (modes, loaded))
    assert first["x"].equals(second["x"]) and first["y"].astype("string").equals(second["y"].astype("string"))
    json.loads((tmp_path / "modes.json").read_text())


def test_numbers_without_end_are_as_far_as_the_others():
    modes, code, _ = coded({"x": ("number", [np.inf, -np.inf, *RNG.uniform(0, 10, 98)])})
    back = modes.decode(code, RNG)["x"]
    assert back.between(-1, 11).all()


def probed(rows: int = 2_000):
    sex = RNG.choice(["f", "m"], rows)
    modes, code, _ = coded(
        {"sex": ("category", sex), "height": ("number", np.where(sex == "f", 160, 180) + RNG.normal(0, 5, rows))}
    )
    return Probe(modes, code, seed=0), code


def test_the_probe_gives_the_same_rows_the_best_mark():
    probe, code = probed()
    assert probe.quality(code) == pytest.approx(1.0)


def test_the_probe_sees_a_pair_that_fell_apart():
    probe, code = probed()
    shuffled = RNG.permutation(len(code))
    code.values[:, 0], code.levels[:, 0] = code.values[shuffled, 0], code.levels[shuffled, 0]
    assert probe.quality(code) < 0.9


def test_the_probe_sees_a_column_out_of_place():
    probe, code = probed()
    code.levels[:, 1] = 0  # one sex only
    assert probe.quality(code) < 0.8

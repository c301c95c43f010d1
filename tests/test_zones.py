"""Datetimes with and without zones side by side: compared as moments where both name one, else as they are written."""

import numpy as np
import pandas as pd
import pytest

from synth import GENERATORS, Synthesizer, suggest_rules
from synth.constraints.enforcer import ConstraintEnforcer, RepairContext
from synth.sampling.matching import matches
from synth.schema import Column, Schema
from synth.schema.casting import conform, written
from synth.schema.comparing import measured, measured_alike, moved_to
from synth.schema.detection import detect
from synth.schema.rules import Allowed, Ordering, Range
from tests.trained import fitted

ROWS = 400


def moments() -> pd.DatetimeIndex:
    rng = np.random.default_rng(0)
    return pd.Timestamp("2024-02-20 06:00") + pd.to_timedelta(rng.integers(0, 250 * 86_400, ROWS), unit="s")


def later(least: int, most: int, unit: str) -> pd.TimedeltaIndex:
    return pd.to_timedelta(np.random.default_rng(1).integers(least, most, ROWS), unit=unit)


def stamp_before_a_day() -> pd.DataFrame:
    opened = moments()
    due = opened.normalize() + later(1, 9, "D")
    return pd.DataFrame({"opened": opened.strftime("%Y-%m-%dT%H:%M:%SZ"), "due": due.strftime("%Y-%m-%d")})


def plain_before_an_offset() -> pd.DataFrame:
    planned = moments()
    done = pd.Series((planned + later(1, 4_000, "min")).strftime("%Y-%m-%dT%H:%M:%S+02:00"))
    done[np.random.default_rng(2).random(ROWS) < 0.2] = ""
    return pd.DataFrame({"planned": planned.strftime("%Y-%m-%d %H:%M"), "done": done})


def two_zones() -> pd.DataFrame:
    """Sent in UTC, read within hours in Berlin's summer, both with gaps."""
    sent = moments()
    read = sent + pd.Timedelta(hours=2) + later(10, 400, "min")
    table = pd.DataFrame(
        {"sent": sent.strftime("%Y-%m-%dT%H:%M:%SZ"), "read": read.strftime("%Y-%m-%dT%H:%M:%S+02:00")}
    )
    rng = np.random.default_rng(3)
    return table.mask(rng.random(table.shape) < 0.15, "")


@pytest.mark.parametrize("model", ["trees", "bootstrap"])
@pytest.mark.parametrize("make", [stamp_before_a_day, plain_before_an_offset, two_zones])
def test_an_order_between_zones_is_found_and_kept_in_every_row(make, model, tmp_path):
    table = make()
    schema = detect(table)
    low, high = schema.names
    synthesizer = fitted(GENERATORS[model](seed=1), table, schema)
    day = make is stamp_before_a_day
    expected = f"{low} < {high} by day" if day else f"{low} <= {high}"
    assert [str(rule) for rule in synthesizer.preparation.enforcer.rules] == [expected]
    assert str(suggest_rules(table, schema)[0].rule) == (expected if day else f"{low} < {high}")
    rows = synthesizer.sample(300)
    rule = Ordering(low=low, high=high)
    assert rule.kept(rows).all() and rule.applies(rows).any()
    for given in (rows[[low]].dropna().head(20), rows[[high]].dropna().head(20)):
        assert rule.kept(synthesizer.complete(given)).all()
    synthesizer.save(tmp_path)
    pd.testing.assert_frame_equal(Synthesizer.load(tmp_path).sample(300), rows)
    # The gaps are those of the table: within days or hours, where the columns alone lie months apart.
    reached = [measured_alike(part[low], part[high]) for part in (conform(table, schema), rows)]
    real, drawn = (
        np.quantile((b - a)[both], 0.95)
        for (a, b), both in zip(reached, map(known, [conform(table, schema), rows]), strict=True)
    )
    assert drawn < 1.5 * real
    for column in schema:
        texts = written(rows[column.name], column)
        assert {len(text) for text in texts} - {0} == {len(text) for text in table[column.name]} - {0}


def known(table: pd.DataFrame) -> np.ndarray:
    return table.notna().all(axis=1).to_numpy()


def berlin(*texts: str) -> pd.Series:
    """Stamps of a clock that goes from 2 to 3 on 31 March and from 3 back to 2 on 27 October 2024."""
    return (
        pd.to_datetime(pd.Series(texts), utc=True)
        .dt.tz_convert("Europe/Berlin")
        .astype("datetime64[us, Europe/Berlin]")
    )


def plain(*texts: str) -> pd.Series:
    return pd.Series(pd.to_datetime(list(texts), format="ISO8601")).astype("datetime64[us]")


def test_a_stamp_with_a_zone_is_compared_with_one_without_as_it_is_written():
    # 23:30 UTC is half past one on the next day in Berlin's summer.
    stamps, days = berlin("2024-06-01T23:30Z", "2024-06-01T23:30Z"), plain("2024-06-02", "2024-06-02 02:00")
    table = pd.DataFrame({"stamp": stamps, "day": days})
    assert Ordering(low="day", high="stamp").kept(table).tolist() == [True, False]
    assert Ordering(low="stamp", high="day").kept(table).tolist() == [False, True]


def test_stamps_of_two_zones_are_compared_as_moments():
    table = pd.DataFrame({"here": berlin("2024-06-01T10:00Z"), "there": pd.to_datetime(["2024-06-01T10:30Z"])})
    # By the clocks it is noon here and half past ten there.
    assert Ordering(low="here", high="there").kept(table).all()


def test_moved_values_stay_equal_and_clocks_that_jump_are_no_error():
    plains = plain("2024-03-31 02:30", "2024-10-27 02:30", "2024-06-01 12:00")
    moved = moved_to(plains, berlin("2024-06-01T10:00Z").dtype)
    assert moved.dt.strftime("%H:%M%z").tolist() == ["03:00+0200", "02:30+0200", "12:00+0200"]
    low, high = measured_alike(moved[1:], plains[1:])
    assert (low == high).all()
    assert moved_to(moved, plains.dtype)[2] == plains[2]


@pytest.mark.parametrize("bound", ["2024-10-27 02:30", "2024-03-31 02:30", "2024-10-27T00:30:00Z", "2024-10-27"])
def test_a_bound_with_or_without_a_zone_fits_columns_with_and_without_one(bound):
    for column in (berlin("2024-10-27T00:30Z"), plain("2024-10-27 00:30")):
        table = column.to_frame("at")
        schema = Schema(
            columns=[Column(name="at", kind="datetime", timezone=getattr(column.dtype, "tz", None) and "Europe/Berlin")]
        )
        met = [
            Range(column="at", low=bound).kept(table),
            Range(column="at", high=bound).kept(table),
            matches({"at": bound}, table, schema),
            Allowed(column="at", values=[bound]).kept(table),
        ]
        assert met[2].tolist() == met[3].tolist() == (met[0] & met[1]).tolist()


def test_a_bound_with_a_zone_means_the_clock_it_is_written_by_beside_a_column_without_one():
    assert measured("2024-06-01T12:00:00+09:00", plain("2024-06-01")) == measured(
        "2024-06-01 12:00", plain("2024-06-01")
    )


@pytest.mark.parametrize("fixed", ["stamp", "day"])
def test_a_broken_order_is_repaired_across_zones(fixed):
    table = pd.DataFrame(
        {"stamp": berlin("2024-06-03T08:00Z", "2024-06-01T08:00Z"), "day": plain("2024-06-02", "2024-06-02")}
    )
    schema = Schema(
        columns=[
            Column(name="stamp", kind="datetime", timezone="Europe/Berlin"),
            Column(name="day", kind="datetime"),
        ],
        rules=[Ordering(low="stamp", high="day", strict=True)],
    )
    enforcer = ConstraintEnforcer(rules=schema.rules)
    context = RepairContext(schema, {}, {fixed}, np.random.default_rng(0))
    kept = enforcer.keep(table, lambda positions: table.iloc[positions].reset_index(drop=True), context)
    assert enforcer.kept(kept).all() and kept[fixed].equals(table[fixed])
    assert kept.loc[1].equals(table.loc[1])

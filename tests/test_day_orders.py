"""Orders between days and stamps: a day beside a stamp is all of that day, so the two are compared by whole days."""

import numpy as np
import pandas as pd
import pytest

from synth import GENERATORS, Synthesizer, suggest_rules
from synth.constraints.discovery import dates_in_order
from synth.constraints.enforcer import ConstraintEnforcer, RepairContext
from synth.schema import Column, Schema
from synth.schema.casting import conform, written
from synth.schema.detection import detect
from synth.schema.rules import Ordering
from tests.trained import fitted

ROWS = 500


def applications() -> pd.DataFrame:
    """Handed in by the end of the last day, stamped in German summer time; half of them on that very day, some open."""
    rng = np.random.default_rng(0)
    last = pd.Timestamp("2024-05-02") + pd.to_timedelta(rng.integers(0, 90, ROWS), unit="D")
    early = np.where(rng.random(ROWS) < 0.5, 0, rng.integers(1, 12, ROWS))
    came = last - pd.to_timedelta(early, unit="D") + pd.to_timedelta(rng.integers(0, 86_400, ROWS), unit="s")
    decided = last + pd.to_timedelta(rng.integers(1, 30, ROWS), unit="D")
    table = pd.DataFrame(
        {
            "Eingang": came.strftime("%Y-%m-%dT%H:%M:%S+02:00"),
            "Frist": last.strftime("%d.%m.%Y"),
            "Entscheidung": decided.strftime("%d.%m.%Y"),
            "Amt": rng.choice(["Bauamt", "Meldeamt"], ROWS),
        }
    )
    table.loc[rng.random(ROWS) < 0.1, "Frist"] = ""
    table.loc[rng.random(ROWS) < 0.2, "Entscheidung"] = ""
    return table


def stays() -> pd.DataFrame:
    """A day of admission before a stamp of discharge, from the same evening to two weeks later; no zones."""
    rng = np.random.default_rng(1)
    admitted = pd.Timestamp("2022-01-10") + pd.to_timedelta(rng.integers(0, 500, ROWS), unit="D")
    nights = np.where(rng.random(ROWS) < 0.3, 0, rng.integers(1, 15, ROWS))
    left = admitted + pd.to_timedelta(nights * 1440 + rng.integers(9 * 60, 20 * 60, ROWS), unit="min")
    return pd.DataFrame(
        {
            "discharged": left.strftime("%m/%d/%Y %H:%M"),
            "admitted": admitted.strftime("%Y/%m/%d"),
            "booked": (admitted - pd.to_timedelta(rng.integers(1, 40, ROWS), unit="D")).strftime("%Y/%m/%d"),
        }
    )


EXPECTED = {
    applications: ["Eingang <= Frist by day", "Frist < Entscheidung by day"],
    stays: ["admitted <= discharged by day", "booked < admitted by day"],
}


@pytest.mark.parametrize("make", EXPECTED, ids=lambda make: make.__name__)
def test_an_order_of_days_and_stamps_is_found_and_kept_by_whole_days(make, tmp_path):
    table = make()
    schema = detect(table)
    assert sorted(str(found.rule) for found in suggest_rules(table, schema) if found.rule.kind == "order") == sorted(
        EXPECTED[make]
    )
    synthesizer = fitted(GENERATORS["trees"](seed=1), table, schema)
    rules = synthesizer.preparation.enforcer.rules
    assert sorted(map(str, rules)) == sorted(EXPECTED[make])
    rows, real = synthesizer.sample(ROWS), conform(table, schema)
    for rule in rules:
        assert rule.kept(rows).all()
        gaps, real_gaps = ((high - low)[rule.applies(t)] for t in (rows, real) for low, high in [rule.ends(t)])
        # As many on the very day, and no longer waits than the table has.
        assert (gaps == 0).mean() == pytest.approx((real_gaps == 0).mean(), abs=0.08)
        assert gaps.max() <= real_gaps.max() and np.mean(gaps) == pytest.approx(np.mean(real_gaps), rel=0.2)
        for given in (rows[[rule.low]].dropna().head(30), rows[[rule.high]].dropna().head(30)):
            assert rule.kept(synthesizer.complete(given)).all()
    for column in schema:
        assert {len(text) for text in written(rows[column.name], column)} == {len(text) for text in table[column.name]}
    synthesizer.save(tmp_path)
    pd.testing.assert_frame_equal(Synthesizer.load(tmp_path).sample(ROWS), rows)


@pytest.mark.parametrize(("model", "most"), [("bootstrap", 0.0), ("trees", 0.15)])
def test_a_stamp_after_a_day_keeps_its_time_of_day(model, most):
    """Discharges lie between 9 and 20 o'clock; drawn evenly over the day, half of them would not."""
    rows = fitted(GENERATORS[model](seed=1), stays(), detect(stays())).sample(300)
    assert (~rows["discharged"].dt.hour.between(9, 19)).mean() <= most


def test_a_rule_that_was_stored_before_compares_moments():
    rule = Ordering.model_validate({"kind": "order", "low": "came", "high": "due", "strict": False})
    table = pd.DataFrame({"came": pd.to_datetime(["2024-05-02 10:00"]), "due": pd.to_datetime(["2024-05-02"])})
    assert rule.by == "moment" and str(rule) == "came <= due"
    assert not rule.kept(table).any() and rule.model_copy(update={"by": "day"}).kept(table).all()


def test_days_are_those_that_each_clock_is_written_with():
    # 23:30 UTC is half past one on the next day in Berlin's summer.
    stamps = pd.to_datetime(pd.Series(["2024-06-01T23:30Z"])).dt.tz_convert("Europe/Berlin")
    table = pd.DataFrame({"stamp": stamps, "day": pd.to_datetime(["2024-06-02"])})
    assert Ordering(low="stamp", high="day", by="day").kept(table).all()
    assert not Ordering(low="stamp", high="day", by="day", strict=True).kept(table).any()


def test_a_stamp_that_always_lies_on_the_day_beside_it_stays_there():
    stamps = pd.Timestamp("2024-01-01 08:00") + pd.to_timedelta(
        np.random.default_rng(0).integers(0, 9_000, ROWS), unit="h"
    )
    table = pd.DataFrame({"at": stamps.strftime("%Y-%m-%d %H:%M"), "day": stamps.strftime("%Y-%m-%d")})
    rows = fitted(GENERATORS["trees"](seed=0), table, detect(table)).sample(200)
    assert (rows["at"].dt.normalize() == rows["day"]).all()


def test_days_alone_and_stamps_alone_are_compared_as_moments():
    days = stays()[["booked", "admitted"]]
    for table in (days, days + " 10:30"):
        schema = detect(table)
        assert schema.having(kinds=("datetime",)) == list(days)
        assert [str(rule) for rule in dates_in_order(conform(table, schema), schema)] == ["booked <= admitted"]


@pytest.mark.parametrize("fixed", ["stamp", "day"])
def test_a_broken_order_of_days_is_repaired_on_the_neighbouring_day_across_a_change_of_the_clock(fixed):
    # On 27 October 2024 Berlin's day has 25 hours.
    stamps = pd.to_datetime(pd.Series(["2024-10-26T22:30Z", "2024-10-27T22:30Z"]))
    stamps = stamps.dt.tz_convert("Europe/Berlin").astype("datetime64[us, Europe/Berlin]")
    table = pd.DataFrame(
        {"day": pd.Series(pd.to_datetime(["2024-10-27"] * 2)).astype("datetime64[us]"), "stamp": stamps}
    )
    rule = Ordering(low="stamp", high="day", strict=True, by="day")
    schema = Schema(
        columns=[
            Column(name="day", kind="datetime"),
            Column(name="stamp", kind="datetime", timezone="Europe/Berlin"),
        ],
        rules=[rule],
    )
    context = RepairContext(schema, {}, {fixed}, np.random.default_rng(0))
    kept = ConstraintEnforcer(rules=[rule]).keep(table, lambda rows: table.iloc[rows].reset_index(drop=True), context)
    assert kept[fixed].equals(table[fixed]) and rule.kept(kept).all()
    if fixed == "day":
        assert kept["stamp"].dt.strftime("%d %H:%M").tolist() == ["26 00:30", "26 23:30"]
    else:
        assert kept["day"].dt.day.tolist() == [28, 28]


def test_a_rule_by_day_needs_two_datetimes():
    columns = [Column(name="day", kind="datetime"), Column(name="n", kind="integer")]
    with pytest.raises(ValueError, match="compares days, but 'n' is no datetime"):
        Schema(columns=columns, rules=[Ordering(low="day", high="n", by="day")])

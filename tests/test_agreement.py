"""Our answers beside those of the libraries that define the same measures, each in an environment of its own.

SDMetrics, which needs none, is compared with in the tests of the metrics themselves.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from bench.environments import environment
from bench.metrics import MOSTLYAI_QA, SIDES, mostlyai_qa, plain
from metrics import METRICS, Tables
from metrics.privacy.attacks import arenas, excess_risk
from metrics.privacy.distances import equal_sides
from metrics.privacy.linkability import halves
from tests.judging import adult

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

SECRETS = ["income", "occupation", "age"]
ATTACKS = ("singling_out_univariate", "singling_out_multivariate", "linkability")


@pytest.fixture(scope="module")
def anonymeter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return environment(tmp_path_factory.mktemp("anonymeter") / "env", "anonymeter==1.1.0")


@pytest.fixture(scope="module")
def qa(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return environment(tmp_path_factory.mktemp("qa") / "env", MOSTLYAI_QA)


def copied(judged: Tables) -> Tables:
    return judged


def fresh(judged: Tables) -> Tables:
    """Rows of the holdout as synthetic, the others as holdout."""
    middle = len(judged.holdout) // 2
    return replace(judged, synthetic=judged.holdout[:middle], holdout=judged.holdout[middle:].reset_index(drop=True))


def attacked(python: Path, judged: Tables, folder: Path) -> dict[str, dict]:
    """What anonymeter's attacks find, on the people our attacks are made on."""
    train, holdout = equal_sides(judged)
    sides = {
        "targets": judged.train.iloc[train],
        "controls": judged.holdout.iloc[holdout],
        "synthetic": judged.synthetic,
    }
    for name, side in sides.items():
        plain(side, judged.schema).to_csv(folder / f"{name}.csv", index=False)
    about = {"halves": halves(arenas(judged)[0]), "secrets": SECRETS}
    (folder / "about.json").write_text(json.dumps(about))
    script = Path(__file__).with_name("anonymeter_attacks.py")
    done = subprocess.run([python, script, folder], stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("make", [copied, fresh])
def test_attacks_find_the_risks_that_anonymeter_finds(make, anonymeter, tmp_path):
    judged = replace(make(adult(1000, 900)), options={"sensitive": SECRETS})
    theirs = attacked(anonymeter, judged, tmp_path)
    ours = {name: METRICS[name](judged).model_dump(include={"value", "ci"}) for name in ATTACKS}
    secrets = METRICS["attribute_inference"](judged).detail.secrets
    ours |= {f"inference of {one.secret}": {"value": one.risk, "ci": one.ci} for one in secrets}
    assert set(ours) == set(theirs)
    for name, found in theirs.items():
        print(f"{make.__name__} {name}: ours {ours[name]}, anonymeter {found}")
        # The same successes are the same risk and the same interval, to the last digit.
        risk, interval = excess_risk(found["attack"], found["control"])
        assert (risk, *interval) == pytest.approx((found["risk"], *found["ci"]), abs=1e-9)
        # Its attackers guess with other dice, and its numbers lie by their values where ours lie by their ranks.
        assert ours[name]["ci"][0] <= found["ci"][1] and found["ci"][0] <= ours[name]["ci"][1]
        assert ours[name]["value"] == pytest.approx(found["risk"], abs=0.12)


def test_accuracy_and_copies_are_those_of_mostlyai_qa(qa, tmp_path):
    judged = adult(900, 900)
    judged = replace(judged, synthetic=judged.train.sample(frac=1, replace=True, random_state=1, ignore_index=True))
    for side in SIDES:
        plain(getattr(judged, side), judged.schema).to_parquet(tmp_path / f"{side}.parquet")
    theirs = mostlyai_qa(qa, tmp_path).figures
    # It compares with train and holdout together where there is a holdout.
    both = pd.concat([judged.train, judged.holdout], ignore_index=True)
    accuracy = METRICS["marginal_accuracy"](replace(judged, train=both, holdout=None))
    ours = {f"accuracy of {way.way}": way.score for way in accuracy.detail.ways}
    for name, value in ours.items():
        print(f"{name}: ours {value}, mostlyai-qa {theirs[name]}")
        assert value == pytest.approx(theirs[name], abs=0.001)
    copies = METRICS["exact_copies"](judged).value
    print(f"copies: ours {copies}, mostlyai-qa {theirs['exact_copies']}")
    assert copies == pytest.approx(theirs["exact_copies"], abs=0.001)

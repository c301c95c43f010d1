"""What stands around a model: steps before the fit that it may refuse or pay for, and models as they are saved."""

import json
import math
import tarfile
from pathlib import Path

import pandas as pd
import pytest

from synth import Synthesizer
from synth.awkward_tables import AWKWARD
from synth.columns.roles import Roles
from synth.generators.bootstrap import Bootstrap
from synth.preprocessing import (
    LearnPolish,
    LearnPrecision,
    LearnRoles,
    LearnRules,
    LearnSmallClasses,
    Preprocessor,
    ProtectRareLevels,
)
from synth.sampling.preparation import Preparation
from tests.trained import fitted

FIRST_RELEASE = Path(__file__).parent / "data" / "workspace_326e6e6.tar.gz"


class Private(Bootstrap):
    """A fake: it says that it is private, and pays for nothing but `paid`."""

    private = True
    paid: dict[str, float] = {}

    def epsilon_for(self, step: str, reads: str) -> float:
        return self.paid[step] if step in self.paid else super().epsilon_for(step, reads)


class PublicRoles(Preprocessor):
    """Reads no rows: what ids look like is public."""

    name, reads = "public roles", ""

    def learn(self, table: pd.DataFrame, preparation: Preparation, epsilon: float) -> None:
        assert epsilon == math.inf
        preparation.roles = Roles()


class NoisyPrecision(Preprocessor):
    """Spends what it is given, and notes how much that was."""

    name, reads, within_budget = "noisy precision", "how far numbers reach", True

    def learn(self, table: pd.DataFrame, preparation: Preparation, epsilon: float) -> None:
        self.spent = epsilon
        preparation.precisions = {}


@pytest.fixture
def numbers():
    return AWKWARD["one column"]


@pytest.mark.parametrize(
    "step",
    [ProtectRareLevels(), LearnRoles(), LearnPrecision(), LearnRules(), LearnSmallClasses(), LearnPolish()],
    ids=lambda step: step.name,
)
def test_a_private_model_refuses_a_step_and_says_what_it_reads(step, numbers):
    table, schema = numbers
    with pytest.raises(ValueError, match=r"differentially private and does not pay for") as refusal:
        Synthesizer(Private(), schema, [step]).fit(table)
    assert step.name in str(refusal.value) and step.reads in str(refusal.value)


def test_a_private_model_pays_for_a_step_that_keeps_to_its_share(numbers, monkeypatch):
    table, schema = numbers
    monkeypatch.setattr(Private, "paid", {"noisy precision": 0.25, LearnPrecision.name: 0.5})
    noisy = NoisyPrecision()
    assert len(Synthesizer(Private(), schema, [PublicRoles(), noisy]).fit(table).sample(10)) == 10
    assert noisy.spent == 0.25
    with pytest.raises(ValueError, match=r"would spend an epsilon of 0.5 on the precision of numbers"):
        Synthesizer(Private(), schema, [LearnPrecision()]).fit(table)


def test_an_ordinary_model_lets_every_step_read(numbers):
    table, schema = numbers
    preparation = fitted(Bootstrap(Bootstrap.Params(polish=True)), table, schema).preparation
    assert preparation.precisions.keys() == {"x"} and preparation.polish is not None


def saved(folder: Path, **changes) -> Path:
    """A saved model with changes in what describes it."""
    fitted(Bootstrap(), *AWKWARD["mixed"]).save(folder)
    about = json.loads((folder / "generator.json").read_text())
    assert about["format"] == 1
    (folder / "generator.json").write_text(json.dumps({**about, **changes}))
    return folder


def test_a_model_without_a_format_number_is_read_as_the_first_format(tmp_path):
    folder = saved(tmp_path)
    about = json.loads((folder / "generator.json").read_text())
    del about["format"]
    (folder / "generator.json").write_text(json.dumps(about))
    assert len(Synthesizer.load(folder).sample(5)) == 5


def test_a_model_of_a_later_format_says_what_to_do(tmp_path):
    with pytest.raises(
        ValueError, match=r"saved in format 2, and this version of Understudy reads formats up to 1. Upgrade"
    ):
        Synthesizer.load(saved(tmp_path, format=2))


def test_a_model_whose_generator_is_not_here_says_what_to_do(tmp_path):
    with pytest.raises(ValueError, match=r"needs the generator 'gone', which is not here. Install its plugin"):
        Synthesizer.load(saved(tmp_path, generator="gone"))


def test_what_a_later_version_added_to_a_saved_model_is_ignored(tmp_path):
    before = fitted(Bootstrap(), *AWKWARD["mixed"]).sample(20)
    folder = saved(tmp_path)
    about = json.loads((folder / "generator.json").read_text())

    parts = [about, about["params"], about["schema"], *about["schema"]["columns"], about["keeper"], about["roles"]]
    for part in [*parts, *about["roles"]["made"].values(), *about["grains"].values()]:
        part["from_later"] = 1
    (folder / "generator.json").write_text(json.dumps(about))
    pd.testing.assert_frame_equal(Synthesizer.load(folder).sample(20), before)


def test_a_model_of_the_first_release_draws_rows(tmp_path):
    with tarfile.open(FIRST_RELEASE) as archive:
        archive.extractall(tmp_path, filter="data")
    models = [file.parent for file in tmp_path.rglob("generator.json")]
    assert models
    for folder in models:
        about = json.loads((folder / "generator.json").read_text())
        assert about["generator"] == "trees" and "format" not in about
        synthesizer = Synthesizer.load(folder)
        rows = synthesizer.sample(30)
        assert len(rows) == 30 and list(rows.columns) == synthesizer.schema.released.names

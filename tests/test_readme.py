"""The README names everything a user can choose; what is added without a word there fails here."""

from pathlib import Path

import pytest

from api import api
from metrics import DIALOGUE_METRICS, METRICS
from synth import GENERATORS
from workspace.settings import Settings

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [name for name, made in GENERATORS.items() if made.__module__.startswith("synth.")])
def test_names_every_generator(name):
    assert f"`{name}`" in README


@pytest.mark.parametrize("name", [*METRICS, *DIALOGUE_METRICS])
def test_names_every_metric(name):
    assert f"`{name}`" in README


@pytest.mark.parametrize("name", Settings.model_fields)
def test_names_every_setting(name):
    assert f"`UNDERSTUDY_{name.upper()}`" in README


@pytest.mark.parametrize("path", api.openapi()["paths"])
def test_names_every_call(path):
    assert f"`{path}`" in README


def test_opens_with_the_two_commands():
    first_code = README.split("```")[1]
    assert "make run" in first_code and "make test" in first_code

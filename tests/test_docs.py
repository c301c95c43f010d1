"""README and docs name everything a user can choose; what is added without a word there fails here."""

import json
import re
from pathlib import Path

import pytest
from fastapi.openapi.utils import get_openapi

from api import api
from metrics import METRICS
from metrics.registry import DIALOGUE_METRICS
from synth import GENERATORS, Conditions
from workspace.settings import Settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SETTINGS = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
API = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
CALLS = list(get_openapi(title="calls", version="1", routes=api.routes)["paths"])
PAGES = sorted(page.relative_to(ROOT).as_posix() for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


@pytest.mark.parametrize("name", [name for name, made in GENERATORS.items() if made.__module__.startswith("synth.")])
def test_the_readme_names_every_generator(name):
    assert f"`{name}`" in README


@pytest.mark.parametrize("name", [*METRICS, *DIALOGUE_METRICS])
def test_the_readme_names_every_metric(name):
    assert f"`{name}`" in README


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_has_a_line(name):
    assert f"| `UNDERSTUDY_{name.upper()}` |" in SETTINGS


def test_no_line_is_about_a_setting_that_is_not_there():
    told = re.findall(r"^\| `UNDERSTUDY_(\w+)`", SETTINGS, re.M)
    assert [name.lower() for name in told] == list(Settings.model_fields)


@pytest.mark.parametrize("path", CALLS)
def test_every_call_is_named(path):
    assert f"`{path}`" in API


def test_the_readme_opens_with_the_two_commands():
    first_code = README.split("```")[1]
    assert "make run" in first_code and "make test" in first_code


def test_the_conditions_that_are_shown_can_be_asked():
    shown = [block for block in re.findall(r"```json\n(.*?)```", API, re.S) if '"operations"' not in block]
    assert len(shown) == 3
    assert all(Conditions.of(json.loads(block)).plan(1000) for block in shown)


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert ((ROOT / page).parent / target).exists(), f"{page} links to {target}"

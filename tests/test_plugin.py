"""A plugin of forty lines in a folder of its own works everywhere: form, API, estimate, jobs, conformance checks."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from api import api
from metrics import METRICS
from metrics.checks import check_metric
from synth import GENERATORS
from synth.checks import check_generator
from tests.calling import here
from tests.conftest import write_people
from workspace.jobs.kinds import KINDS
from workspace.plugins import PluginError, load_installed, load_plugins
from workspace.settings import Settings
from workspace.workspace import Dataset, Workspace

FOLDER = Path(__file__).parent / "data" / "plugin"


@pytest.fixture(scope="module")
def plugged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A running workspace whose settings name the plugin; afterwards nothing of it is left."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        # Where its workers look, too.
        patch.setenv("PYTHONPATH", str(FOLDER))
        settings = Settings(workspace=tmp_path_factory.mktemp("plugged"), plugins=["coin"], threads_per_job=1)
        workspace = Workspace(settings).start()
        before, api.openapi_schema = api.openapi_schema, None
        yield workspace
        api.openapi_schema = before
        workspace.close()
        for registry, name in ((GENERATORS, "coin"), (METRICS, "row_count"), (KINDS, "tally")):
            registry.remove(name)
        del sys.modules["coin"]


@pytest.fixture(scope="module")
def table(plugged: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return plugged.datasets.add(write_people(tmp_path_factory.mktemp("people")), "people.csv")


def test_its_generator_trains_and_its_metric_scores(plugged, table):
    job = plugged.jobs.wait(plugged.training.train(table.id, "coin", {"tosses": 2}, metrics=["row_count"]).id, 60)
    assert job.state == "done", plugged.jobs.log_tail(job.id)
    assert plugged.runs.get(job.run_id).scores["row_count"].value == 1.0


def test_its_kind_of_job_runs_by_a_call(plugged, table):
    client = here(plugged)
    asked = {"kind": "tally", "dataset_id": table.id, "arguments": {"column": "city"}}
    started = client.post("/jobs", json=asked)
    assert started.status_code == 202, started.text
    assert plugged.jobs.wait(started.json()["id"], 60).note == "2 different values"
    refused = client.post("/jobs", json=asked | {"arguments": {"colour": "city"}})
    assert refused.status_code == 422 and "column" in refused.json()["detail"]


def test_the_description_of_the_api_tells_of_all_three(plugged):
    told = here(plugged).get("/openapi.json").json()
    tosses = told["components"]["schemas"]["CoinParams"]["properties"]["tosses"]
    assert tosses["description"] == "Tosses" and tosses["examples"]
    text = str(told)
    assert "'row_count'" in text and "'tally'" in text and "'coin'" in text


def test_the_form_shows_its_parameters(plugged):
    def form():
        import streamlit as st

        from pages.components.forms import params_form
        from synth import GENERATORS

        found = params_form(GENERATORS["coin"].Params, key="coin")
        st.text(found.model_dump_json())

    shown = AppTest.from_function(form, default_timeout=30).run()
    assert not shown.exception and shown.text_input(key="coin.tosses").label == "Tosses"


def test_what_it_takes_is_estimated(plugged, table):
    expected = plugged.training.estimate(table.id, "coin")
    assert expected.seconds > 0 and "Coin" in expected.basis


def test_it_does_what_every_generator_and_every_metric_must(plugged):
    check_generator(GENERATORS["coin"])
    check_metric(METRICS["row_count"])


@pytest.mark.parametrize(
    "text, words",
    [
        (None, "There is no module 'unusable'"),
        ("import a_package_that_is_not_there", "needs 'a_package_that_is_not_there', which is not installed"),
        ("1 / 0", "cannot be used: ZeroDivisionError"),
    ],
)
def test_a_plugin_that_cannot_be_used_is_refused_in_a_sentence(tmp_path, monkeypatch, text, words):
    if text is not None:
        (tmp_path / "unusable.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    with pytest.raises(PluginError, match=words):
        load_plugins(["unusable"])
    sys.modules.pop("unusable", None)


def test_what_an_installed_package_offers_is_found_and_checked_at_the_start(tmp_path, monkeypatch):
    installed = tmp_path / "offering-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: offering\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[understudy.jobs]\naudit = offering\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PluginError, match="There is no module 'offering'"):
        load_installed()
    (tmp_path / "offering.py").write_text("found = True\n")
    importlib.invalidate_caches()
    load_installed()
    assert sys.modules.pop("offering").found

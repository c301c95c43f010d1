"""Every page through its frame: what it says when there is nothing, what it does with a table, a run, a job."""

from __future__ import annotations

import gzip
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from metrics import METRICS, THRESHOLDS, Score
from metrics.selftest import CASES, Check
from pages.components.frame import get_workspace
from pages.components.pictures import selected_rows
from pages.components.release import pairs_of
from pages.components.results import REPORTS
from pages.components.words import plain
from synth import GENERATORS
from workspace.arguments import ReplaceRowsArguments
from workspace.catalog.rows import Dataset, Run
from workspace.jobs.kinds import KINDS
from workspace.services.releases import CHECKS, Risky
from workspace.workspace import Workspace

MAIN = Path(__file__).parent.parent / "pages" / "main.py"
PENGUINS = Path(__file__).parent / "data" / "penguins.csv"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """The pages' own workspace, in a folder of this test."""
    monkeypatch.setenv("UNDERSTUDY_WORKSPACE", str(tmp_path / "workspace"))
    st.cache_resource.clear()
    st.cache_data.clear()
    workspace = get_workspace()
    yield workspace
    for job in workspace.jobs.find():
        workspace.jobs.cancel(job.id)
    workspace.close()
    st.cache_resource.clear()


@pytest.fixture
def visit(workspace: Workspace) -> Callable[..., AppTest]:
    """Opens a page as a visitor does, through the frame."""

    def open_page(name: str = "home", **query: str) -> AppTest:
        page = AppTest.from_file(MAIN, default_timeout=60)
        for key, value in query.items():
            page.query_params[key] = value
        return (page if name == "home" else page.switch_page(f"{name}.py")).run()

    return open_page


@pytest.fixture
def dataset(workspace: Workspace) -> Dataset:
    return workspace.datasets.add(PENGUINS, "penguins.csv")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace folder in which two tables were made from the penguins, trained once for all tests."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNDERSTUDY_WORKSPACE", str(folder))
        workspace = Workspace().start()
        dataset = workspace.datasets.add(PENGUINS, "penguins.csv")
        for seed in (0, 1):
            job = workspace.jobs.wait(workspace.training.train(dataset.id, "bootstrap", seed=seed, metrics=QUICK).id)
            assert job.state == "done", job.error
        workspace.close()
    return folder


QUICK = ["column_shapes", "column_pair_trends", "exact_copies", "distance_to_closest_record"]


@pytest.fixture
def run(trained: Path, tmp_path: Path, workspace: Workspace) -> Run:
    """The newer of two runs, in the pages' workspace."""
    workspace.close()
    shutil.rmtree(tmp_path / "workspace")
    shutil.copytree(trained, tmp_path / "workspace")
    st.cache_resource.clear()
    return get_workspace().runs.find()[0]


def texts(page: AppTest) -> str:
    """Everything the page says in text."""
    return "\n".join(str(e.value) for kind in (page.title, page.markdown, page.caption, page.error) for e in kind)


def button(page: AppTest, label: str):
    return next(button for button in page.button if button.label == label)


@pytest.mark.parametrize("name", ["home", "data", "train", "compare", "jobs"])
def test_every_page_opens_on_an_empty_workspace_and_says_what_to_do_next(visit, name):
    page = visit(name)
    assert not page.exception
    assert not page.error
    offered = [button.label for button in page.button]
    assert any(label in offered for label in ("Add a dataset", "Train", "Try a sample", "Add"))


@pytest.mark.parametrize("name", ["home", "data", "train", "compare", "conversations", "jobs"])
def test_every_page_opens_with_a_table_and_runs(visit, run, name):
    page = visit(name)
    assert not page.exception
    assert not page.error


def test_home_leads_back_to_tables_and_results(visit, run):
    labels = [link.label for link in visit().page_link]
    assert any(label.startswith("**penguins\\.csv**  ·  344 × 7") for label in labels)
    assert any(plain(GENERATORS["bootstrap"].title) in label for label in labels)


def test_a_link_to_something_deleted_says_so_and_shows_nothing_in_its_place(visit, run):
    page = visit("compare", dataset="gone", run="gone")
    assert not page.exception
    assert page.error[0].value.startswith("There is no such dataset here")
    assert "trained on" not in texts(page)


def test_a_dataset_shows_how_it_was_read_and_what_each_column_holds(visit, dataset):
    page = visit("data")
    assert "**344** rows  ·  **7** columns  ·  **69** of the rows held out for evaluation" in texts(page)
    table = page.data_editor[0].value.set_index("name")
    assert list(table.index) == dataset.schema.names
    assert table.loc["species", "top"].startswith("Adelie (44 %), Gentoo (36 %), Chinstrap (20 %)")
    assert table.loc["sex", "missing"] == pytest.approx(100 * 11 / 344)
    assert (table.loc["body_mass_g", "kind"], table.loc["body_mass_g", "range"]) == ("integer", "2,700 – 6,300")


def test_an_edited_kind_is_saved_when_the_values_allow_it(visit, workspace, dataset):
    page = visit("data")
    key = f"schema_{dataset.id}_0"
    page.session_state[key] = {"edited_rows": {"1": {"role": "drop"}}, "added_rows": [], "deleted_rows": []}
    page.run()
    assert "**1 column** changed" in texts(page)
    button(page, "Save").click().run()
    assert not page.exception
    assert workspace.datasets.get(dataset.id).schema["island"].role == "drop"


def test_a_kind_the_values_do_not_fit_is_refused_in_a_sentence(visit, workspace, dataset):
    page = visit("data")
    key = f"schema_{dataset.id}_0"
    page.session_state[key] = {"edited_rows": {"0": {"kind": "number"}}, "added_rows": [], "deleted_rows": []}
    page.run()
    button(page, "Save").click().run()
    assert "species" in page.error[0].value
    assert workspace.datasets.get(dataset.id).schema["species"].kind == "category"


def test_two_targets_are_one_too_many(visit, workspace, dataset):
    page = visit("data")
    edits = {str(place): {"role": "target"} for place in (0, 1)}
    page.session_state[f"schema_{dataset.id}_0"] = {"edited_rows": edits, "added_rows": [], "deleted_rows": []}
    page.run()
    assert page.error[0].value.startswith("Only one column can be the target")


def test_an_upload_is_previewed_then_added(visit, workspace):
    page = visit("data", view="add")
    page.file_uploader[0].upload("penguins.csv", PENGUINS.read_bytes()).run()
    assert list(page.dataframe[0].value.columns[:2]) == ["species", "island"]
    assert not workspace.datasets.find()
    button(page, "Add this dataset").click().run()
    assert [dataset.rows for dataset in workspace.datasets.find()] == [344]


def test_of_several_uploads_a_bad_one_does_not_lose_the_others(visit, workspace):
    page = visit("data", view="add")
    page.file_uploader[0].upload("bad.csv", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20)
    page.file_uploader[0].upload("penguins.csv", PENGUINS.read_bytes()).run()
    assert not page.exception
    assert len(page.error) == 1
    button(page, "Add this dataset").click().run()
    assert [dataset.name for dataset in workspace.datasets.find()] == ["penguins.csv"]


def test_what_could_not_be_added_is_said_beside_what_was(visit, workspace):
    lines = "".join(f"{number},{number * number % 7919}\n" for number in range(200_000))
    cut_off = gzip.compress(b"a,b\n" + lines.encode())[:-5000]
    page = visit("data", view="add")
    page.file_uploader[0].upload("cut_off.csv.gz", cut_off)
    page.file_uploader[0].upload("penguins.csv", PENGUINS.read_bytes()).run()
    button(page, "Add these 2 datasets").click().run()
    assert not page.exception
    assert [dataset.name for dataset in workspace.datasets.find()] == ["penguins.csv"]
    assert "**344** rows" in texts(page)
    assert len(page.error) == 1
    button(page, "Dismiss").click().run()
    assert not page.error


def test_the_train_page_offers_every_generator_with_its_form_and_what_it_takes(visit, dataset):
    page = visit("train")
    offered = [generator for generator in GENERATORS.values() if generator.available()]
    assert page.radio[0].options == [f"**{generator.title}**" for generator in offered]
    assert [metric.label for metric in page.metric] == ["Time, with evaluation", "Memory"]


@pytest.mark.parametrize("name", GENERATORS)
def test_every_generator_can_be_chosen(visit, dataset, name):
    page = visit("train")
    page.radio[0].set_value(name).run()
    assert not page.exception
    assert not page.error


def test_training_starts_from_the_page_with_the_chosen_parameters(visit, workspace, dataset):
    page = visit("train")
    page.radio[0].set_value("bootstrap").run()
    page.text_input(key=f"rows_{dataset.id}").set_value("50").run()
    button(page, "Train").click().run()
    (job,) = workspace.jobs.find()
    assert (job.arguments["model"], job.arguments["rows"]) == ("bootstrap", 50)
    assert page.query_params["job"] == job.id


def test_compare_shows_the_score_of_every_metric_in_a_sentence(visit, run):
    page = visit("compare")
    table = pd.concat([table.value for table in page.table])
    assert list(table["Metric"]) == [f"**{METRICS[name].card.title}**" for name in METRICS if name in run.scores]
    assert table["Result"].str.contains("-badge").all()


CHARTS = {
    "Before release": 0,
    "Columns": 6,
    "Pairs": 1,
    "Correlations": 1,
    "Map": 1,
    "Missing values": 1,
    "Rows": 0,
    "All 2 synthetic tables": 3,
}


@pytest.mark.parametrize("tab", CHARTS)
def test_every_view_of_a_comparison_can_be_drawn(visit, run, tab):
    page = visit("compare")
    page.session_state["compare_view"] = tab
    page.run()
    assert not page.exception
    assert not page.error
    assert len(page.get("plotly_chart")) == CHARTS[tab]


def test_a_metric_that_failed_is_told_beside_the_scores_of_the_others(visit, workspace, run):
    failed = {"detector": Score(value=None, note="It failed. An unexpected problem (ZeroDivisionError in detector).")}
    get_workspace().runs.keep_scores(run, failed, note="Not computed, because it failed: Detector.")
    page = visit("compare")
    assert not page.exception
    assert [warning.value.replace("\\", "") for warning in page.warning] == [
        "Not computed, because it failed: Detector."
    ]
    told = pd.concat([table.value for table in page.table]).set_index("Metric")
    assert "It failed" in told.loc["**Detector**", "Result"]


def release(visit, run):
    page = visit("compare")
    page.session_state["compare_view"] = "Before release"
    return page.run()


def test_thresholds_are_edited_and_kept_with_the_table(visit, workspace, run):
    page = release(visit, run)
    assert button(page, "Save thresholds").disabled
    strict = {"metric": "column_shapes", "at_least": 0.9999, "required": True}
    edits = {"edited_rows": {}, "added_rows": [strict], "deleted_rows": list(range(len(THRESHOLDS)))}
    page.session_state[f"thresholds_{run.dataset_id}_0"] = edits
    page.run()
    assert not page.exception
    assert [expander.label for expander in page.expander if "thresh" in expander.label] == ["Misses 1 of 1 threshold"]
    button(page, "Save thresholds").click().run()
    kept = get_workspace().thresholds.of(run.dataset_id)
    assert [(one.metric, one.at_least) for one in kept] == [("column_shapes", 0.9999)]
    # The scores are told by the same thresholds, and another visitor meets them too.
    assert "Misses 1 of 1 threshold" in [expander.label for expander in visit("compare").expander]
    button(release(visit, run), "Reset to recommended").click().run()
    assert get_workspace().thresholds.of(run.dataset_id) == THRESHOLDS


def test_a_threshold_below_nothing_is_refused_in_a_sentence(visit, run):
    page = release(visit, run)
    edits = {"edited_rows": {"0": {"worse_by": -1}}, "added_rows": [], "deleted_rows": []}
    page.session_state[f"thresholds_{run.dataset_id}_0"] = edits
    page.run()
    assert not page.exception
    assert "greater than or equal to 0" in page.error[0].value


@pytest.mark.parametrize("label, how", [("Remove all 10 rows", "drop"), ("Resample all 10 rows", "draw")])
def test_the_riskiest_rows_stand_beside_real_ones_and_can_be_replaced(visit, run, label, how):
    page = release(visit, run)
    pairs = page.dataframe[1].value
    assert list(pairs["Row"][:4]) == ["#1 synthetic", "#1 real", "#2 synthetic", "#2 real"]
    button(page, label).click().run()
    assert not page.exception
    (job,) = get_workspace().jobs.find(state="queued") or get_workspace().jobs.find(state="running")
    assert page.query_params["job"] == job.id
    assert (job.kind, job.arguments["parent"], job.arguments["how"]) == ("replace_rows", run.id, how)
    assert len(set(job.arguments["rows"])) == 10


def test_of_very_wide_tables_fewer_pairs_are_shown_at_once():
    wide = pd.DataFrame(0.0, index=range(100), columns=[f"v{n}" for n in range(2000)])
    found = pd.DataFrame({"ratio": [0.5] * 100})
    pairs = pairs_of(Risky(found, wide, wide, looked_at=100), most=100)
    assert pairs.shape == (2 * 50, 2002)


def test_a_run_says_that_risky_rows_were_removed_from_it(visit, run):
    asked = ReplaceRowsArguments(parent="another", rows=[1, 2], how="drop", seed=1)
    (run.folder / "replaced.json").write_text(asked.model_dump_json(), encoding="utf-8")
    assert "2 risky rows removed" in texts(visit("compare"))


def test_the_self_test_runs_from_the_page_and_its_results_are_shown(visit, run):
    page = release(visit, run)
    assert texts(page).count("not run yet") == len(CASES)
    button(page, "Run self-test").click().run()
    assert get_workspace().jobs.get(page.query_params["job"]).kind == "self_test"
    wrong = ["Detector should have found it worse."]
    checks = [
        Check(case=case.title, expected=case.expected, passed=place > 0, wrong=[] if place else wrong)
        for place, case in enumerate(CASES)
    ]
    (run.folder / "selftest.json").write_bytes(CHECKS.dump_json(checks))
    page = release(visit, run)
    assert not page.exception
    said = texts(page).replace("\\", "")
    assert (said.count(": it does"), said.count(wrong[0]), said.count("not run yet")) == (3, 1, 0)
    assert "Run self-test again" in [button.label for button in page.button]


def test_points_selected_on_the_map_are_the_rows_they_stand_for():
    view = {"points": {"real": {"row": [4, 8]}, "synthetic": {"row": [1, 5, 7]}}}
    points = [{"curve_number": 1, "point_index": 2}, {"curve_number": 0, "point_index": 0}]
    assert selected_rows(view, points) == {"real": [4], "synthetic": [7]}


def test_a_column_is_shown_across_the_chosen_runs(visit, run):
    page = visit("compare")
    page.session_state["compare_view"] = "All 2 synthetic tables"
    page.run()
    runs = next(choice for choice in page.multiselect if choice.label == "Synthetic tables")
    assert len(runs.value) == 2
    runs.set_value([run.id]).run()
    next(choice for choice in page.selectbox if choice.label == "Column").set_value("body_mass_g").run()
    assert not page.exception
    assert len(page.get("plotly_chart")) == 3


def test_downloads_point_at_the_file_route(visit, run):
    links = {link.value: link.url for link in visit("compare").link_button}
    assert links["Download CSV"] == f"/api/runs/{run.id}/synthetic.csv"
    assert links["Report (HTML)"] == f"/api/runs/{run.id}/report.html"
    assert set(links) == {"Download CSV", "Parquet", "JSON lines", "Excel", *REPORTS.values()}


def test_a_job_shows_its_state_and_log(visit, run):
    page = visit("jobs", job=run.job_id)
    assert not page.exception
    assert "See the result" in [button.label for button in page.button]
    assert len(page.dataframe[0].value) == 2


COUNTING = """
from typing import Literal

from pydantic import Field

from workspace.arguments import Arguments
from workspace.jobs.kinds import job


class CountArguments(Arguments):
    kind: Literal["count_values"] = "count_values"
    column: str
    most: int = Field(10, title="At most", ge=1)


@job("Count values", CountArguments)
def count_values(work, asked):
    found = work.workspace.datasets.train_table(work.job.dataset_id)[asked.column].value_counts()
    work.progress.stage("Counting", 0.0, 1.0)(1.0, ", ".join(found.index[: asked.most]))
"""


@pytest.fixture
def counting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A plugin with a kind of job, in a folder of its own."""
    (tmp_path / "counting_plugin.py").write_text(COUNTING, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("UNDERSTUDY_PLUGINS", "counting_plugin")
    yield
    KINDS.remove("count_values")
    sys.modules.pop("counting_plugin", None)


def test_without_a_plugin_the_jobs_page_offers_no_other_kind_of_job(visit, run):
    assert "Start another kind of job" not in [expander.label for expander in visit("jobs").expander]


def test_a_plugins_kind_of_job_is_started_from_its_form_and_runs(counting, workspace, visit, dataset):
    page = visit("jobs")
    assert [expander.label for expander in page.expander] == ["Start another kind of job"]
    page.selectbox(key="job_dataset").set_value(dataset.id)
    page.text_input(key="job_count_values.column").set_value("island")
    page.text_input(key="job_count_values.most").set_value("2").run()
    assert page.text_input(key="job_count_values.most").label == "At most"
    button(page, "Start").click().run()
    assert not page.exception
    job = workspace.jobs.wait(page.query_params["job"])
    assert (job.state, job.kind, job.arguments) == ("done", "count_values", {"column": "island", "most": 2}), job.error
    assert "Biscoe, Dream" in (job.note, *(event.note for event in workspace.jobs.events(job.id)))
    assert "Count values: penguins.csv" in texts(visit("jobs", job=job.id)).replace("\\", "")


def test_a_job_whose_kind_is_no_longer_installed_is_still_listed(workspace, visit, dataset):
    job = workspace.jobs.wait(workspace.training.train(dataset.id, "bootstrap", metrics=[]).id)
    workspace.queue.change(job.id, kind="sort_values", arguments={})
    assert "Sort values" in visit("jobs").dataframe[0].value["Job"][0]


def test_a_deleted_dataset_is_gone_from_the_pages(visit, workspace, dataset):
    page = visit("data")
    workspace.datasets.delete(dataset.id)
    page.run()
    assert not page.exception
    assert "Or start from a sample" in texts(page)


AWKWARD = {
    "one row": "a,b\n1,x\n",
    "one column": "a\n" + "1\n2\n" * 20,
    "all missing": "a,b\n" + ",\n" * 20,
    "names": "select,<script>alert(1)</script>,![](http://x.y),=cmd|'A0,🎭,:material/home:,$x$\n"
    + "1,2,3,4,5,6,7\n" * 20,
    "twice and blank": "a,a,,\n" + "1,2,3,4\n" * 20,
}


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_tables_can_be_looked_at_and_trained_on(visit, workspace, tmp_path, name):
    file = tmp_path / "awkward.csv"
    file.write_text(AWKWARD[name], encoding="utf-8")
    workspace.datasets.add(file, "](http://x.y) *awkward*.csv")
    for tab in ("Columns", "Rows", "Held-out rows"):
        page = visit("data")
        page.session_state["data_view"] = tab
        page.run()
        assert not page.exception
        assert not page.error
    assert not visit("home").exception
    assert not visit("train").exception


def test_a_tiny_table_can_be_compared(visit, workspace, tmp_path):
    file = tmp_path / "tiny.csv"
    file.write_text("a,b\n1,\n2,\n3,\n", encoding="utf-8")
    dataset = workspace.datasets.add(file, "tiny.csv")
    job = workspace.jobs.wait(workspace.training.train(dataset.id, "bootstrap", metrics=QUICK).id)
    assert job.state == "done", job.error
    for tab in ("Scores", *list(CHARTS)[:-1]):
        page = visit("compare")
        page.session_state["compare_view"] = tab
        page.run()
        assert not page.exception
        assert not page.error


def test_an_external_table_is_compared_and_nothing_offers_to_sample_from_it(visit, workspace, dataset):
    run = workspace.runs.add(dataset.id, PENGUINS, "theirs.csv")
    assert workspace.jobs.wait(workspace.training.evaluate(run.id, QUICK).id).state == "done"
    for tab in ("Scores", "Before release"):
        page = visit("compare", run=run.id)
        page.session_state["compare_view"] = tab
        page.run()
        assert not page.exception
        assert any("External · 344 rows" in caption.value for caption in page.caption)
        assert not any("Resample" in button.label for button in page.button)
    with pytest.raises(ValueError, match="outside Understudy"):
        workspace.releases.replace_rows(run.id, [0], "draw")
    dropped = workspace.jobs.wait(workspace.releases.replace_rows(run.id, [0, 1], "drop", metrics=[]).id)
    assert dropped.state == "done" and workspace.runs.get(dropped.run_id).rows == 342, dropped.error


def many_curves():
    from pages.components.progress import curves
    from workspace.catalog.rows import Event

    names = [f"loss_{n}" for n in range(7)]
    curves([Event(seq=n, curve={"epoch": n, "quality": n / 10} | dict.fromkeys(names, 1.0)) for n in range(3)])


def test_curves_are_drawn_however_many_there_are():
    page = AppTest.from_function(many_curves, default_timeout=30).run()
    assert not page.exception
    assert [caption.value for caption in page.caption] == ["Loss", "Quality"]

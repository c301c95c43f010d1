"""The calls that pages show: run word for word against a live server, they do what the page's button does."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.components.frame import get_workspace
from tests.chat_server import ChatServer
from tests.conftest import write_people
from tests.live import serving
from tests.signed_in import sign_in
from workspace.catalog.rows import Job
from workspace.workspace import Workspace

MAIN = Path(__file__).parent.parent / "pages" / "main.py"
SECRET = "Kp4vT7qLx2mBz9wd"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("calls")


@pytest.fixture(scope="module")
def workspace(folder: Path) -> Iterator[Workspace]:
    """The pages' workspace, with a table and a synthetic one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNDERSTUDY_WORKSPACE", str(folder / "workspace"))
        st.cache_resource.clear()
        workspace = get_workspace()
        dataset = workspace.datasets.add(write_people(folder), "people.csv")
        job = workspace.jobs.wait(workspace.training.train(dataset.id, "bootstrap", metrics=["column_shapes"]).id)
        assert job.state == "done", job.error
        yield workspace
        workspace.close()
        st.cache_resource.clear()


@pytest.fixture(scope="module")
def address(workspace: Workspace) -> Iterator[str]:
    with serving(workspace) as url:
        yield url


@pytest.fixture
def visit(workspace: Workspace) -> Callable[..., AppTest]:
    def open_page(name: str, **query: str) -> AppTest:
        page = AppTest.from_file(MAIN, default_timeout=60)
        for key, value in query.items():
            page.query_params[key] = value
        return page.switch_page(f"{name}.py").run()

    return open_page


@pytest.fixture
def repeat(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[AppTest], None]:
    """Runs the calls that a page shows, in curl and in Python, in a folder of their own; waits for no job."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\n")

    def run(page: AppTest) -> None:
        shell, python = shown(page)
        subprocess.run(["bash", "-euc", shell.replace("http://127.0.0.1:8501", address)], check=True)
        exec(python.replace("http://127.0.0.1:8501", address).replace("understudy.wait(", "("), {})

    return run


def shown(page: AppTest) -> tuple[str, str]:
    """The calls on a page: for the shell, and as a program."""
    assert not page.exception
    blocks = [code.value for code in page.code]
    return next(b for b in blocks if "curl" in b), next(b for b in blocks if "import Understudy" in b)


@pytest.fixture(autouse=True)
def idle(workspace: Workspace) -> Iterator[None]:
    """Leaves no job to the next test."""
    yield
    for state in ("queued", "running"):
        for job in workspace.jobs.find(state):
            workspace.jobs.cancel(job.id)


def button(page: AppTest, label: str):
    return next(button for button in page.button if button.label == label)


def newest(workspace: Workspace, jobs: int) -> list[Job]:
    return list(workspace.jobs.find(limit=jobs))


def asked(job: Job) -> dict[str, Any]:
    """What was asked of a job, without the time that it was expected to take then."""
    return {name: value for name, value in job.arguments.items() if name != "expected"}


def test_a_training_is_repeated_as_it_was_set(visit, workspace, repeat):
    page = visit("train")
    dataset = workspace.datasets.find()[0]
    page.radio[0].set_value("bootstrap").run()
    page.text_input(key=f"rows_{dataset.id}").set_value("12").run()
    page.multiselect(key=f"fixed_{dataset.id}").set_value(["city"]).run()
    page.multiselect(key=f"where_{dataset.id}_city").set_value(["Oslo"]).run()
    button(page, "Train").click().run()
    repeat(page)
    clicked, curled, programmed = reversed(newest(workspace, 3))
    assert clicked.arguments["conditions"]["cases"][0]["where"] == {"city": ["Oslo"]}
    assert asked(clicked) == asked(curled) == asked(programmed)
    assert clicked.dataset_id == curled.dataset_id == programmed.dataset_id


def test_a_search_is_shown_as_one(visit, workspace):
    page = visit("train")
    page.radio[0].set_value("trees").run()
    page.toggle(key="tune_trees").set_value(True).run()
    shell, python = shown(page)
    assert "/api/optimize" in shell and '"trials": 20' in shell
    assert "understudy.optimize(" in python and "budget_s=1800.0" in python


def test_an_upload_is_repeated_with_its_options(visit, workspace, repeat, tmp_path):
    file = write_people(tmp_path)
    page = visit("data", view="add")
    page.file_uploader[0].upload("people.csv", file.read_bytes()).run()
    page.slider[0].set_value(10).run()
    before = {dataset.id for dataset in workspace.datasets.find()}
    repeat(page)
    added = [dataset for dataset in workspace.datasets.find() if dataset.id not in before]
    assert [(one.name, one.rows, one.holdout_rows) for one in added] == [("people.csv", 100, 10)] * 2
    for dataset in added:
        workspace.datasets.delete(dataset.id)


def test_a_correction_of_columns_is_repeated(visit, workspace, repeat):
    dataset = workspace.datasets.find()[0]
    page = visit("data")
    page.session_state[f"schema_{dataset.id}_0"] = {
        "edited_rows": {"3": {"role": "drop"}},
        "added_rows": [],
        "deleted_rows": [],
    }
    page.run()
    button(page, "Save").click().run()
    corrected = workspace.datasets.get(dataset.id).schema
    assert corrected["who"].role == "drop"
    workspace.datasets.set_schema(dataset.id, dataset.schema)
    repeat(page)
    assert workspace.datasets.get(dataset.id).schema == corrected
    workspace.datasets.set_schema(dataset.id, dataset.schema)


def test_what_can_be_done_with_a_run_is_repeated(visit, workspace, repeat, tmp_path):
    run = workspace.runs.find()[-1]
    repeat(visit("compare", run=run.id))
    files = sorted(tmp_path.glob("*.csv"))
    assert [file.name for file in files] == ["people-synthetic-bootstrap.csv"]
    assert len(pd.read_csv(files[0])) == run.rows
    kinds = sorted(job.kind for job in newest(workspace, 6))
    assert kinds == ["evaluate"] * 2 + ["sample"] * 2 + ["train"] * 2
    trained = [job for job in newest(workspace, 6) if job.kind == "train"]
    assert [asked(job) for job in trained] == [asked(workspace.jobs.get(run.job_id))] * 2


def test_a_job_is_seen_cancelled_and_repeated(visit, workspace, repeat):
    job = workspace.training.train(workspace.datasets.find()[0].id, "ctgan", {"epochs": 5000}, metrics=[])
    shell, python = shown(visit("jobs", job=job.id))
    assert f"-X DELETE http://127.0.0.1:8501/api/jobs/{job.id}" in shell
    assert f'understudy.cancel("{job.id}")' in python.replace("'", '"')
    assert '"epochs": 5000' in shell


def test_conversations_are_ordered_as_on_the_page_and_the_key_is_never_shown(visit, workspace, repeat, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    model = ChatServer()
    with model.running() as url:
        page = visit("conversations")
        next(field for field in page.text_input if field.label == "Dialogues").set_value("2")
        page.text_area[0].set_value("A baker's shop; “bread & cake”, $5 each.")
        next(field for field in page.text_input if field.label == "Base URL").set_value(url)
        next(field for field in page.text_input if field.label == "API key").set_value("sk-very-secret")
        next(field for field in page.text_input if field.label == "Model").set_value("scripted").run()
        button(page, "Write 2 dialogues").click().run()
        assert "sk-very-secret" not in "".join(shown(page))
        repeat(page)
        jobs = [workspace.jobs.wait(job.id) for job in newest(workspace, 3)]
    assert [job.state for job in jobs] == ["done"] * 3
    orders = [workspace.conversations.get(job.arguments["talk"]).order for job in jobs]
    assert orders[0].brief == orders[1].brief == orders[2].brief
    assert orders[0].server.base_url == orders[1].server.base_url == orders[2].server.base_url == url
    assert {request["authorization"] for request in model.requests} == {"Bearer sk-very-secret"}


def test_where_keys_are_asked_for_a_placeholder_stands_in_their_place(visit, workspace, monkeypatch):
    key, text = workspace.access.make_key("anna", ["admin"])
    try:
        sign_in(monkeypatch, workspace, text)
        shell, python = shown(visit("compare"))
    finally:
        workspace.access.revoke(key.id)
    assert '-H "X-API-Key: $UNDERSTUDY_API_KEY"' in shell
    assert text not in shell + python

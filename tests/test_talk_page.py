"""The Conversations page from files to a finished set: brought, planned, previewed, written, changed, downloaded."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.components.frame import get_workspace
from tests.chat_server import ChatServer
from workspace.workspace import Workspace

MAIN = Path(__file__).parent.parent / "pages" / "main.py"
INTENTS = {"delivery": "my parcel is late", "refund": "i want my money back"}


def write_talks(file: Path, conversations: int = 12) -> Path:
    """Conversations of four turns, two thirds about deliveries and one third about refunds."""
    rows = [
        (f"c{n}", turn, ("customer", "agent")[turn % 2], f"{INTENTS[intent]} {word} number {n:03}", intent)
        for n in range(conversations)
        for intent in [("delivery", "delivery", "refund")[n % 3]]
        for turn, word in enumerate(("please", "sorry", "thanks", "goodbye"))
    ]
    pd.DataFrame(rows, columns=["id", "turn", "role", "text", "intent"]).to_csv(file, index=False)
    return file


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNDERSTUDY_WORKSPACE", str(tmp_path_factory.mktemp("workspace")))
        st.cache_resource.clear()
        workspace = get_workspace()
        yield workspace
        for job in workspace.jobs.find():
            workspace.jobs.cancel(job.id)
        workspace.close()
        st.cache_resource.clear()


@pytest.fixture
def page(workspace: Workspace) -> AppTest:
    page = AppTest.from_file(MAIN, default_timeout=60)
    return page.switch_page("conversations.py").run()


def named(kind, label: str):
    return next(element for element in kind if element.label == label)


def bring(page: AppTest, *files: Path) -> None:
    for file in files:
        page.file_uploader[0].upload(file.name, file.read_bytes())
    page.run()
    assert not page.exception


def set_up(page: AppTest, url: str, dialogues: int, label: str = "Dialogues") -> None:
    named(page.text_input, label).set_value(str(dialogues))
    named(page.text_input, "Base URL").set_value(url)
    named(page.text_input, "API key").set_value("sk-typed")
    named(page.text_input, "Model").set_value("scripted").run()
    assert not page.exception and not page.error


def finished(page: AppTest, workspace: Workspace) -> None:
    """Wait for the newest job, and look again."""
    done = workspace.jobs.wait(workspace.jobs.find(limit=1)[0].id, 120)
    assert done.state == "done", done.error
    page.run()
    assert not page.exception


def test_a_file_goes_from_the_uploader_to_a_set_that_is_changed_by_hand(page, workspace, tmp_path):
    model = ChatServer()
    with model.running() as url:
        bring(page, write_talks(tmp_path / "talks.csv"))
        assert any(expander.label == "Read as one turn per row" for expander in page.expander)
        set_up(page, url, 3)
        assert page.metric[0].value == "3"
        prompt = " ".join(code.value for code in page.code)
        assert "customer" in prompt and "number 0" in prompt
        named(page.button, "Write 3 dialogues").click().run()
        finished(page, workspace)
        talk = workspace.conversations.find()[0]
        lines = workspace.conversations.written(talk.id)  # as they arrived, which may be in any order
        first, second, third = (line.dialogue for line in sorted(lines, key=lambda line: line.index))
        said = [message.children[1].value for message in page.chat_message]
        assert said[:4] == [turn.text for turn in lines[0].dialogue.turns]
        assert sorted(dialogue.labels["intent"] for dialogue in (first, second, third)).count("delivery") == 2

        page.session_state[f"edit_{talk.id}_0"] = {
            "edited_rows": {"0": {"text": "By hand."}},
            "added_rows": [],
            "deleted_rows": [],
        }
        page.run()
        page.button(key=f"keep_{talk.id}_0").click().run()
        page.button(key=f"reject_{talk.id}_1").click().run()
        downloads = {download.label for download in page.get("download_button")}
        page.button(key=f"again_{talk.id}_2").click().run()
        assert not page.exception
        while len(workspace.conversations.written(talk.id)) < 2:
            assert not workspace.jobs.find(limit=1)[0].ended
            time.sleep(0.05)
    now = {line.index: line.dialogue for line in workspace.conversations.written(talk.id)}
    assert set(now) == {0, 2}
    assert now[0].turns[0].text == "By hand." and now[0].turns[1:] == first.turns[1:]
    assert now[2].turns != third.turns
    # What is missing is written with the key that was typed.
    assert {request["authorization"] for request in model.requests} == {"Bearer sk-typed"}
    assert downloads >= {"CSV", "OpenAI fine-tuning"}


def test_several_files_become_a_set_each_and_a_bad_one_loses_none(page, workspace, tmp_path):
    bad = tmp_path / "bad.csv"
    bad.write_bytes(b"")
    numbers = tmp_path / "numbers.csv"
    numbers.write_text("a,b\n" + "".join(f"{n},{n * n}\n" for n in range(9)))
    files = [write_talks(tmp_path / "north.csv", 9), bad, numbers, write_talks(tmp_path / "south.csv", 15)]
    with ChatServer().running() as url:
        bring(page, *files)
        told = {error.value for error in page.error}
        assert len(told) == 2 and any("No column holds text" in sentence for sentence in told)
        named(page.multiselect, "Source files").set_value(
            [dataset.id for dataset in workspace.datasets.find() if dataset.name in ("north.csv", "south.csv")]
        ).run()
        page.session_state["conversations_refused"] = {}
        page.run()
        set_up(page, url, 2, "Dialogues from each file")
        named(page.button, "Write 4 dialogues").click().run()
        assert not page.exception
    talks = workspace.conversations.find()[:2]
    assert {talk.name for talk in talks} == {"north.csv", "south.csv"}
    for talk in talks:
        assert (talk.order.brief.dialogues, talk.order.intent) == (2, "intent")
        assert talk.order.brief.intents == pytest.approx({"delivery": 2 / 3, "refund": 1 / 3}, abs=0.1)


def test_a_description_is_enough_and_what_cannot_be_written_is_said(page, workspace):
    named(page.multiselect, "Source files").set_value([])
    page.text_area[0].set_value("A bakery in Lyon.")
    page.run()
    assert "A bakery in Lyon." in " ".join(code.value for code in page.code)
    assert not named(page.button, "Write 20 dialogues").disabled
    named(page.text_input, "Budget (US dollars)").set_value("0").run()
    assert any("0 is too small" in error.value for error in page.error)
    assert named(page.button, "Write").disabled and "Budget" in named(page.button, "Write").help

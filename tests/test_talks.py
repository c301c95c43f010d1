"""Conversations in the workspace: real workers, a real model server over HTTP, real files."""

import json
from collections import Counter

import pandas as pd
import pytest
from pydantic import SecretStr

from synth.conversations import brief_from
from synth.conversations.order import ConversationRequest
from tests.chat_server import ChatServer
from workspace.settings import Settings
from workspace.workspace import Workspace

INTENTS = {"delivery": "my parcel is late", "refund": "i want my money back", "account": "i cannot sign in"}


@pytest.fixture
def workspace(tmp_path):
    workspace = Workspace(Settings(workspace=tmp_path / "workspace", llm_local_only=True)).start()
    yield workspace
    workspace.close()


@pytest.fixture
def talks(workspace, tmp_path):
    """A dataset of 30 conversations of four turns on three intents."""
    rows = [
        (f"c{number}", turn, ("customer", "agent")[turn % 2], f"{INTENTS[intent]} {word} number {number:03}", intent)
        for number in range(30)
        for intent in [list(INTENTS)[number % 3]]
        for turn, word in enumerate(("please", "sorry", "thanks", "goodbye"))
    ]
    file = tmp_path / "talks.csv"
    pd.DataFrame(rows, columns=["id", "turn", "role", "text", "intent"]).to_csv(file, index=False)
    return workspace.datasets.add(file, "talks.csv")


def order(workspace, dataset, url, **options) -> ConversationRequest:
    options.setdefault("metrics", ["plan_coverage"])
    shape = workspace.conversations.find_shape(dataset.id)
    source = workspace.conversations.dialogues(dataset.id, shape)
    intents = {"delivery": 2, "refund": 1, "account": 1}
    brief = brief_from(source, dialogues=8, intents=intents, seed=3)
    server = workspace.conversations.server(
        base_url=url, model="scripted", api_key=options.pop("api_key", "sk-test"), retries=1
    )
    return ConversationRequest(brief=brief, server=server, shape=shape, intent="intent", **options)


def test_a_file_becomes_a_labelled_set_in_the_asked_shares_and_its_own_columns(workspace, talks):
    with ChatServer().running() as url:
        job = workspace.jobs.wait(
            workspace.conversations.write(talks.id, order(workspace, talks, url, metrics=None)).id, 60
        )
    assert job.state == "done", workspace.jobs.log_tail(job.id)
    talk = workspace.conversations.find()[0]
    made = [line.dialogue for line in workspace.conversations.written(talk.id)]
    assert Counter(dialogue.labels["intent"] for dialogue in made) == {"delivery": 4, "refund": 2, "account": 2}
    table = pd.read_csv(workspace.conversations.export(talk.id, "csv"))
    assert list(table.columns) == ["id", "turn", "role", "text", "intent"]
    assert table.groupby("id").size().tolist() == [4] * 8
    lines = workspace.conversations.export(talk.id, "openai").read_text().splitlines()
    assert [message["role"] for message in json.loads(lines[0])["messages"]] == ["user", "assistant"] * 2
    scores = workspace.conversations.scores(talk.id)
    assert scores["plan_coverage"].value == 1.0
    assert scores["turns_per_dialogue"].reference is not None
    assert {view["column"] for view in workspace.conversations.pictures(talk.id)} >= {"Turns per dialogue", "Intent"}


def test_held_out_dialogues_are_never_sent(workspace, talks):
    model = ChatServer()
    with model.running() as url:
        ordered = order(workspace, talks, url)
        workspace.jobs.wait(workspace.conversations.write(talks.id, ordered).id, 60)
    held = workspace.conversations.dialogues(talks.id, ordered.shape, held_out=True)
    sent = json.dumps(model.requests)
    assert len(held) == 6
    assert not any(turn.text in sent for dialogue in held for turn in dialogue.turns)


def test_the_key_lies_nowhere_in_clear_goes_when_the_job_ends_and_is_asked_for_again(workspace, talks):
    model = ChatServer(["wrong_key"] * 8 + ["good"])
    with model.running() as url:
        job = workspace.jobs.wait(
            workspace.conversations.write(talks.id, order(workspace, talks, url, api_key="sk-very-secret")).id, 60
        )
        assert job.state == "failed" and "refused the API key" in job.error
        assert job.arguments == {"talk": job.arguments["talk"]}
        again = workspace.conversations.retry(job.id, SecretStr("sk-very-secret"))
        job = workspace.jobs.wait(again.id, 60)
    assert job.state == "done"
    assert {request["authorization"] for request in model.requests} == {"Bearer sk-very-secret"}
    assert workspace.jobs.get(job.id).arguments == {"talk": job.arguments["talk"]}
    for file in workspace.folder.rglob("*"):
        if file.is_file():
            assert b"sk-very-secret" not in file.read_bytes(), file


def test_an_error_keeps_what_was_written_and_going_on_writes_the_rest(workspace, talks):
    with ChatServer(["good"] * 3 + ["no_model"]).running() as url:
        ordered = order(workspace, talks, url)
        ordered.server.at_once = 1
        job = workspace.jobs.wait(workspace.conversations.write(talks.id, ordered).id, 60)
        assert job.state == "failed" and "has no model" in job.error
        talk = workspace.conversations.find()[0]
        assert len(workspace.conversations.written(talk.id)) == 3
    workspace.conversations.change(talk.id, order=ordered)
    port = int(url.split(":")[2].split("/")[0])
    with ChatServer().running(port):
        job = workspace.jobs.wait(workspace.conversations.resume(talk.id, SecretStr("sk-test")).id, 60)
    assert job.state == "done"
    assert sorted(line.index for line in workspace.conversations.written(talk.id)) == list(range(8))


def test_single_dialogues_are_edited_rejected_and_written_again(workspace, talks):
    with ChatServer().running() as url:
        workspace.jobs.wait(workspace.conversations.write(talks.id, order(workspace, talks, url)).id, 60)
        talk = workspace.conversations.find()[0]
        first, second, third = workspace.conversations.written(talk.id)[:3]
        edited = first.dialogue.model_copy(deep=True)
        edited.turns[0].text = "edited by hand"
        workspace.conversations.set_dialogue(talk.id, first.index, edited)
        workspace.conversations.set_dialogue(talk.id, second.index, None)
        workspace.conversations.set_dialogue(talk.id, third.index, None, again=True)
        assert len(workspace.conversations.written(talk.id)) == 6
        workspace.jobs.wait(workspace.conversations.resume(talk.id, SecretStr("sk-test")).id, 60)
    made = {line.index: line.dialogue for line in workspace.conversations.written(talk.id)}
    assert set(made) == set(range(8)) - {second.index}
    assert made[first.index].turns[0].text == "edited by hand"
    assert made[third.index] != third.dialogue


def test_a_model_marks_written_and_held_out_dialogues_when_asked(workspace, talks):
    with ChatServer(["good"] * 8 + ["marks"]).running() as url:
        job = workspace.jobs.wait(
            workspace.conversations.write(talks.id, order(workspace, talks, url, judged=4)).id, 60
        )
    assert job.state == "done"
    score = workspace.conversations.scores(workspace.conversations.find()[0].id)["model_judge"]
    # Marks of 5, 4 and 3 for every dialogue, written or real.
    assert (score.value, score.reference) == (4.0, 4.0)
    assert len(score.detail["marks"]) == 4


def test_a_set_from_a_description_needs_no_file(workspace):
    with ChatServer().running() as url:
        server = workspace.conversations.server(base_url=url, model="scripted")
        brief = {"kind": "sales", "business": "A bakery in Lyon.", "dialogues": 3}
        job = workspace.jobs.wait(
            workspace.conversations.write(
                None, ConversationRequest(brief=brief, server=server, metrics=["plan_coverage"])
            ).id,
            60,
        )
    assert job.state == "done"
    assert len(workspace.conversations.written(workspace.conversations.find()[0].id)) == 3


def test_deleting_a_set_or_its_dataset_deletes_its_bytes(workspace, talks):
    with ChatServer().running() as url:
        for _ in range(2):
            workspace.jobs.wait(workspace.conversations.write(talks.id, order(workspace, talks, url)).id, 60)
    one, other = workspace.conversations.find()
    workspace.conversations.delete(one.id)
    assert [talk.id for talk in workspace.conversations.find()] == [other.id]
    workspace.datasets.delete(talks.id)
    assert not workspace.conversations.find()
    assert not list((workspace.folder / "talks").iterdir())


@pytest.mark.parametrize(
    "change, words", [({"budget": 0.0}, "budget of 0"), ({"metrics": ["nonsense"]}, "no metric nonsense")]
)
def test_an_order_that_cannot_be_carried_out_is_refused_in_words(workspace, talks, change, words):
    with pytest.raises(ValueError, match=words):
        workspace.conversations.write(talks.id, order(workspace, talks, "http://127.0.0.1:9/v1", **change))

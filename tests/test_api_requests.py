"""What the calls that start work take: files, forms, paths, keys against doing twice. Jobs only wait here, but for one."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from api import api
from tests.calling import KEYS, as_, changed, here
from workspace.access.idempotency import Unanswered
from workspace.catalog.rows import Answer, now


@pytest.fixture
def serve(settings, open_workspace):
    """Serves a workspace whose jobs only wait, with some settings of its own; gives a client."""
    return lambda **own: here(open_workspace(changed(settings, **own)), raise_server_exceptions=False)


@pytest.fixture
def client(serve):
    return serve()


def file(people: Path, name: str = "people.csv") -> dict:
    return {"file": (name, people.read_bytes())}


def arguments(answer) -> dict:
    assert answer.status_code == 202, answer.text
    return api.state.workspace.jobs.get(answer.json()["id"]).arguments


def test_a_form_with_the_file_says_the_same_as_json(client, people):
    form = {"model": "slow", "params": '{"nap_s": 0.5}', "epochs": "3", "rows": "7", "seed": "5", "format": "jsonl"}
    sent = client.post("/train", data=form | {"metrics": ["exact_copies", "coverage"]}, files=file(people))
    dataset = client.get("/datasets").json()[0]
    assert dataset["id"] == sent.json()["dataset_id"] and dataset["name"] == "people.csv" and dataset["session"]
    said = {"dataset_id": dataset["id"], "model": "slow", "params": {"nap_s": 0.5, "epochs": 3}, "rows": 7, "seed": 5}
    said |= {"format": "jsonl", "metrics": ["exact_copies", "coverage"]}
    assert arguments(sent) == arguments(client.post("/train", json=said))
    assert arguments(sent)["params"]["epochs"] == 3 and arguments(sent)["format"] == "jsonl"


@pytest.mark.parametrize(
    "form, words, field",
    [
        ({"model": "nonsense"}, "no generator", None),
        ({"model": "trees", "rows": "many"}, "Expected a number", "rows"),
        ({"params": "{"}, "not JSON", "params"),
        ({"params": "[" * 100_000}, "nested too deeply", None),
        ({"colour": "red"}, "Extra inputs", "colour"),
        ({"rows": ["1", "2"]}, "came 2 times", "rows"),
        ({"metrics": "nonsense,coverage"}, "no metric nonsense", None),
        ({"dataset_id": "also"}, "in one way", "dataset_id"),
        ({"data_path": "also"}, "in one way", "dataset_id"),
    ],
)
def test_a_form_that_does_not_fit_is_refused_and_its_file_not_kept(client, people, form, words, field):
    answer = client.post("/train", data=form, files=file(people))
    assert answer.status_code == 422 and words in answer.json()["detail"], answer.text
    assert answer.json()["field"] == field
    assert client.get("/datasets").json() == client.get("/jobs").json() == []
    assert not list((api.state.workspace.folder / "datasets").iterdir())


def test_every_call_on_a_table_takes_the_file_with_it(client, people):
    order = json.dumps({"brief": {"dialogues": 1}, "server": {}, "shape": {"form": "utterances", "text": "who"}})
    assert client.post("/generate", data={"rows": 5}, files=file(people)).json()["kind"] == "train"
    assert client.post("/optimize", data={"trials": 2}, files=file(people)).json()["kind"] == "tune"
    assert client.post("/converse", data={"order": order}, files=file(people)).json()["kind"] == "converse"
    both = [("files", ("a.csv", people.read_bytes())), ("files", ("b.csv", people.read_bytes()))]
    jobs = client.post("/process", data={"order": order, "session": "talk"}, files=both).json()
    names = [client.get(f"/datasets/{job['dataset_id']}").json() for job in jobs]
    assert [(one["name"], one["session"]) for one in names] == [("a.csv", "talk"), ("b.csv", "talk")]


def test_a_synthetic_table_made_elsewhere_is_judged_like_our_own(client, people):
    dataset = client.post("/upload", files={"files": ("people.csv", people.read_bytes())}).json()["datasets"][0]
    asked = {"dataset_id": dataset["id"], "metrics": "exact_copies"}
    other = client.post("/evaluate", data=asked, files={"file": ("theirs.csv", b"city,age\nOslo,5\n")})
    assert other.status_code == 422 and "lacks the column" in other.json()["detail"]
    unknown = client.post("/evaluate", data=asked | {"metrics": "nonsense"}, files=file(people))
    assert unknown.status_code == 422 and client.get("/runs").json() == []
    job = client.post("/evaluate", data=asked, files=file(people)).json()
    workspace = api.state.workspace.start()
    assert workspace.jobs.wait(job["id"], 60).state == "done", workspace.jobs.get(job["id"]).error
    run = client.get(f"/runs/{job['run_id']}").json()
    assert (run["model"], run["rows"]) == ("elsewhere", 100)
    # Of the 100 rows 80 are for training, and copied; the other 20 are the holdout.
    assert run["scores"]["exact_copies"]["value"] == 0.8
    answer = client.post("/generate", json={"run_id": run["id"]})
    assert answer.status_code == 422 and "no model" in answer.json()["detail"]


def test_one_file_that_cannot_be_read_starts_nothing(client, people):
    order = json.dumps({"brief": {"dialogues": 1}, "server": {}, "shape": {"form": "utterances", "text": "who"}})
    both = [("files", ("a.csv", people.read_bytes())), ("files", ("empty.csv", b""))]
    answer = client.post("/process", data={"order": order}, files=both)
    assert answer.status_code == 422 and "empty.csv" in answer.json()["detail"]
    assert client.get("/datasets").json() == client.get("/jobs").json() == client.get("/conversations").json() == []


def test_a_path_names_an_upload_or_a_file_of_the_one_folder_and_nothing_else(serve, people, tmp_path):
    shared = tmp_path / "shared"
    (shared / "deep").mkdir(parents=True)
    (shared / "deep" / "table.csv").write_bytes(people.read_bytes())
    (shared / "link.csv").symlink_to(people)
    client = serve(data_folder=str(shared))
    client.post("/upload", files={"files": ("mine.csv", people.read_bytes())})
    for path in ("mine.csv", "deep/table.csv"):
        assert client.post("/train", json={"data_path": path}).status_code == 202
    outside = (
        str(people),
        "../people.csv",
        "deep/../../people.csv",
        "link.csv",
        "/etc/passwd",
        "deep",
        "",
        "a\0b",
        "~",
    )
    for path in (*outside, "x" * 999):
        answer = client.post("/train", json={"data_path": path})
        assert answer.status_code == 422 and "people" not in answer.json()["detail"], path
    assert len(client.get("/datasets").json()) == 2
    closed = serve()
    assert closed.post("/train", json={"data_path": "deep/table.csv"}).status_code == 422


def test_an_upload_is_named_to_its_owner_only(serve, people):
    client = serve(api_keys=KEYS)
    client.post("/upload", files={"files": ("mine.csv", people.read_bytes())}, headers=as_("anna"))
    assert client.post("/train", json={"data_path": "mine.csv"}, headers=as_("carl")).status_code == 422
    assert client.post("/train", json={"data_path": "mine.csv"}, headers=as_("anna")).status_code == 202


@pytest.mark.parametrize(
    "asked, words",
    [
        ({"run_id": "a", "model_id": "b"}, "each name a model"),
        ({"run_id": "a", "epochs": 5}, "would train another"),
        ({"training_job_id": "a", "dataset_id": "b"}, "would train another"),
        ({"rows": 10**9, "data_path": "people.csv"}, "At most"),
        ({"epochs": 10**9, "data_path": "people.csv", "model": "slow"}, "At most"),
    ],
)
def test_generate_takes_a_model_or_a_table(client, people, asked, words):
    client.post("/upload", files={"files": ("people.csv", people.read_bytes())})
    answer = client.post("/generate", json=asked)
    assert answer.status_code == 422 and words in answer.json()["detail"], answer.text


def test_a_table_with_too_many_columns_is_refused_and_not_kept(serve):
    client = serve(max_columns=3)
    answer = client.post("/train", files={"file": ("wide.csv", b"a,b,c,d\n1,2,3,4\n5,6,7,8\n")})
    assert answer.status_code == 422 and "4 columns" in answer.json()["detail"]
    assert client.get("/datasets").json() == []


def test_too_many_jobs_of_one_key_are_told_to_wait(serve, people):
    client = serve(max_queued=2)
    client.post("/upload", files={"files": ("people.csv", people.read_bytes())})
    answers = [client.post("/train", json={"data_path": "people.csv"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert "2 of your jobs" in answers[-1].json()["detail"] and answers[-1].headers["retry-after"]


def test_the_same_key_gives_the_same_answer_and_starts_one_job(client, people):
    client.post("/upload", files={"files": ("people.csv", people.read_bytes())})
    once = {"Idempotency-Key": "monday-1"}
    first = client.post("/train", json={"data_path": "people.csv", "seed": 1}, headers=once)
    # The same call, written otherwise.
    again = client.post("/v1/train", content=b'{"seed":1, "data_path":"people.csv"}', headers=once | JSON)
    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["idempotent-replayed"] == "true" and "idempotent-replayed" not in first.headers
    other = client.post("/train", json={"data_path": "people.csv", "seed": 2}, headers=once)
    assert other.status_code == 422 and "another call" in other.json()["detail"]
    assert client.post("/batch", json=BATCH, headers=once).status_code == 422
    assert len(client.get("/jobs").json()) == 1


JSON = {"Content-Type": "application/json"}
BATCH = {"operations": [{"name": "a", "call": "train", "request": {"data_path": "people.csv"}}]}


def test_a_file_sent_twice_under_one_key_is_one_table(client, people):
    once = {"Idempotency-Key": "k"}
    # httpx draws another boundary for each form.
    answers = [client.post("/train", data={"rows": 5}, files=file(people), headers=once) for _ in range(2)]
    assert answers[0].json() == answers[1].json() and len(client.get("/datasets").json()) == 1
    other = client.post("/train", data={"rows": 5}, files={"file": ("people.csv", b"a\n1\n2\n")}, headers=once)
    assert other.status_code == 422


def test_a_key_is_its_owners_and_a_refused_call_does_not_use_it_up(serve, people):
    client = serve(api_keys=KEYS)
    for name in ("anna", "carl"):
        mine = as_(name) | {"Idempotency-Key": "1"}
        assert client.post("/train", json={"data_path": "people.csv"}, headers=mine).status_code == 422
        client.post("/upload", files={"files": ("people.csv", people.read_bytes())}, headers=mine)
        assert client.post("/train", json={"data_path": "people.csv"}, headers=mine).status_code == 202
    jobs = [client.get("/jobs", headers=as_(name)).json() for name in ("anna", "carl")]
    assert [len(found) for found in jobs] == [1, 1]


def test_a_second_call_while_the_first_is_answered_waits_and_answers_expire(workspace):
    assert workspace.idempotency.begin("anna", "k", "call") is None
    with pytest.raises(Unanswered):
        workspace.idempotency.begin("anna", "k", "call")
    workspace.idempotency.keep("anna", "k", 202, "{}")
    assert workspace.idempotency.begin("anna", "k", "call").status == 202
    with workspace.catalog.session() as session:
        for answer in session.query(Answer):
            answer.created = now() - timedelta(hours=workspace.settings.repeat_hours + 1)
    assert workspace.idempotency.begin("anna", "k", "another call") is None


def test_a_session_is_deleted_with_every_byte(client, people):
    for _ in range(2):
        client.post("/upload", data={"session": "s1"}, files={"files": ("people.csv", people.read_bytes())})
    kept = client.post("/upload", files={"files": ("people.csv", people.read_bytes())}).json()
    client.post("/train", json={"data_path": client.get("/datasets").json()[-1]["id"]})
    assert client.delete("/cleanup/s1").json() == {"datasets": 2, "runs": 0, "conversations": 0, "talks": 0, "jobs": 1}
    folder = api.state.workspace.folder / "datasets"
    assert [path.name for path in folder.iterdir()] == [kept["datasets"][0]["id"]]
    assert client.get("/jobs").json() == []
    assert client.delete("/cleanup/s1").status_code == 404
    assert client.delete("/cleanup/.." + "%2f" * 3).status_code in (404, 422)


def test_nobody_cleans_up_anothers_session(serve, people):
    client = serve(api_keys=KEYS)
    client.post("/upload", data={"session": "s1"}, files={"files": ("a.csv", people.read_bytes())}, headers=as_("anna"))
    for name in ("carl", "root"):
        assert client.delete("/cleanup/s1", headers=as_(name)).status_code == 404
    assert client.delete("/cleanup/s1", headers=as_("bob")).status_code == 403
    assert client.delete("/cleanup/s1", headers=as_("anna")).status_code == 200


def test_sessions_expire_when_the_settings_say_so_but_not_while_a_job_waits(settings, open_workspace, people):
    workspace = open_workspace(changed(settings, session_hours=1e-9))
    for session in ("old", "busy", None):
        dataset = workspace.datasets.add(people, f"{session}.csv", session=session)
        if session == "busy":
            workspace.training.train(dataset.id, "bootstrap")
    workspace.sessions.expire()
    assert {dataset.name for dataset in workspace.datasets.find()} == {"busy.csv", "None.csv"}


def test_a_bug_report_is_kept_without_people_or_keys(serve):
    client = serve(api_keys=KEYS)
    client.get("/datasets/gone", headers=as_("anna"))
    client.get("/stats", headers=as_("carl"))
    text = "My name is Sigrid Undset, sigrid@undset.no: training stops at 4 of 5."
    made = client.post("/bugs", json={"text": text}, headers=as_("anna"))
    assert made.status_code == 201
    report = made.json()
    assert "training stops at 4 of 5" in report["text"] and "python" in report["versions"]
    assert not any(private in made.text for private in ("Sigrid", "undset.no", "anna", "/stats"))
    assert json.loads(report["log"][0])["route"] == "/datasets/{dataset_id}"
    assert (
        client.get("/bugs", headers=as_("anna")).json() == client.get("/bugs", headers=as_("root")).json() == [report]
    )
    assert client.get("/bugs", headers=as_("carl")).json() == []

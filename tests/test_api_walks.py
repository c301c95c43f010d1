"""Five walks through the API by HTTP alone, on a port, as a program of another's would take them."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator

import httpx
import pandas as pd
import pytest

from tests.calling import KEYS, as_
from tests.chat_server import ChatServer
from tests.conftest import PLUGIN, write_people
from tests.live import serving
from workspace.settings import Settings
from workspace.workspace import Workspace

COLUMNS = ["city", "age", "income", "who"]
QUALITY = ["column_shapes", "column_pair_trends", "coverage"]
TICKETS = "customer_message,agent_reply\n" + "\n".join(
    f"My {thing} is late,We are sorry about the {thing}" for thing in ("parcel", "book", "lamp", "chair", "coat")
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Workspace]]:
    folder = tmp_path_factory.mktemp("workspace")
    # The model that a walk writes with is on this machine, which callers with keys reach by name only.
    own = {"api_keys": KEYS, "allowed_hosts": ["127.0.0.1"]}
    settings = Settings(workspace=folder, plugins=[PLUGIN], slots=2, threads_per_job=1, **own)
    workspace = Workspace(settings).start()
    with serving(workspace) as address:
        yield f"{address}/api", workspace
    for job in workspace.jobs.find():
        workspace.jobs.cancel(job.id)
    workspace.close()


@pytest.fixture
def anna(server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server[0], headers=as_("anna"), timeout=60) as client:
        yield client


@pytest.fixture
def people(tmp_path) -> bytes:
    return write_people(tmp_path).read_bytes()


def ended(client: httpx.Client, job: dict, timeout_s: float = 280) -> dict:
    until = time.monotonic() + timeout_s
    while job["state"] in ("queued", "running"):
        assert time.monotonic() < until, job
        time.sleep(0.1)
        job = client.get(f"/jobs/{job['id']}").json()
    return job


def done(client: httpx.Client, answer: httpx.Response) -> dict:
    assert answer.status_code == 202, answer.text
    job = ended(client, answer.json())
    assert job["state"] == "done", job
    return job


def quick(model: str) -> dict:
    """Parameters with which a generator takes seconds."""
    return {"great": {"steps": 100}, "ctgan": {"epochs": 1}, "tvae": {"epochs": 1}}.get(model, {})


@pytest.mark.parametrize("model", ["bootstrap", pytest.param("great", marks=pytest.mark.slow)])
def test_upload_generate_three_measures_download_cleanup(server, anna, people, model):
    sent = anna.post("/upload", files={"files": ("people.csv", people)}).json()
    asked = {"dataset_id": sent["datasets"][0]["id"], "model": model, "params": quick(model), "rows": 25}
    job = done(anna, anna.post("/generate", json=asked | {"metrics": QUALITY}))
    scores = anna.get(f"/runs/{job['run_id']}").json()["scores"]
    assert list(scores) == QUALITY and all(0 <= scores[name]["value"] <= 1 for name in QUALITY[:2])
    table = pd.read_csv(io.BytesIO(anna.get(f"/download/{job['id']}").content))
    assert list(table.columns) == COLUMNS and len(table) == 25
    assert anna.delete(f"/cleanup/{sent['session']}").json() == {
        "datasets": 1,
        "runs": 1,
        "conversations": 0,
        "talks": 0,
        "jobs": 1,
    }
    for path in (f"/jobs/{job['id']}", f"/runs/{job['run_id']}", f"/download/{job['id']}"):
        assert anna.get(path).status_code == 404
    folder = server[1].folder
    left = [file for name in ("datasets", "runs", "jobs", "tmp") for file in (folder / name).rglob("*")]
    assert not [
        file for file in left if any(part in str(file) for part in (asked["dataset_id"], job["id"], job["run_id"]))
    ]


def test_train_poll_generate_from_the_job_evaluate_download_cancel(anna, people):
    dataset = anna.post("/datasets", files={"files": ("people.csv", people)}).json()["datasets"][0]["id"]
    asked = {"dataset_id": dataset, "model": "slow", "params": {"nap_s": 0.02}, "epochs": 7, "metrics": []}
    other = anna.post("/train", json=asked | {"params": {"nap_s": 60}}).json()
    trained = done(anna, anna.post("/train", json=asked))
    assert anna.get(f"/runs/{trained['run_id']}").json()["params"]["epochs"] == 7
    more = {"training_job_id": trained["id"], "rows": 12, "format": "parquet", "metrics": []}
    drawn = done(anna, anna.post("/generate", json=more))
    done(anna, anna.post("/evaluate", json={"run_id": drawn["run_id"], "metrics": ["exact_copies"]}))
    assert list(anna.get(f"/runs/{drawn['run_id']}").json()["scores"]) == ["exact_copies"]
    # A download that was cut goes on where it stopped.
    with anna.stream("GET", f"/download/{drawn['id']}") as answer:
        begun = next(answer.iter_raw(100))
    goes_on = {"Range": f"bytes={len(begun)}-", "If-Range": answer.headers["etag"]}
    rest = anna.get(f"/download/{drawn['id']}", headers=goes_on)
    assert rest.status_code == 206 and len(pd.read_parquet(io.BytesIO(begun + rest.content))) == 12
    assert anna.delete(f"/jobs/{other['id']}").status_code == 200
    assert ended(anna, other)["state"] == "cancelled"


def test_a_batch_of_two_trainings_side_by_side_and_an_optimisation(anna, people):
    dataset = anna.post("/datasets", files={"files": ("people.csv", people)}).json()["datasets"][0]["id"]
    naps = {"dataset_id": dataset, "model": "slow", "params": {"nap_s": 0.3}, "metrics": []}
    search = {"dataset_id": dataset, "model": "slow", "params": {"nap_s": 0}, "trials": 5, "objective": "column_shapes"}
    operations = [
        {"name": "one", "call": "train", "request": naps},
        {"name": "two", "call": "train", "request": naps | {"seed": 1}},
        {"name": "best", "call": "optimize", "request": search | {"metrics": ["column_shapes"]}},
    ]
    batch = anna.post("/batch", json={"operations": operations}).json()
    jobs = [ended(anna, one["job"]) for one in batch["operations"]]
    assert anna.get(f"/batch/{batch['id']}").json()["states"] == {"done": 3}
    assert jobs[0]["started"] < jobs[1]["finished"] and jobs[1]["started"] < jobs[0]["finished"]
    assert anna.get(f"/runs/{jobs[2]['run_id']}").json()["scores"]["column_shapes"]["value"] > 0.5


@pytest.mark.parametrize(
    "model", ["bootstrap", *(pytest.param(name, marks=pytest.mark.slow) for name in ("ctgan", "tvae"))]
)
def test_train_from_a_posted_file_with_a_key_and_draw_by_model_id(server, anna, people, model):
    form = {"model": model, "params": json.dumps(quick(model)), "rows": 10, "metrics": "exact_copies"}
    for wrong in ({}, {"X-API-Key": "a-key-that-nobody-has"}):
        refused = httpx.post(f"{server[0]}/train", data=form, files={"file": ("p.csv", people)}, headers=wrong)
        assert refused.status_code == 401 and set(refused.json()) == {"error", "detail", "field", "timestamp"}
    trained = done(anna, anna.post("/train", data=form, files={"file": ("people.csv", people)}))
    drawn = done(anna, anna.post("/generate", json={"model_id": trained["run_id"], "rows": 15, "metrics": []}))
    lines = anna.get(f"/download/{drawn['run_id']}", params={"format": "jsonl"}).text.splitlines()
    assert len(lines) == 15 and set(json.loads(lines[0])) == set(COLUMNS)


def test_login_conversations_from_several_files_logout(server, anna):
    key = "sk-the-key-of-the-cookie"
    entered = anna.post("/login", json={"openai": {"api_key": key}})
    cookie = entered.headers["set-cookie"]
    assert entered.json()["services"] == ["openai"] and key not in cookie
    assert all(f"; {word}" in cookie.lower() for word in ("httponly", "secure", "samesite=strict", "path=/api"))
    # A cookie jar keeps a secure cookie to itself where there is no TLS, as here.
    shown = {"Cookie": cookie.split(";")[0]}
    with ChatServer().running() as url:
        order = {
            "brief": {"dialogues": 2},
            "server": {"base_url": url, "model": "scripted"},
            "metrics": ["words_per_turn"],
        }
        files = [("files", (f"{name}.csv", TICKETS.encode())) for name in ("north", "south")]
        asked = {"data": {"order": json.dumps(order)}, "files": files, "headers": shown}
        jobs = anna.post("/process", **asked)
        assert jobs.status_code == 202, jobs.text
        jobs = [ended(anna, job) for job in jobs.json()]
    assert [job["state"] for job in jobs] == ["done", "done"], jobs
    for job, name in zip(jobs, ("north.csv", "south.csv"), strict=True):
        found = anna.get(f"/conversations/{job['set_id']}").json()
        assert (found["name"], found["dialogues"], list(found["scores"])) == (name, 2, ["words_per_turn"])
        assert len(pd.read_csv(io.BytesIO(anna.get(f"/download/{job['id']}").content))) >= 2
    left = anna.get("/logout")
    assert left.status_code == 204 and 'understudy_credentials=""' in left.headers["set-cookie"]
    written = [file for file in server[1].folder.rglob("*") if file.is_file()]
    assert not [file for file in written if key.encode() in file.read_bytes()]

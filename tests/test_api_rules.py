"""The rules between the fields of a request: the description refuses what the server refuses, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator

from api import api
from api.routes.links import LINKABLE
from api.security import LINKED, asks_of
from synth.linear import whole
from tests.calling import here
from tests.conftest import write_people
from workspace.settings import RESERVED_NAMES, Settings
from workspace.workspace import Workspace

CSV = b"city,age\nOslo,41\nBergen,38\n"
ORDER = {"brief": {"dialogues": 1}, "server": {}, "shape": {"form": "utterances", "text": "city"}}
SOURCES = ("dataset_id", "data_path", "run_id", "model_id", "training_job_id")
PLENTY = "1000000/minute"
LEFT_OUT = object()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A server whose jobs only wait, with a table that is called as its fields are."""
    folder = tmp_path_factory.mktemp("workspace")
    settings = Settings(workspace=folder, call_limit=PLENTY, start_limit=PLENTY, max_queued=1_000_000)
    workspace = Workspace(settings)
    workspace.datasets.add(write_people(folder), "people.csv")
    yield here(workspace)
    workspace.close()


def fits(path: str, kind: str, body: Any) -> bool:
    """Whether a body is one by the description of the call."""
    escaped = f"{path.replace('/', '~1')}/post/requestBody/content/{kind.replace('/', '~1')}/schema"
    return Draft202012Validator({**api.openapi(), "$ref": f"#/paths/{escaped}"}).is_valid(body)


def refused(answer: Any) -> bool:
    assert answer.status_code in (200, 201, 202, 404, 422), answer.text
    return answer.status_code == 422


def bodies(values: dict[str, tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
    """Every body of these fields, each left out or with one of its values."""
    for chosen in product(*((LEFT_OUT, *found) for found in values.values())):
        yield {name: value for name, value in zip(values, chosen, strict=True) if value is not LEFT_OUT}


def table_id(client: TestClient) -> str:
    return client.get("/datasets").json()[0]["id"]


NAMED = {"dataset_id": "gone", "data_path": "people.csv", "run_id": "x", "model_id": "x", "training_job_id": "x"}
ON_TABLE = {name: (None, NAMED[name]) for name in ("dataset_id", "data_path")}
JSON_BODIES = [
    ("/train", {}, ON_TABLE),
    ("/optimize", {"trials": 1}, ON_TABLE),
    ("/converse", {"order": ORDER}, ON_TABLE),
    ("/generate", {}, {name: (None, NAMED[name]) for name in SOURCES}),
    ("/generate", {}, {"run_id": (None, "x"), "model": ("trees",), "params": ({},), "read": (None,), "rows": (5,)}),
    ("/evaluate", {}, dict.fromkeys(("dataset_id", "run_id", "training_job_id"), (None, "x"))),
    ("/process", {"order": ORDER}, {"dataset_ids": ([], ["gone"])}),
]


@pytest.mark.parametrize("path, always, values", JSON_BODIES, ids=[path for path, _, _ in JSON_BODIES])
def test_a_json_body_is_refused_exactly_where_the_description_refuses_it(client, path, always, values):
    for body in bodies(values):
        body |= always
        assert fits(path, "application/json", body) != refused(client.post(path, json=body)), body


FORM_BODIES = [
    ("/train", {}, ("dataset_id", "data_path", "file")),
    ("/optimize", {"trials": 1}, ("dataset_id", "data_path", "file")),
    ("/converse", {"order": ORDER}, ("dataset_id", "data_path", "file")),
    ("/generate", {}, (*SOURCES, "file")),
    ("/generate", {}, ("run_id", "model", "params", "file")),
    ("/evaluate", {}, ("dataset_id", "run_id", "training_job_id", "file")),
    ("/process", {"order": ORDER}, ("dataset_ids", "files")),
    ("/process", {}, ("dataset_ids", "files")),
    ("/converse", {"order": ORDER}, ("api_key",)),
]
IN_FORM = {
    **NAMED,
    "model": "trees",
    "params": {},
    "file": "text",
    "dataset_ids": ["gone"],
    "files": ["text"],
    "api_key": "{5",
}


@pytest.mark.parametrize("path, always, names", FORM_BODIES, ids=[path for path, _, _ in FORM_BODIES])
def test_a_form_is_refused_exactly_where_the_description_refuses_it(client, path, always, names):
    for body in bodies({name: (IN_FORM[name],) for name in names}):
        body |= always
        sent = {name: (None, value if isinstance(value, str) else json.dumps(value)) for name, value in body.items()}
        sent |= {name: ("cities.csv", CSV) for name in ("file", "files") if name in body}
        # A form without any field is none.
        if sent:
            assert fits(path, "multipart/form-data", body) != refused(client.post(path, files=sent)), body


TRAIN = {"name": "first", "call": "train", "request": {"data_path": "people.csv"}}


@pytest.mark.parametrize(
    "call, request_, fitting",
    [
        ("generate", {}, True),
        ("generate", {"rows": 5, "format": "csv"}, True),
        ("generate", {"run_id": "x"}, False),
        ("generate", {"model": "trees"}, False),
        ("generate", {"dataset_id": None}, False),
        ("evaluate", {"metrics": []}, True),
        ("evaluate", {"training_job_id": "x"}, False),
        ("evaluate", {"run_id": None}, False),
    ],
)
def test_an_operation_on_anothers_run_names_none_itself(client, call, request_, fitting):
    body = {"operations": [TRAIN, {"name": "second", "call": call, "of": "first", "request": request_}]}
    assert fits("/batch", "application/json", body) is fitting
    assert refused(client.post("/batch", json=body)) is not fitting


@pytest.mark.parametrize("call", ["generate", "evaluate"])
def test_an_operation_on_no_run_is_described_as_none(client, call):
    assert not fits("/batch", "application/json", {"operations": [{"name": "a", "call": call}]})
    named = {"name": "a", "call": call, "request": {"run_id": "x"}}
    assert fits("/batch", "application/json", {"operations": [named]})


@pytest.mark.parametrize(
    "brief, fitting",
    [
        ({"roles": ["customer", "agent", "lead"]}, True),
        ({"roles": ["customer"]}, False),
        ({"roles": ["customer", "customer"]}, False),
        ({"roles": ["customer", " "]}, False),
        ({"turns": {"2": 1, "60": 0, "59": 0.5}}, True),
        ({"turns": {}}, False),
        ({"turns": {"1": 1}}, False),
        ({"turns": {"61": 1}}, False),
        ({"turns": {"four": 1}}, False),
        ({"turns": {"4": 0}}, False),
        ({"intents": {}, "tones": {"calm": 0, "sharp": 1e-9}}, True),
        ({"intents": {"refund": -1, "other": 2}}, False),
        ({"products": {"bicycle": 0}}, False),
        ({"languages": {"Norwegian": 0, "English": 0}}, False),
    ],
)
def test_a_brief_is_refused_exactly_where_the_description_refuses_it(client, brief, fitting):
    body = {"order": {"brief": {"dialogues": 1, **brief}, "server": {}}}
    assert fits("/converse", "application/json", body) is fitting
    answer = client.post("/converse", json=body)
    assert refused(answer) is not fitting, answer.text


@pytest.mark.parametrize("name", ["anna", "Bjørn B. @ home-1", "", "a/b", "a\tb", "x" * 101, *sorted(RESERVED_NAMES)])
@pytest.mark.parametrize("permissions", [["read"], ["read", "write"], []])
def test_a_key_is_refused_exactly_where_the_description_refuses_it(client, name, permissions):
    body = {"name": name, "permissions": permissions}
    fitting = fits("/keys", "application/json", body)
    assert fitting is (permissions != [] and name in ("anna", "Bjørn B. @ home-1"))
    if not fitting:  # A key that is made would lock the other tests out.
        assert refused(client.post("/keys", json=body))


def test_the_paths_that_a_link_may_open_are_those_of_the_routes():
    linkable = whole(LINKABLE.removeprefix("^").removesuffix("$"))
    gets = [route for route in api.state.routes if getattr(route, "methods", {"GET"}) & {"GET"}]
    for route in gets:
        path = route.path.replace("{format}", "csv").replace("{", "").replace("}", "")
        opened = any(one in LINKED for one in asks_of(route))
        assert (linkable.fullmatch(path) is not None) is opened, path
        assert (linkable.fullmatch(f"{path}?rows=5&x=/y") is not None) is opened, path


@pytest.mark.parametrize(
    "path", ["/", "/runs", "/datasets/x", "/jobs/x/events", "/runs/x/report.html", "/v1/jobs/x/ws"]
)
def test_a_link_is_refused_exactly_where_the_description_refuses_it(client, path):
    assert fits("/links", "application/json", {"path": path}) != refused(client.post("/links", json={"path": path}))


@pytest.mark.parametrize(
    "form, fitting",
    [
        ({"files": ["text"], "holdout_share": 0.5, "session": "s"}, True),
        ({"files": []}, False),
        ({"files": [""]}, False),
        ({}, False),
        ({"files": ["text"], "holdout_share": None}, False),
        ({"files": ["text"], "options": None}, False),
    ],
)
def test_an_upload_has_a_file_and_no_field_that_is_null(form, fitting):
    # The description of a form has no null: there is none in one.
    for path in ("/datasets", "/upload"):
        assert fits(path, "multipart/form-data", form) is fitting


def test_a_kind_of_job_is_one_of_those_that_there_are_or_none_is_said_to_be():
    kind = api.openapi()["components"]["schemas"]["JobRequest"]["properties"]["kind"]
    assert kind.get("enum") or "There are none now" in kind["description"]


def test_what_no_text_may_hold_is_said_once_for_all():
    assert "NUL" in api.openapi()["info"]["description"]

"""What cannot work is refused at the call, with the column or the field, and not by a job that fails later."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from api import api
from synth.sampling.conditions import Conditions
from tests.calling import here
from workspace.catalog.rows import Dataset, Run, new_id
from workspace.settings import Settings
from workspace.workspace import Workspace


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workspace, Dataset, Run]]:
    """A table with a column of each kind, and a run that learned it; nothing is ever started."""
    folder = tmp_path_factory.mktemp("refusals")
    workspace = Workspace(Settings(workspace=folder / "workspace", plugins=["tests.fakes"], start_limit="1000000/hour"))
    file = folder / "people.csv"
    rows = [
        f"K{i:04},{('Oslo', 'Bergen')[i % 2]},{20 + i % 50},{i / 8 if i % 10 else ''},{('no', 'yes')[i % 2]},"
        f"2020-{1 + i % 12:02}-01,L{i % 30}"
        for i in range(300)
    ]
    file.write_text("key,city,age,price,member,joined,ward\n" + "\n".join(rows) + "\n", encoding="utf-8")
    dataset = workspace.datasets.add(file, file.name)
    run = Run(
        id=new_id(),
        dataset_id=dataset.id,
        owner="local",
        model="bootstrap",
        params={},
        seed=0,
        rows=9,
        schema=dataset.schema,
        split=dataset.split,
        size_bytes=0,
    )
    with workspace.catalog.session() as session:
        session.add(run)
    yield workspace, dataset, run
    workspace.close()


def post(setting: tuple[Workspace, Dataset, Run], path: str, **body: Any):
    return here(setting[0], raise_server_exceptions=False).post(path, json=body)


IMPOSSIBLE = [
    ({"nowhere": 1}, "'nowhere'"),
    ({"city": "Atlantis"}, "'city' never holds 'Atlantis'"),
    ({"city": ["Oslo", "Atlantis"]}, "never holds 'Atlantis'"),
    ({"ward": "L31"}, "'ward' never holds"),
    ({"city": {"ge": "A"}}, "only numbers and dates have ranges"),
    ({"city": None}, "'city' is never missing"),
    ({"key": "K0001"}, "'key' is made new"),
    ({"age": "old"}, "cannot be compared"),
    ({"age": {"gt": 200}}, "'age' goes from 20 to 69"),
    ({"age": {"lt": 20}}, "'age' goes from"),
    ({"age": {"gt": 40, "lt": 30}}, "'age'"),
    ({"age": {"ge": "much"}}, "cannot be compared"),
    ({"age": 30.5}, "whole numbers"),
    ({"age": 10**400}, "cannot be compared"),
    ({"member": "perhaps"}, "true or false"),
    ({"joined": "never"}, "cannot be compared"),
    ({"joined": {"ge": "2031-01-01"}}, "'joined' goes from"),
    ({"age": {"about": 3}}, "about"),
    ({"age": {}}, "age"),
    ({"cases": [{"where": {"nowhere": 1}}]}, "'nowhere'"),
    ({"cases": [{"where": {"age": 30}, "rows": 20}]}, "only 10"),
    ({"shares": {"city": {"Atlantis": 0.5}}}, "'Atlantis'"),
    ({"shares": {"nowhere": {"x": 0.5}}}, "'nowhere'"),
    ({"shares": {"city": {"Oslo": 0.7, "Bergen": 0.7}}}, "add up"),
    ({"where": ["nowhere > 3"]}, "'nowhere'"),
    ({"where": ["age"]}, "a column, a sign"),
    ({"where": ["age = 30", "age = 31"]}, "Two lines"),
    ({"where": ["> 3"]}, "a column, a sign"),
]


@pytest.mark.parametrize("conditions, words", IMPOSSIBLE, ids=str)
def test_a20_conditions_that_no_row_can_meet_are_refused_at_once(setting, conditions, words):
    workspace, dataset, run = setting
    calls = [
        ("/train", {"dataset_id": dataset.id, "model": "bootstrap"}),
        ("/generate", {"dataset_id": dataset.id, "model": "bootstrap"}),
        ("/generate", {"run_id": run.id}),
    ]
    for path, body in calls:
        response = post(setting, path, **body, rows=10, conditions=conditions)
        assert response.status_code == 422 and words in response.json()["detail"], response.text
        assert response.json()["field"] is not None
    train = {"name": "a", "call": "train", "request": {"dataset_id": dataset.id, "rows": 10, "conditions": conditions}}
    batch = post(setting, "/batch", operations=[train]).json()
    assert batch["states"] == {"failed": 1} and words in batch["operations"][0]["job"]["error"]
    assert not [job for job in workspace.jobs.find() if job.state == "queued"]


POSSIBLE = [
    {"city": "Oslo"},
    {"ward": "L29"},
    {"city": {"except": ["Atlantis"]}},
    {"age": {"ge": 30, "lt": 40}},
    {"age": "33"},
    {"price": None},
    {"member": "yes"},
    {"member": True},
    {"joined": {"ge": "2020-06-01T12:00:00"}},
    {"ward": "other"},
    {"shares": {"city": {"Oslo": 0.9}}},
    {"where": ["age >= 30", "age < 40", "city = Oslo"]},
    {"where": {"age": {"ge": 30}}},
    {},
]


@pytest.mark.parametrize("conditions", POSSIBLE, ids=str)
def test_conditions_that_can_be_met_are_taken(setting, conditions):
    workspace, dataset, _ = setting
    response = post(setting, "/train", dataset_id=dataset.id, model="bootstrap", conditions=conditions)
    assert response.status_code == 202, response.text
    workspace.jobs.cancel(response.json()["id"])


@pytest.mark.parametrize("table", ["people", pytest.param("adult", marks=pytest.mark.slow)])
def test_a20_the_example_of_the_description_can_be_asked_for(setting, table):
    workspace, people, _ = setting
    dataset = people if table == "people" else workspace.datasets.add_sample(table)
    for name in ("TrainRequest", "GenerateRequest"):
        for example in api.openapi()["components"]["schemas"][name]["properties"]["conditions"]["examples"]:
            response = post(setting, "/train", dataset_id=dataset.id, model="bootstrap", conditions=example)
            assert response.status_code == 202, response.text
            workspace.jobs.cancel(response.json()["id"])


@pytest.mark.parametrize(
    "lines, criteria",
    [
        (["age >= 30"], {"age": {"ge": 30}}),
        (["a b > -1.5", "a b <= 2e3"], {"a b": {"gt": -1.5, "le": 2000.0}}),
        (["city == 'New York'", 'name = "x = y"'], {"city": "New York", "name": "x = y"}),
        (["member = true", "price = null", "zip = 007"], {"member": True, "price": None, "zip": 7}),
    ],
)
def test_lines_of_where_are_criteria(lines, criteria):
    assert Conditions.of({"where": lines}) == Conditions.of(criteria)


def test_a_column_called_where_can_be_asked_for():
    assert Conditions.of({"where": {"ge": 3}}) == Conditions.of({"cases": [{"where": {"where": {"ge": 3}}}]})
    assert Conditions.of({"where": "x"}).cases[0].where == {"where": "x"}


NONSENSE = [
    ("/train", {"model": "nowhere"}),
    ("/train", {"params": {"nowhere": 1}}),
    ("/train", {"params": {"epochs": "many"}, "model": "ctgan"}),
    ("/train", {"epochs": 3, "model": "bootstrap"}),
    ("/train", {"metrics": ["nowhere"]}),
    ("/train", {"format": "nowhere"}),
    ("/train", {"rows": 0}),
    ("/optimize", {"search": ["nowhere"]}),
    ("/optimize", {"search": []}),
    ("/optimize", {"objective": "nowhere"}),
    ("/optimize", {"trials": 0}),
    ("/optimize", {"budget_s": 0}),
    (
        "/converse",
        {"order": {"brief": {}, "server": {}, "metrics": ["nowhere"], "shape": {"form": "turns", "text": "city"}}},
    ),
    ("/converse", {"order": {"brief": {}, "server": {}, "shape": {"form": "turns", "text": "nowhere"}}}),
    (
        "/converse",
        {"order": {"brief": {}, "server": {}, "intent": "nowhere", "shape": {"form": "turns", "text": "city"}}},
    ),
    ("/converse", {"order": {"brief": {"dialogues": 0}, "server": {}}}),
    ("/converse", {"order": {"brief": {}, "server": {}, "budget": -1}}),
]


@pytest.mark.parametrize("path, nonsense", NONSENSE, ids=str)
def test_a20_each_argument_is_checked_at_the_call(setting, path, nonsense):
    workspace, dataset, _ = setting
    response = post(setting, path, dataset_id=dataset.id, **nonsense)
    assert response.status_code == 422 and response.json()["detail"], response.text
    assert not [job for job in workspace.jobs.find() if job.state == "queued"]

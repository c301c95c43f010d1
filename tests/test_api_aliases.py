"""Earlier names of calls and fields: they work, say that they are deprecated, and stand in the changelog."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from api import api
from api.aliases import FIELDS, PATHS
from api.client import Job
from tests.calling import here
from workspace.version import VERSION

CHANGELOG = (Path(__file__).parent.parent / "CHANGELOG.md").read_text(encoding="utf-8")
DEPRECATED = CHANGELOG.partition("### Deprecated")[2].partition("\n## ")[0]


def minor(version: str) -> int:
    return int(version.split(".")[1])


@pytest.fixture
def client(workspace):
    return here(workspace, raise_server_exceptions=False)


@pytest.mark.parametrize("alias", PATHS, ids=[alias.old for alias in PATHS])
@pytest.mark.parametrize("version", ["", "/v1"])
def test_an_earlier_path_answers_as_the_new_one_and_says_that_it_is_deprecated(client, alias, version):
    ids = {"set_id": "x", "job_id": "x"}
    old, new = alias.old.format_map(ids), alias.new.format_map(ids)
    for method in ("GET", "POST", "DELETE"):
        before, now = client.request(method, version + old), client.request(method, version + new)
        assert before.status_code == now.status_code
        alike = [
            {**answer.json(), "timestamp": ""} if isinstance(answer.json(), dict) else answer.json()
            for answer in (before, now)
        ]
        assert alike[0] == alike[1]
        # RFC 9745: a date as a structured field.
        assert re.fullmatch(r"@\d{10}", before.headers["deprecation"])
        assert before.headers["link"] == f'<{version}{new}>; rel="successor-version"'
        assert "deprecation" not in now.headers


@pytest.mark.parametrize("alias", PATHS, ids=[alias.old for alias in PATHS])
def test_an_earlier_path_is_of_a_call_that_is_described_and_is_not_described_itself(alias):
    paths = api.openapi()["paths"]
    assert alias.new in paths and alias.old not in paths


@pytest.mark.parametrize("alias", FIELDS, ids=[alias.old for alias in FIELDS])
def test_an_earlier_field_is_marked_in_the_description(alias):
    fields = api.openapi()["components"]["schemas"][alias.model]["properties"]
    assert fields[alias.old]["deprecated"] and f"`{alias.new}`" in fields[alias.old]["description"]
    assert not fields[alias.new].get("deprecated")


@pytest.mark.parametrize("alias", [*PATHS, *FIELDS], ids=[alias.old for alias in (*PATHS, *FIELDS)])
def test_an_alias_stands_in_the_changelog_and_lives_for_two_minor_versions(alias):
    assert f"`{alias.old}`" in DEPRECATED and f"until version {alias.until}" in DEPRECATED
    assert minor(VERSION) < minor(alias.until) <= minor(VERSION) + 2


def test_every_field_that_is_marked_is_in_the_list():
    schemas = api.openapi()["components"]["schemas"]
    marked = {
        (n, f)
        for n, schema in schemas.items()
        for f, about in schema.get("properties", {}).items()
        if about.get("deprecated")
    }
    assert marked == {(alias.model, alias.old) for alias in FIELDS}


def test_an_earlier_path_is_logged_as_the_new_one(client, workspace):
    client.get("/talks")
    (line,) = workspace.journal.last(1)
    assert line["route"] == "/conversations"


def test_a_job_of_the_client_has_the_earlier_field_too():
    job = Job.of({"id": "a", "kind": "converse", "state": "done", "set_id": "b", "talk_id": "b"})
    assert job.set_id == job.talk_id == "b"

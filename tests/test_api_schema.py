"""The live server against its own description: no 5xx, no breach of the schema, nothing without its permission."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import quote, unquote

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given
from hypothesis import settings as trying
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import (
    allow_header_conformance,
    content_type_conformance,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api import api
from api.schemas.openapi import OPEN
from synth import GENERATORS
from tests.calling import KEYS, as_
from tests.conftest import PLUGIN, write_people
from tests.live import serving
from workspace.access.attempts import Attempts
from workspace.settings import Settings
from workspace.workspace import Workspace

CALLS = [(method, path) for path, calls in api.openapi()["paths"].items() for method in calls]
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    allow_header_conformance,
]
READ_IS_ENOUGH = {
    ("post", "/token"),
    ("post", "/login"),
    ("post", "/bugs"),
    ("post", "/links"),
    ("delete", "/links/{link_id}"),
}
PLENTY = "1000000/minute"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """A server with something of each kind to meet, whose further jobs only wait; and the ids of what there is."""
    folder = tmp_path_factory.mktemp("workspace")
    settings = Settings(
        workspace=folder,
        plugins=[PLUGIN],
        slots=1,
        api_keys=KEYS,
        call_limit=PLENTY,
        start_limit=PLENTY,
        max_queued=1_000_000,
        max_upload_mb=5,
    )
    workspace = Workspace(settings).start()
    dataset = workspace.datasets.add(write_people(folder), "people.csv", owner="root", session="monday")
    job = workspace.jobs.wait(workspace.training.train(dataset.id, "bootstrap", metrics=[], owner="root").id)
    workspace.close()
    workspace = Workspace(settings)
    there = {"dataset_id": dataset.id, "job_id": job.id, "run_id": job.run_id, "id": job.run_id}
    with serving(workspace) as address:
        yield f"{address}/api", there
    workspace.close()


def test_the_parameters_of_every_generator_are_described(server):
    models = httpx.get(f"{server[0]}/models", headers=as_("bob")).json()
    schemas = api.openapi()["components"]["schemas"]
    for model in models:
        title = f"{GENERATORS[model['name']].__name__}Params"
        assert schemas[title]["properties"].keys() == model["params"]["properties"].keys()


@pytest.mark.parametrize("method, path", CALLS)
def test_no_call_works_without_its_permission(server, method, path):
    # Else the wrong keys of all calls together would be too many.
    api.state.workspace.access.attempts = Attempts()
    url = server[0] + path.format_map(
        {
            "format": "csv",
            **dict.fromkeys(("batch_id", "set_id", "key_id"), "x"),
            "link_id": "0" * 16,
            **server[1],
            "session": "monday",
            "name": "penguins",
        }
    )
    asked = {"json": {"post": {}, "patch": {}, "put": []}[method]} if method in ("post", "patch", "put") else {}
    with httpx.Client() as client:
        if path in OPEN:
            assert client.request(method, url).status_code < 300
            return
        for headers in ({}, {"X-API-Key": "x" * 40}, {"Authorization": "Bearer a.b.c"}):
            assert client.request(method, url, headers=headers, **asked).status_code == 401
        if path.startswith("/keys"):
            assert client.request(method, url, headers=as_("anna"), **asked).status_code == 403
        elif method != "get" and (method, path) not in READ_IS_ENOUGH:
            assert client.request(method, url, headers=as_("bob"), **asked).status_code == 403
        # Somebody else's things are not there.
        if method != "get" and any(name in path for name in ("{dataset_id}", "{job_id}", "{run_id}")):
            assert client.request(method, url, headers=as_("anna"), **asked).status_code in (404, 422)


@pytest.mark.parametrize(
    "examples",
    [pytest.param(3, id="few"), pytest.param(30, id="many", marks=[pytest.mark.slow, pytest.mark.timeout(3600)])],
)
def test_the_server_keeps_to_its_description_whatever_is_asked(server, examples):
    address, there = server
    described = schemathesis.openapi.from_url(f"{address}/openapi.json")
    described.config.update(base_url=address)
    answered: Counter[int] = Counter()
    quietly = trying(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    for found in described.get_all_operations():
        operation = found.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @quietly
            @given(case=operation.as_strategy(generation_mode=mode), real=...)
            def ask(case: schemathesis.Case, real: bool) -> None:
                # What is deleted is deleted once; everything else meets real things half of the time.
                if real and case.method != "DELETE":
                    met = {name: id for name, id in there.items() if name in case.path_parameters}
                    case.path_parameters = {**case.path_parameters, **met}
                # An address with a line break never comes to us: a mount's pattern ends at it.
                assume("%0A" not in quote(unquote(case.formatted_path)))
                response = case.call(headers=as_("root"), timeout=60)
                answered[response.status_code] += 1
                case.validate_response(response, checks=CHECKS)

            # Where a call takes nothing, nothing can be wrong with it.
            with suppress(Unsatisfiable):
                ask()
    assert httpx.get(f"{address}/health").json()["status"] == "ok"
    print(answered)
    assert sum(answered.values()) >= 1.5 * examples * len(CALLS) and answered[200] > 0, answered

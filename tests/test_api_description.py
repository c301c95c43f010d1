"""What the API says of itself: words and examples on every field, plain names, and a plugin that says little."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from api import api
from api.schemas.openapi import calls, completed, example_of, plain_name, words_of
from metrics import METRICS
from synth import GENERATORS, Params
from synth.generators.base import generator
from synth.generators.bootstrap import Bootstrap
from synth.params import knob
from workspace.jobs.kinds import KINDS
from workspace.tables.formats import FORMATS


def declared() -> dict[str, Any]:
    """The description without the words and examples that are added where there are none."""
    return get_openapi(title="Understudy", version="1", routes=api.routes, separate_input_output_schemas=False)


DECLARED = declared()
CALLS = [(call["operationId"], path, call) for path, call in calls(DECLARED)]


@pytest.mark.parametrize("name", DECLARED["components"]["schemas"])
def test_every_field_is_described_with_an_example_where_it_is_declared(name):
    for field, schema in DECLARED["components"]["schemas"][name].get("properties", {}).items():
        assert schema.get("description") and schema.get("examples"), f"{name}.{field}"


@pytest.mark.parametrize("name, path, call", CALLS, ids=[name for name, _, _ in CALLS])
def test_every_parameter_is_described_with_an_example_where_it_is_declared(name, path, call):
    for parameter in call.get("parameters", ()):
        about = f"{path} {parameter['name']}"
        assert parameter.get("description"), about
        assert parameter["schema"].get("examples") or "example" in parameter or "examples" in parameter, about


@pytest.mark.parametrize("name", [name for name, made in GENERATORS.items() if made.__module__.startswith("synth.")])
def test_every_parameter_of_a_generator_is_described(name):
    fields = GENERATORS[name].Params.model_json_schema()["properties"]
    assert not [field for field, schema in fields.items() if not schema.get("description")]


def test_names_are_plain_words():
    told = api.openapi()
    ids = [call["operationId"] for _, call in calls(told)]
    assert len(ids) == len(set(ids))
    assert not [name for name in ids if not re.fullmatch(r"[a-z]+(_[a-z]+)*", name)]
    assert {"train", "list_datasets", "get_run", "stop_early"} <= set(ids)
    names = told["components"]["schemas"]
    assert not [name for name in names if not re.fullmatch(r"[A-Z][A-Za-z0-9]+", name)]
    assert all(schema.get("title") == name for name, schema in names.items())


@pytest.mark.parametrize(
    "internal, plain",
    [
        ("synth__schema__rules__Ordering", "Ordering"),
        ("Body_upload_files", "UploadFilesForm"),
        ("Score_ColumnScores_", "ScoreColumnScores"),
        ("my_params", "MyParams"),
        ("Page", "Page"),
    ],
)
def test_internal_names_are_not_published(internal, plain):
    assert plain_name(internal) == plain


def test_every_reference_leads_to_a_component():
    told = api.openapi()

    def references(part: Any) -> Iterator[str]:
        if isinstance(part, dict):
            for key, value in part.items():
                if key == "$ref":
                    yield value
                else:
                    yield from references(value)
        elif isinstance(part, list):
            for item in part:
                yield from references(item)

    for reference in references(told):
        found = told
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]


def test_what_is_chosen_by_name_is_listed_from_the_registries():
    schemas = api.openapi()["components"]["schemas"]
    fields = schemas["OptimizeRequest"]["properties"]
    assert fields["model"]["enum"] == list(GENERATORS)
    assert fields["metrics"]["anyOf"][0]["items"]["enum"] == list(METRICS)
    assert fields["format"]["anyOf"][0]["enum"] == list(FORMATS)
    assert set(METRICS) < set(fields["objective"]["enum"])
    assert all(f"`{kind}`" in schemas["JobResponse"]["properties"]["kind"]["description"] for kind in KINDS)


class Node(BaseModel):
    left: Node | None = None


class Depth(BaseModel):
    least: int
    most: int | None = None


@pytest.fixture
def plugin() -> Iterator[None]:
    """A generator whose author wrote no words: a bare parameter, a model within, and one that holds itself."""

    @generator("bare", title="Bare", summary="Says little.")
    class Bare(Bootstrap):
        class Params(Params):
            min_leaf: int = 5
            depth: Depth = Depth(least=1)
            node: Node = Node()
            shares: dict[str, float] = knob({}, "Shares.")

    yield
    GENERATORS.remove("bare")


def test_a_plugin_that_describes_nothing_is_called_by_its_names(plugin):
    told = api.openapi()
    schemas = told["components"]["schemas"]
    fields = schemas["BareParams"]["properties"]
    assert fields["min_leaf"]["description"] == "Min leaf" and fields["min_leaf"]["examples"] == [5]
    assert schemas["BareParamsDepth"]["properties"]["least"]["description"] == "Least"
    assert {"$ref": "#/components/schemas/BareParams"} in schemas["TrainRequest"]["properties"]["params"]["anyOf"]
    assert "bare" in schemas["TrainRequest"]["properties"]["model"]["enum"]
    test_every_reference_leads_to_a_component()
    test_names_are_plain_words()


@pytest.fixture
def opaque() -> Iterator[None]:
    """A generator with a parameter that no JSON schema can tell of."""

    @generator("opaque", title="Opaque", summary="Says nothing.")
    class Opaque(Bootstrap):
        class Params(Params):
            found: Callable[[int], int] | None = None

    yield
    GENERATORS.remove("opaque")


def test_a_parameter_that_cannot_be_described_costs_nobody_the_description(opaque):
    assert api.openapi()["components"]["schemas"]["OpaqueParams"]["type"] == "object"


def test_without_the_plugin_the_description_is_as_before(plugin):
    assert "BareParams" in api.openapi()["components"]["schemas"]
    GENERATORS.remove("bare")
    assert "BareParams" not in api.openapi()["components"]["schemas"]


def test_two_components_of_one_name_are_told_apart():
    field = {"title": "X", "type": "object", "properties": {"other": {"$ref": "#/components/schemas/b__Order"}}}
    requests = {name: {"type": "object", "properties": {"params": {}}} for name in ("TrainRequest", "GenerateRequest")}
    requests |= {
        name: {"type": "object", "properties": {"params": {}, "arguments": {}}} for name in ("OptimizeRequest",)
    }
    told = {"paths": {}, "components": {"schemas": {"a__Order": field, "b__Order": {"type": "object"}, **requests}}}
    schemas = completed(told)["components"]["schemas"]
    assert schemas["Order"]["properties"]["other"]["$ref"] == "#/components/schemas/Order2"


@pytest.mark.parametrize(
    "name, words", [("min_leaf", "Min leaf"), ("epochs", "Epochs"), ("_x", "X"), ("É", "É"), ("_", "_")]
)
def test_a_name_becomes_words(name, words):
    assert words_of(name) == words


def test_an_example_fits_what_is_asked_for():
    assert example_of({"type": "integer", "minimum": 3}, {}) == 3
    assert example_of({"anyOf": [{"type": "null"}, {"type": "string"}]}, {}) is None
    assert example_of({"$ref": "#/components/schemas/gone"}, {}) is None
    inner = {"type": "object", "properties": {"a": {"enum": ["x"]}, "b": {}}, "required": ["a"]}
    assert example_of({"type": "array", "items": {"$ref": "#/components/schemas/I"}}, {"I": inner}) == [{"a": "x"}]

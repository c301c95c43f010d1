"""The description of the API: what `openapi.json` says beyond what each call says of itself.

Words and examples stand on the fields, where these are declared. What a plugin leaves undescribed is called by its name
and has the simplest example there is, so that one bare parameter costs nobody the documentation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel, PydanticUserError

from metrics import METRICS
from synth import GENERATORS
from synth.registry import Registry
from workspace.jobs.kinds import KINDS

Schema = dict[str, Any]

COMPONENTS = "#/components/schemas/"
SECURITY = {
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "A key, as made by `POST /keys`."},
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key, or a token of `POST /token`."},
}
OPEN = {"/health", "/logout"}
"""Calls that need no key."""
TRAINING = ("TrainRequest", "GenerateRequest", "OptimizeRequest")
"""Requests whose `params` are those of a generator."""


def operation_id(route: APIRoute) -> str:
    """The name of a call: its function's."""
    return route.name


def describe(api: FastAPI) -> None:
    """Make `api` describe itself in full, and anew when a plugin has added to a registry."""
    plain: Callable[[], Schema] = api.openapi
    described_of: list[list[str]] = []

    def described() -> Schema:
        nonlocal described_of
        names = [list(registry) for registry in (GENERATORS, METRICS, KINDS)]
        if api.openapi_schema is None or names != described_of:
            api.openapi_schema = None
            api.openapi_schema, described_of = completed(plain()), names
        return api.openapi_schema

    api.openapi = described


def completed(document: Schema) -> Schema:
    """FastAPI's own description with plain names, what plugins add, and the words and examples that are missing."""
    document["components"]["securitySchemes"] = SECURITY
    schemas = document["components"]["schemas"] = _plainly_named(document)
    _add_parameters(schemas)
    _add_arguments(schemas)
    for schema in schemas.values():
        for name, field in schema.get("properties", {}).items():
            if not field.get("description"):
                field["description"] = words_of(name)
            if not field.get("examples"):
                field["examples"] = [example_of(field, schemas)]
    for path, call in calls(document):
        call["security"] = [] if path in OPEN else [{name: []} for name in SECURITY]
        for parameter in call.get("parameters", ()):
            parameter.setdefault("description", words_of(parameter["name"]))
            examples = parameter["schema"].get("examples") or [example_of(parameter["schema"], schemas)]
            parameter.setdefault("example", examples[0])
    return document


def calls(document: Schema) -> Iterator[tuple[str, Schema]]:
    """Every call that a description tells of, with its path."""
    for path, methods in document["paths"].items():
        for call in methods.values():
            yield path, call


def words_of(name: str) -> str:
    """A field's name as words, where nothing else is said of it: `min_leaf` is "Min leaf"."""
    words = re.sub(r"[\W_]+", " ", name).strip()
    return words[:1].upper() + words[1:] or name


def example_of(schema: Schema, schemas: dict[str, Schema]) -> Any:
    """A value that fits a schema: its default, or the simplest one."""
    return _example(schema, schemas, ())


def _example(schema: Schema, schemas: dict[str, Schema], within: tuple[str, ...]) -> Any:
    """The example, `within` being the components it is part of: one that holds itself ends there."""
    if schema.get("default") is not None:
        return schema["default"]
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return next(iter(schema["enum"]), None)
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(COMPONENTS)
        return None if name in within else _example(schemas.get(name, {}), schemas, (*within, name))
    for choices in ("anyOf", "oneOf", "allOf"):
        if schema.get(choices):
            return _example(schema[choices][0], schemas, within)
    match schema.get("type"):
        case "array":
            items = schema.get("prefixItems") or [schema.get("items", {})]
            found = [_example(item, schemas, within) for item in items]
            return [] if found == [None] else found
        case "object":
            required = schema.get("required", ())
            return {
                name: field["examples"][0] if field.get("examples") else _example(field, schemas, within)
                for name, field in schema.get("properties", {}).items()
                if name in required
            }
        case "integer":
            return schema.get("minimum", 1)
        case "number":
            return schema.get("minimum", 0.5)
        case "boolean":
            return True
        case "string":
            return "text"
    return None


def one_of(registry: Registry[Any] | Callable[[], list[str]]) -> Callable[[Schema], None]:
    """For a field that takes a name of a registry: the names that there are when the description is made."""

    def add(schema: Schema) -> None:
        names = list(registry) if isinstance(registry, Registry) else registry()
        # An empty enumeration is no valid schema.
        if names:
            schema["enum"] = names

    return add


def or_none(names: Callable[[], list[str]]) -> Callable[[Schema], None]:
    """For a field that takes one of some names: these, or the words that there are none, so that nothing fits."""

    def add(schema: Schema) -> None:
        if found := names():
            schema["enum"] = found
        else:
            schema["description"] += " There are none now: every call is refused."

    return add


def not_empty(schema: Schema) -> None:
    """For a field that may be null, or a text that is not empty."""
    schema["anyOf"][0]["minLength"] = 1


def in_form(schema: Schema) -> None:
    """For a field of a form, which is left out or has a value: never null."""
    first, *_ = schema.pop("anyOf")
    schema.update(first)


def listing(registry: Registry[Any]) -> Callable[[Schema], None]:
    """For a field that tells a name of a registry: its words go on with the names that there are.

    It is no enumeration: what a plugin made is still described when the plugin is gone.
    """

    def add(schema: Schema) -> None:
        schema["description"] += f" There are {', '.join(f'`{name}`' for name in registry)}."

    return add


# Names -------------------------------------------------------------------------------------------------------------


def _plainly_named(document: Schema) -> dict[str, Schema]:
    """The components under plain names, and every reference to one turned to its new name."""
    schemas: dict[str, Schema] = document["components"]["schemas"]
    names: dict[str, str] = {}
    for name in schemas:
        names[name] = _unique(plain_name(name), names.values())
    _rename(document, {COMPONENTS + old: COMPONENTS + new for old, new in names.items()})
    return {names[old]: schema | {"title": names[old]} for old, schema in schemas.items()}


def plain_name(name: str) -> str:
    """A component's name without the modules it comes from, as one word: `synth__rules__Order` is `Order`."""
    form = re.fullmatch(r"Body_(\w+)", name)
    words = f"{form[1]}_form" if form else re.sub(r"\w+?__(?=\w)", "", name)
    return "".join(word[:1].upper() + word[1:] for word in re.split(r"[\W_]+", words) if word) or "Model"


def _unique(name: str, taken: Any) -> str:
    """The name, with a number after it where it is taken."""
    found, number = name, 2
    while found in taken:
        found, number = f"{name}{number}", number + 1
    return found


def _rename(part: Any, references: dict[str, str]) -> None:
    """Turn references to components, which may stand anywhere in a description."""
    if isinstance(part, list):
        for item in part:
            _rename(item, references)
    elif isinstance(part, dict):
        for key, value in part.items():
            if isinstance(value, str):
                # Not only `$ref`: a discriminator's mapping refers to components too.
                part[key] = references.get(value, value)
            else:
                _rename(value, references)


# What is chosen by name --------------------------------------------------------------------------------------------


def _add_parameters(schemas: dict[str, Schema]) -> None:
    """The parameters of every generator, and that `params` are those of one of them."""
    choices = []
    for name, generator in GENERATORS.items():
        words = f"Parameters of {generator.title} (`{name}`)."
        choices.append(_add_component(schemas, f"{generator.__name__}_params", schema_of(generator.Params), words))
    for request in TRAINING:
        schemas[request]["properties"]["params"]["anyOf"] = choices


def _add_arguments(schemas: dict[str, Schema]) -> None:
    """The arguments of every kind of job that `POST /jobs` starts, and that `arguments` are those of one of them."""
    choices = []
    for name, kind in KINDS.items():
        if kind.offered:
            words = f"Arguments of a job of the kind `{name}`: {kind.title}."
            choices.append(_add_component(schemas, f"{name}_arguments", arguments_schema(kind.arguments), words))
    if choices:
        schemas["JobRequest"]["properties"]["arguments"]["anyOf"] = choices


def arguments_schema(arguments: type[BaseModel]) -> Schema:
    """The JSON schema of a job's arguments, without the kind, which stands beside them."""
    schema = schema_of(arguments)
    schema.get("properties", {}).pop("kind", None)
    if "kind" in schema.get("required", ()):
        schema["required"].remove("kind")
    return schema


def schema_of(model: type[BaseModel]) -> Schema:
    """A model's JSON schema; any object, where a plugin's model has a type that no schema can tell of."""
    try:
        return model.model_json_schema()
    except PydanticUserError as error:
        return {"type": "object", "description": f"It cannot be described ({error.code})."}


def _add_component(schemas: dict[str, Schema], name: str, schema: Schema, words: str) -> Schema:
    """Add a schema and those within it as components; a reference to it."""
    title = _unique(plain_name(name), schemas)
    schemas[title] = {}
    references = {}
    inner = schema.pop("$defs", {})
    for defined, about in inner.items():
        own = _unique(title + plain_name(defined), schemas)
        schemas[own] = about | {"title": own}
        references[f"#/$defs/{defined}"] = COMPONENTS + own
    schemas[title] = schema | {"title": title, "description": words}
    for about in (schemas[title], *(schemas[new.removeprefix(COMPONENTS)] for new in references.values())):
        _rename(about, references)
    return {"$ref": COMPONENTS + title}

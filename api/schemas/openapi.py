"""The description of the API: what `openapi.json` says beyond what each call says of itself.

Every field has a description and an example. Those of a generator's parameters are drawn from its `Params`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fastapi import FastAPI

from synth import GENERATORS

Described = dict[str, Any]

WORDS = {
    "Allowed.column": "The column.",
    "Allowed.values": "The values it may have.",
    "Card.cost": "How long it takes, beside the others.",
    "Card.family": "What it judges.",
    "Card.name": "What calls name it by.",
    "Card.needs": "What it cannot do without.",
    "Card.title": "What people call it.",
    "ColumnProfile.kind": "What the values are.",
    "ColumnProfile.longest": "Characters of the longest text.",
    "ColumnProfile.maximum": "Largest value.",
    "ColumnProfile.mean": "Mean value.",
    "ColumnProfile.name": "The column.",
    "ColumnProfile.rows": "Rows of the table.",
    "Combination.columns": "Columns whose values occur together only as they do in the real table.",
    "ExactlyOne.columns": "Columns of which exactly one is true in each row.",
    "Finding.column": "The column it is about.",
    "Histogram.counts": "Values between each edge and the next.",
    "ConversationRequest.batch": "Through OpenAI's batch interface: half the price, within a day.",
    "ConversationRequest.brief": "What to write.",
    "ConversationRequest.budget": "US dollars that may be spent; unset: no limit.",
    "Ordering.high": "The column with the larger values.",
    "ConversationRequest.intent": "The label of the real dialogues that the brief's intents are values of.",
    "ConversationRequest.judged": "How many dialogues of each side the model itself shall judge; 0: none.",
    "ConversationRequest.local": "Write with the small model on this machine.",
    "Ordering.low": "The column with the smaller values.",
    "ConversationRequest.metrics": "Names of the dialogue measures to judge by; unset: all.",
    "ConversationRequest.server": "The model that writes.",
    "ConversationRequest.shape": "How the table holds conversations; unset: detected.",
    "Ordering.strict": "Whether the two may not be equal.",
    "Price.input": "US dollars per million tokens read.",
    "Price.output": "US dollars per million tokens written.",
    "Range.column": "The column.",
    "Range.high": "The largest value it may have; unset: no bound.",
    "Range.low": "The smallest value it may have; unset: no bound.",
    "Sample.columns": "How many columns it has.",
    "Sample.licence": "What its owner allows.",
    "Sample.name": "What calls name it by.",
    "Sample.rows": "How many rows it has.",
    "Sample.title": "What people call it.",
    "Check.case": "What the table is.",
    "Check.expected": "What the judge must say of it.",
    "Check.passed": "Whether it did.",
    "Schema.columns": "The columns, in the order of the file.",
    "Shape.form": "What a row of the table is.",
    "Sum.parts": "The columns that are added up.",
    "Sum.tolerance": "How far apart the two may be.",
    "Sum.total": "The column that holds their sum.",
    "TopValue.rows": "Rows that hold it.",
    "TopValue.value": "The value, as it stands in the file.",
}
"""What fields mean that are declared where no program asks."""

PLACES = {
    "after": ("`seq` of the last report already seen.", 0),
    "batch_id": ("Names the batch.", "5b1e7c9a3d2f4860"),
    "dataset_id": ("Names the table.", "cf5d245d1c27f9b9"),
    "form": ("What the file is to be read by.", "csv"),
    "format": ("The kind of file.", "csv"),
    "id": ("Names the run, job or set of conversations.", "8a1f0c2b9d3e4f56"),
    "job_id": ("Names the job.", "0f1e2d3c4b5a6978"),
    "key_id": ("Names the key.", "3d2f48605b1e7c9a"),
    "limit": ("Most entries to answer with.", 100),
    "name": ("Name of a table that comes with the app.", "adult"),
    "offset": ("Entries to leave out at the beginning.", 0),
    "run_id": ("Names the run.", "8a1f0c2b9d3e4f56"),
    "session": ("Names the session, or one table.", "9d1f0c2b8a3e4f57"),
    "spreadsheet_safe": ("Whether formulas are made harmless.", False),
    "status": ("Only jobs in this state.", "done"),
    "talk_id": ("Names the set of conversations.", "2d3c4b5a69780f1e"),
}
"""What parts of an address mean, with an example."""

EXAMPLES: Described = {
    "Allowed.values": ["day", "night"],
    "Brief.business": "A shop for bicycles that delivers within Norway.",
    "Brief.intents": {"delivery": 0.6, "refund": 0.4},
    "Card.high": 1,
    "Card.low": 0,
    "Card.name": "column_shapes",
    "Card.question": "Does each column look like the real one?",
    "Card.title": "Column shapes",
    "Column.decimals": 2,
    "Column.format": "%Y-%m-%d",
    "Column.labels": ["no", "yes"],
    "Column.name": "age",
    "Column.pii": "email",
    "Column.timezone": "Europe/Oslo",
    "ColumnProfile.distinct": 73,
    "ColumnProfile.longest": 12,
    "ColumnProfile.maximum": 90,
    "ColumnProfile.mean": 38.6,
    "ColumnProfile.minimum": 17,
    "ColumnProfile.missing": 0,
    "ColumnProfile.name": "age",
    "ColumnProfile.rows": 32561,
    "ColumnProfile.samples": ["39", "50"],
    "ColumnProfile.shortest": 3,
    "ColumnProfile.std": 13.6,
    "ColumnProfile.top": [{"value": "36", "rows": 898}],
    "Finding.code": "constant",
    "Finding.fix": {"name": "age", "kind": "integer"},
    "Finding.text": "Every row has the same value: there is nothing to learn.",
    "Histogram.counts": [20114, 12447],
    "Histogram.edges": [17, 53.5, 90],
    "ConversationRequest.budget": 5,
    "ConversationRequest.intent": "intent",
    "ConversationRequest.metrics": ["words_per_turn"],
    "ConversationRequest.shape": {"form": "turns", "id": "conversation_id", "role": "speaker", "text": "message"},
    "Range.high": 120,
    "Range.low": 0,
    "ReadOptions.decimal": ",",
    "ReadOptions.delimiter": ";",
    "ReadOptions.encoding": "utf-8",
    "ReadOptions.escape": "\\",
    "ReadOptions.quote": "'",
    "ReadOptions.sheet": "Sheet1",
    "Check.case": "train",
    "Check.expected": "It fails privacy.",
    "Check.passed": True,
    "Check.wrong": [],
    "Sample.columns": 15,
    "Sample.name": "adult",
    "Sample.rows": 32561,
    "Sample.target": "income",
    "Threshold.at_least": 0.9,
    "Threshold.at_most": 0.6,
    "Threshold.metric": "exact_copies",
    "Threshold.worse_by": 0.05,
    "Schema.rules": [],
    "Schema.columns": [{"name": "age", "kind": "integer"}],
    "Score.at_holdout_size": 0.97,
    "Score.ci": [0.96, 0.98],
    "Score.reference": 0.99,
    "Score.reference_ci": [0.98, 0.99],
    "Score.value": 0.97,
    "Shape.answer": "reply",
    "Shape.id": "conversation_id",
    "Shape.labels": ["intent"],
    "Shape.role": "speaker",
    "Shape.text": "message",
    "Shape.turn": "turn",
    "Sum.total": "gross",
    "TopValue.rows": 898,
    "TopValue.value": "36",
    "column": "age",
    "columns": ["age", "income"],
    "high": "end",
    "files": ["(the bytes of a file)"],
    "low": "start",
    "options": '{"delimiter": ";"}',
    "parts": ["net", "tax"],
}
"""Examples for fields that are declared where no program asks, by model and name or by name alone."""

COMPONENTS = "#/components/schemas/"
SECURITY = {
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "A key, as made by `POST /keys`."},
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key, or a token of `POST /token`."},
}
OPEN = {"/health", "/logout"}
"""Calls that ask for no key."""


def describe(api: FastAPI) -> None:
    """Make `api` describe itself in full."""
    plain: Callable[[], Described] = api.openapi

    def described() -> Described:
        if api.openapi_schema is None:
            api.openapi_schema = _complete(plain())
        return api.openapi_schema

    api.openapi = described


def _complete(told: Described) -> Described:
    schemas: dict[str, Described] = told["components"]["schemas"]
    told["components"]["securitySchemes"] = SECURITY
    _tell_params(schemas)
    for name, schema in schemas.items():
        for field, about in schema.get("properties", {}).items():
            if "description" not in about:
                about["description"] = _words(name, field)
            if "examples" not in about:
                plain = name.rpartition("__")[2]
                known = EXAMPLES.get(f"{plain}.{field}", EXAMPLES.get(field))
                about["examples"] = [_example(about, schemas) if known is None or "const" in about else known]
    for path, _, call in _calls(told):
        call["security"] = [] if path in OPEN else [{name: []} for name in SECURITY]
        for place in call.get("parameters", ()):
            words, example = PLACES[place["name"]]
            place.setdefault("description", words)
            place.setdefault("example", example)
    return told


def _tell_params(schemas: dict[str, Described]) -> None:
    """Tell the parameters of every generator, and that `params` are those of one of them."""
    choices = []
    for name, kind in GENERATORS.items():
        title = f"Params_{name}"
        schema = kind.Params.model_json_schema(ref_template=COMPONENTS + title + "_{model}")
        for inner, about in schema.pop("$defs", {}).items():
            schemas[f"{title}_{inner}"] = about
        schemas[title] = schema | {"title": title, "description": f"Parameters of {kind.title} (`{name}`)."}
        choices.append({"$ref": COMPONENTS + title})
    for asked in ("TrainRequest", "GenerateRequest", "OptimizeRequest"):
        schemas[asked]["properties"]["params"]["anyOf"] = choices


def _calls(told: Described) -> Iterator[tuple[str, str, Described]]:
    for path, methods in told["paths"].items():
        for method, call in methods.items():
            yield path, method, call


def _words(schema: str, field: str) -> str:
    if field == "kind" and schema not in ("Column", "ColumnProfile"):
        return "Which of the kinds this is."
    return WORDS[f"{schema.rpartition('__')[2]}.{field}"]


def _example(about: Described, schemas: dict[str, Described]) -> Any:
    """A value that a field may have: its default, or the simplest one."""
    if about.get("default") is not None:
        return about["default"]
    if "const" in about:
        return about["const"]
    if "enum" in about:
        return about["enum"][0]
    if "$ref" in about:
        return _object(schemas[about["$ref"].removeprefix(COMPONENTS)], schemas)
    for several in ("anyOf", "oneOf", "allOf"):
        if several in about:
            return _example(about[several][0], schemas)
    kind = about.get("type")
    if kind == "array":
        items = about.get("prefixItems") or [about.get("items", {})]
        return [_example(item, schemas) for item in items]
    if kind in ("integer", "number"):
        return about.get("minimum", 1 if kind == "integer" else 0.5)
    return {"object": {}, "boolean": True, "null": None, "string": "text"}.get(kind)


def _object(schema: Described, schemas: dict[str, Described]) -> Any:
    if "properties" not in schema:
        return _example(schema, schemas)
    required = schema.get("required", ())
    return {
        name: about["examples"][0] if "examples" in about else _example(about, schemas)
        for name, about in schema["properties"].items()
        if name in required
    }

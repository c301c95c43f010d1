"""Forms drawn from a pydantic model: the fields of generators, import options and kinds of job are declared once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

import streamlit as st
from pydantic import BaseModel, ValidationError
from streamlit.delta_generator import DeltaGenerator

from pages.components.fields import bounds_in_words, number_field
from pages.components.words import label, plain

Model = TypeVar("Model", bound=BaseModel)
BOUNDS = {"low": "minimum", "high": "maximum", "above": "exclusiveMinimum", "below": "exclusiveMaximum"}


def params_form(
    params: type[Model],
    key: str,
    columns: int = 2,
    choices: Mapping[str, Mapping[str, Any]] | None = None,
    problems: list[str] | None = None,
) -> Model | None:
    """The parameters as entered; None, with the reasons shown beside the fields, while they are invalid.

    Each field has its title, or else its name, as label and its description as help; those marked `advanced` are
    folded away. `choices` gives the values of a parameter that are worth offering, each under the words for it. The
    reasons are added to `problems` too.
    """
    problems = [] if problems is None else problems
    schema = params.model_json_schema(by_alias=False)
    fields = {name: _resolved(field, schema) for name, field in schema.get("properties", {}).items()}
    # A literal with a single value is no choice.
    fixed = {name: fields.pop(name)["const"] for name in list(fields) if "const" in fields[name]}
    for name, field in fields.items():
        field["label"] = field_label(params, name)
    for name, words in (choices or {}).items():
        fields[name]["words"] = words
    basic = {name: field for name, field in fields.items() if not field.get("advanced")}
    advanced = {name: field for name, field in fields.items() if field.get("advanced")}
    form = _Form(key)
    form.draw(basic, columns)
    if advanced:
        with st.expander(f"Advanced ({len(advanced)})", icon=":material/tune:"):
            form.draw(advanced, columns)
    if not fields:
        st.caption("There are no parameters to set.")
    problems += form.problems
    if form.problems:
        return None
    try:
        return params.model_validate(fixed | form.values, by_name=True)
    except ValidationError as error:
        for problem, sentence in zip(error.errors(), complaints(error, params), strict=True):
            beside = form.places.get(str(problem["loc"][0])) if problem["loc"] else None
            (beside or st).error(plain(sentence))
            problems.append(sentence)
        return None


def field_label(params: type[BaseModel], name: str) -> str:
    """What a form calls a field: its title, or else its name in words."""
    field = params.model_fields.get(name)
    return (field and field.title) or label(name)


def complaints(error: ValidationError, params: type[BaseModel]) -> list[str]:
    """What is wrong with the entered values, one sentence each."""
    return [
        f"{_place(problem['loc'], params)}: {problem['msg'].removeprefix('Value error, ')}"
        for problem in error.errors()
    ]


def _place(loc: tuple[int | str, ...], params: type[BaseModel]) -> str:
    if not loc:
        return "These values"
    first, *rest = map(str, loc)
    return ".".join([field_label(params, first), *rest])


class _Form:
    """Fields as they are drawn: what was entered, where each stands, and what is wrong."""

    def __init__(self, key: str):
        self.key = key
        self.values: dict[str, Any] = {}
        self.places: dict[str, DeltaGenerator] = {}
        self.problems: list[str] = []

    def draw(self, fields: dict[str, dict], columns: int) -> None:
        with st.grid(columns, min_column_width=220):
            # Switches are lower than boxes; among them they would leave holes.
            for name, field in sorted(fields.items(), key=lambda item: _is_switch(item[1])):
                self.places[name] = place = st.container(gap="xxsmall")
                with place:
                    self.values[name] = _field(field, f"{self.key}.{name}", self.problems)


def _is_switch(field: dict) -> bool:
    return field.get("type") == "boolean" and not field.get("optional")


def _resolved(field: dict, schema: dict) -> dict:
    """`field` without references, and with `anyOf [X, null]` as X that may be empty; of other unions any JSON."""
    if "$ref" in field:
        field = schema["$defs"][field["$ref"].rsplit("/", 1)[-1]] | {k: v for k, v in field.items() if k != "$ref"}
    kinds = [_resolved(kind, schema) for kind in field.get("anyOf", [])]
    if kinds:
        filled = [kind for kind in kinds if kind.get("type") != "null"]
        only = filled[0] if len(filled) == 1 else {}
        field = only | {k: v for k, v in field.items() if k != "anyOf"} | {"optional": len(filled) < len(kinds)}
    if isinstance(field.get("items"), dict):
        field = field | {"items": _resolved(field["items"], schema)}
    return field


def _field(field: dict, key: str, problems: list[str]) -> Any:
    """Draw one field as the widget its type asks for."""
    title, default, about = field["label"], field.get("default"), field.get("description")
    shared = {"key": key, "help": about, "persist_state": "session"}
    empty = "Automatic" if field.get("optional") else None
    match field:
        case {"words": words}:
            chosen = st.selectbox(title, list(words), list(words.values()).index(default), **shared)
            return words[chosen]
        case {"enum": options}:
            options = [None, *options] if field.get("optional") else options
            index = options.index(default) if default in options else 0
            return st.selectbox(
                title, options, index, format_func=lambda o: "Automatic" if o is None else label(str(o)), **shared
            )
        case {"type": "boolean", "optional": True}:
            answers = {"Automatic": None, "Yes": True, "No": False}
            return answers[st.selectbox(title, list(answers), list(answers.values()).index(default), **shared)]
        case {"type": "boolean"}:
            return st.toggle(title, bool(default), **shared)
        case {"type": "integer" | "number" as kind}:
            # JSON schema's names; a bound that it does not know is the model's to check.
            bounds = {side: field.get(name) for side, name in BOUNDS.items()}
            shared["help"] = " ".join(filter(None, (about, bounds_in_words(bounds)))) or None
            whole = kind == "integer"
            optional = bool(field.get("optional"))
            return number_field(
                title, default, problems, whole=whole, optional=optional, placeholder=empty, **bounds, **shared
            )
        case {"type": "array", "items": {"enum": options}}:
            return st.multiselect(title, options, default or [], **shared) or _nothing(field)
        case {"type": "array", "items": {"type": "string" | "integer" | "number" as kind}}:
            text = st.text_input(f"{title} (comma-separated)", ", ".join(map(str, default or [])), **shared)
            return [_read(part.strip(), kind) for part in text.split(",") if part.strip()] or _nothing(field)
        case {"type": "string"}:
            text = st.text_input(title, default or "", placeholder=empty, **shared)
            return None if field.get("optional") and not text else text
        case _:
            # Whatever else a plugin declares is entered as JSON.
            shown = "" if default is None else json.dumps(default, ensure_ascii=False)
            text = st.text_area(f"{title} (JSON)", shown, placeholder=empty, height=68, **shared)
            return _read(text, "json") if text.strip() else None


def _nothing(field: dict) -> list | None:
    """What an empty list of values means."""
    return None if field.get("optional") else []


def _read(text: str, kind: str) -> Any:
    """`text` as the kind it should be, or as itself when it is not: the model's validation then reports it."""
    try:
        return text if kind == "string" else json.loads(text)
    except ValueError:
        return text

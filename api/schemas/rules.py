"""Rules between the fields of a request, as JSON schema: which of them are given together, and which are not.

They are said with `if`, `then` and `not`: tools that write clients pass over these, and would take `anyOf` beside a
model's fields for a choice of models.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def given(*names: str) -> Schema:
    """Each of these fields is there, and is not null."""
    return {"required": list(names), "properties": {name: {"not": {"type": "null"}} for name in names}}


def left_out(*names: str) -> Schema:
    """None of these fields is given; null is the same as nothing."""
    return {"properties": {name: {"type": "null"} for name in names}}


def absent(*names: str) -> Schema:
    """None of these fields is there, not even as null."""
    return {"properties": dict.fromkeys(names, False)}


def at_least_one(*names: str) -> Schema:
    """One of these fields is given, or several."""
    return {"not": left_out(*names)}


def at_most_one(first: str, *others: str) -> Schema:
    """One of these fields is given, or none."""
    return {"if": given(first), "then": left_out(*others)} | ({"else": at_most_one(*others)} if others[1:] else {})


def exactly_one(first: str, *others: str) -> Schema:
    """One of these fields is given, and no other of them."""
    if not others:
        return given(first)
    return {"if": given(first), "then": left_out(*others), "else": exactly_one(*others)}

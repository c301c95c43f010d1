"""A generator's parameters: one model whose fields the form, the API, the tuner and the saved run all read."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from synth.strict import StrictNumbers

POOL = 4
"""With polish, rows drawn for each one kept."""


def knob(
    default: Any,
    description: str,
    *,
    title: str | None = None,
    tune: tuple[float, float] | list[Any] | None = None,
    log: bool = False,
    advanced: bool = False,
    **bounds: Any,
) -> Any:
    """A parameter of a generator: pydantic's `Field` with what the form and the tuner need.

    `title` is the label in the form where the name alone does not say it. `tune` is the range (or the choices) the tuner
    searches, `log` searches it on a log scale, `advanced` folds the field away in the form. `bounds` are pydantic's
    (`ge`, `le`, ...).
    """
    return Field(
        default,
        title=title,
        description=description,
        json_schema_extra={"tune": list(tune) if tune is not None else None, "log": log, "advanced": advanced},
        **bounds,
    )


class Params(StrictNumbers):
    """Base of every generator's parameters. Unknown names are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    polish: bool = knob(
        False,
        f"Draw {POOL} times as many rows and keep those that together look most like the table: every column and pair of "
        "columns comes closer. Takes more time to draw, and costs no privacy.",
        title="Polish (best of four)",
    )
    rare_below: int = knob(
        5,
        "In columns about people (a job, a postcode, a remark) levels that fewer rows hold are never drawn: a level of the "
        "most similar rows comes in their place. A column's own setting goes first. Trees repeat no number that fewer rows "
        "share.",
        title="Protect levels rarer than",
        advanced=True,
        ge=1,
        le=100,
    )

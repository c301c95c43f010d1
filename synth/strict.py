"""Models in which a number is a number: neither a text that looks like one, nor true."""

from __future__ import annotations

from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError


class StrictNumbers(BaseModel):
    """Base of what others send: pydantic by itself takes `"5"` for 5 and `true` for 1."""

    @model_validator(mode="before")
    @classmethod
    def _numbers_alone(cls, given: Any) -> Any:
        # Not a validator of each field: what tells the members of a union apart may have none.
        if isinstance(given, dict):
            wrong = [name for name in _numeric(cls) if isinstance(given.get(name), bool | str)]
            if wrong:
                problem = PydanticCustomError("number", "Expected a number without quotes, such as 5.")
                lines = [InitErrorDetails(type=problem, loc=(name,), input=given[name]) for name in sorted(wrong)]
                raise ValidationError.from_exception_data(cls.__name__, lines)
        return given


@cache
def _numeric(model: type[BaseModel]) -> frozenset[str]:
    """The fields that hold a number, or nothing."""
    return frozenset(
        name
        for name, field in model.model_fields.items()
        if (kinds := _kinds(field.annotation)) & {int, float} and kinds <= {int, float, NoneType}
    )


def _kinds(annotation: Any) -> set[Any]:
    """The types that an annotation allows, without what is noted about them."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kinds(parts[0])
    if origin in (Union, UnionType):
        return {kind for part in parts for kind in _kinds(part)}
    return {annotation}

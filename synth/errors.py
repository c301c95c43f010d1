"""Errors whose message is meant for the person who asked; every other exception is a fault of the program."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from pydantic import ValidationError


class InWords(Exception):
    """An error whose message is a sentence for the person who asked: what was expected, what came, what to do.

    Its message never quotes a cell of a table that somebody else may not see.
    """


class Invalid(InWords, ValueError):
    """What was given cannot be used."""

    def __init__(self, message: str, field: str | None = None):
        super().__init__(message)
        self.field = field
        """The part of what was given that it is about, such as `params.epochs`."""

    @classmethod
    def of(cls, error: ValidationError) -> Self:
        """The first problem that pydantic found, in words, without what was given."""
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"])) or None
        problem = first["msg"].removeprefix("Value error, ")
        return cls(f"{field}: {problem}" if field else problem, field)


@contextmanager
def given_by_the_asker() -> Iterator[None]:
    """What pydantic refuses in this block was given by the person who asked. Raises Invalid in place of its error."""
    try:
        yield
    except ValidationError as error:
        raise Invalid.of(error) from error


class Damaged(InWords):
    """A file of the workspace cannot be read: it was cut, overwritten or taken away."""

"""Registries: what can be chosen by name, found where it is declared, so that adding one edits no list."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from pkgutil import walk_packages
from threading import RLock
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """Things by name, each added by the decorator above its declaration.

    Before the registry is read for the first time, the modules of `packages` are imported, and what installed
    distributions offer as entry points of `group`; plugins that the settings name are imported at start. `place`
    gives the order of the list. With a `decorator`, only those modules are imported that use it: what they are made
    of may need libraries that take seconds to import.
    """

    def __init__(
        self,
        word: str,
        *packages: str,
        group: str,
        place: Callable[[T], Any],
        decorator: str | None = None,
    ):
        self.word, self.packages, self.group, self._place = word, packages, group, place
        self._mark = "" if decorator is None else f"\n@{decorator}("
        self._things: dict[str, T] = {}
        self._read = self._reading = False
        self._lock = RLock()

    def add(self, name: str, thing: T) -> T:
        """Add a thing. Raises ValueError when another one has its name."""
        known = self._things.get(name)
        if known is not None and _declared(known) != _declared(thing):
            raise ValueError(f"There are two {self.word}s called {name!r}: {_declared(known)} and {_declared(thing)}.")
        self._things[name] = thing
        return thing

    def remove(self, name: str) -> None:
        """Take a thing out again, if it is there: a plugin that was of use to one test."""
        self._things.pop(name, None)

    def __getitem__(self, name: str) -> T:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        things = self._all()
        return iter(sorted(things, key=lambda name: (self._place(things[name]), name)))

    def __len__(self) -> int:
        return len(self._all())

    def __contains__(self, name: object) -> bool:
        return name in self._all()

    def _all(self) -> dict[str, T]:
        if not self._read:
            with self._lock:
                # A module that reads the registry while it is being imported sees what is there so far.
                if not self._read and not self._reading:
                    self._reading = True
                    try:
                        self._import()
                        self._read = True
                    finally:
                        self._reading = False
        return self._things

    def _import(self) -> None:
        for package in self.packages:
            for module in walk_packages(import_module(package).__path__, prefix=f"{package}."):
                if self._mark in _source(module.name):
                    import_module(module.name)
        for point in entry_points(group=self.group):
            point.load()


def _source(module: str) -> str:
    spec = find_spec(module)
    return Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""


def _declared(thing: Any) -> str:
    """Where a thing was declared: reloading its module replaces it."""
    of = getattr(thing, "measure", getattr(thing, "do", thing))
    return f"{of.__module__}.{of.__qualname__}"

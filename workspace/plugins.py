"""Plugins: modules that the settings name or that are installed, whose decorators add what can be chosen by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

GROUPS = ("understudy.generators", "understudy.metrics", "understudy.jobs")
"""The entry points by which an installed package offers its own."""


class PluginError(ValueError):
    """A plugin cannot be used; the message says which, and why."""


def load_plugins(names: Sequence[str]) -> None:
    """Import the plugins that the settings name. Raises PluginError, in a sentence, when one is absent or fails."""
    for name in names:
        _use(name, lambda name=name: import_module(name))


def load_installed() -> None:
    """Import the plugins that installed packages offer as entry points. Raises PluginError, in a sentence."""
    for group in GROUPS:
        for point in entry_points(group=group):
            _use(point.module, point.load)


def _use(name: str, load: Callable[[], Any]) -> None:
    try:
        load()
    except ModuleNotFoundError as error:
        if error.name != name and not name.startswith(f"{error.name}."):
            raise PluginError(f"The plugin {name!r} needs {error.name!r}, which is not installed.") from error
        raise PluginError(
            f"There is no module {name!r}, which is named as a plugin. Put its folder on PYTHONPATH, install it, or "
            "correct UNDERSTUDY_PLUGINS."
        ) from error
    except Exception as error:
        raise PluginError(f"The plugin {name!r} cannot be used: {type(error).__name__}: {error}") from error

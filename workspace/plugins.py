"""Plugins: modules that the settings name, whose decorators add generators, metrics and kinds of job."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module


class PluginError(ValueError):
    """A plugin cannot be used; the message says which, and why."""


def load_plugins(names: Sequence[str]) -> None:
    """Import plugins. Raises PluginError, in a sentence, when one is not there or fails."""
    for name in names:
        try:
            import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name and not name.startswith(f"{error.name}."):
                raise PluginError(f"The plugin {name!r} needs {error.name!r}, which is not installed.") from error
            raise PluginError(
                f"UNDERSTUDY_PLUGINS names {name!r}, and there is no such module. Put its folder on PYTHONPATH, or "
                "correct the name."
            ) from error
        except Exception as error:
            raise PluginError(f"The plugin {name!r} cannot be used: {type(error).__name__}: {error}") from error

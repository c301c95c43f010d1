"""The start of a process: every setting is checked before anything is opened."""

from __future__ import annotations

from functools import partial

from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError

from workspace.plugins import PluginError, load_installed, load_plugins
from workspace.settings import Settings, UnfitSettings, read_settings


def settings_at_start() -> Settings:
    """The settings of a server or a worker.

    Raises SystemExit, which ends the process with a sentence for each setting that cannot be used.
    """
    try:
        settings = read_settings()
    except UnfitSettings as error:
        raise SystemExit(str(error)) from None
    problems = [*_plugin_problems(settings), *_database_problems(settings)]
    if problems:
        raise SystemExit("\n".join(problems))
    return settings


def _plugin_problems(settings: Settings) -> list[str]:
    found = []
    for load in (*(partial(load_plugins, [name]) for name in settings.plugins), load_installed):
        try:
            load()
        except PluginError as error:
            found.append(str(error))
    return found


def _database_problems(settings: Settings) -> list[str]:
    if settings.database_url is None:
        return []
    engine = create_engine(settings.database_url)
    try:
        engine.connect().close()
    except SQLAlchemyError as error:
        # Its first line: the rest repeats the statement. Drivers do not name the password.
        reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
        return [f"UNDERSTUDY_DATABASE_URL names a database that cannot be opened: {reason}"]
    finally:
        engine.dispose()
    return []

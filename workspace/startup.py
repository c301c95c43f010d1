"""The start of a process: every setting is checked before anything is opened, and where a server listens."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sys
from functools import partial

import psutil
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError

from synth.errors import InWords
from workspace.access.addresses import is_loopback
from workspace.plugins import PluginError, load_installed, load_plugins
from workspace.settings import MAKE_A_KEY, Settings, UnfitSettings, read_settings
from workspace.telemetry.failures import is_disk_full
from workspace.workspace import Workspace

LOOKS_S = (0, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
"""Pauses between looks at where a server listens: some take their address only after they have started what they serve."""


def settings_at_start(*, serving: bool = True) -> Settings:
    """The settings of a server or a worker, which waits for a database that is away.

    Raises SystemExit, which ends the process with a sentence for each setting that cannot be used.
    """
    try:
        settings = read_settings()
    except UnfitSettings as error:
        raise SystemExit(str(error)) from None
    problems = [*_plugin_problems(settings), *(_database_problems(settings) if serving else ())]
    if problems:
        raise SystemExit("\n".join(problems))
    return settings


def workspace_at_start(settings: Settings) -> Workspace:
    """The workspace of a server. Raises SystemExit, with a sentence and a way out, when it cannot be opened."""
    try:
        return Workspace(settings)
    except InWords as error:
        raise SystemExit(str(error)) from None
    except OSError as error:
        if is_disk_full(error):
            raise SystemExit(
                f"The disk with {settings.workspace} is full. Free some space there, and start again."
            ) from None
        raise SystemExit(
            f"The workspace {settings.workspace} cannot be used: {error.filename}: {error.strerror}. Let the account that "
            "runs the server write there, or name another folder in UNDERSTUDY_WORKSPACE."
        ) from None


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


def addresses_beyond_this_machine() -> list[str]:
    """The addresses on which this process listens, but for those that only its own machine reaches."""
    sockets = psutil.Process().net_connections("inet")
    found = {socket.laddr.ip for socket in sockets if socket.status == psutil.CONN_LISTEN}
    return sorted(address for address in found if not is_loopback(address))


def guard_where_it_listens(workspace: Workspace) -> None:
    """End the process with a sentence when others could reach it and no key exists. From then on it stays guarded."""
    addresses = addresses_beyond_this_machine()
    if not addresses:
        return
    if workspace.access.guarded:
        workspace.access.published = True
        return
    print(
        f"Understudy will not listen on {' and '.join(addresses)} without authentication: anybody there could read your "
        f"tables.\nSet UNDERSTUDY_API_KEYS=KEY:NAME:admin with a key of your own ({MAKE_A_KEY}), or listen on 127.0.0.1.",
        file=sys.stderr,
        flush=True,
    )
    workspace.close()
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid is not None:
        # One of several workers: what started it would start another.
        os.kill(parent.pid, signal.SIGTERM)
    # Not SystemExit: the server would print it as a traceback, and go on without what it serves.
    os._exit(1)


async def keep_guarded(workspace: Workspace) -> None:
    """Look where the server listens, several times in its first seconds."""
    for pause_s in LOOKS_S:
        await asyncio.sleep(pause_s)
        await asyncio.to_thread(guard_where_it_listens, workspace)

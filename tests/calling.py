"""A client of the API in this process, as a program on this machine."""

from __future__ import annotations

from typing import Any

from fastapi.testclient import TestClient

from api import api
from workspace.settings import Settings
from workspace.workspace import Workspace

SECRET = "Kp4vT7qLx2mBz9wd"
KEYS = f"{SECRET}-anna:anna:write,{SECRET}-bob:bob:read,{SECRET}-carl:carl:write,{SECRET}-root:root:admin"
"""Anna and Carl may write, Bob may read."""


def here(workspace: Workspace | None = None, **choices: Any) -> TestClient:
    """A client of the API over `workspace`, or over the one it serves already."""
    if workspace is not None:
        api.state.workspace = workspace
    return TestClient(api, client=("127.0.0.1", 50000), base_url="http://127.0.0.1:8501", **choices)


def as_(name: str) -> dict[str, str]:
    return {"X-API-Key": f"{SECRET}-{name}"}


def changed(settings: Settings, **own: Any) -> Settings:
    """The settings with some of one's own, read as the environment is read."""
    given = Settings.model_validate({"workspace": settings.workspace, **own})
    return settings.model_copy(update={name: getattr(given, name) for name in own})

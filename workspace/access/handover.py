"""What a server tells the worker of a job by word of mouth: over its standard input, which no other process can read.

The environment of a process stands in `/proc`, and goes on to all that the process starts; no secret is put there.
"""

from __future__ import annotations

import sys
from typing import Self

from pydantic import BaseModel

from workspace.access.secrets import Secrets, Unreadable


class Handover(BaseModel):
    """What one job needs to know, and no other."""

    guarded: bool = False
    """Whether the server asks for keys: the worker does not know those of the settings."""
    secrets: dict[str, str] = {}
    """The job's own secrets in clear, by the name of the argument that keeps each encrypted."""
    proxy: str | None = None
    """The proxy for model servers, for a job that has secrets; its address may hold a password."""
    unreadable: str = ""
    """Why the job's secrets cannot be read, in words."""

    @classmethod
    def of(cls, secrets: Secrets, hidden: dict[str, str], guarded: bool) -> Self:
        """What the worker of a job with these encrypted secrets is told."""
        proxy = secrets.settings.llm_proxy
        made = cls(guarded=guarded, proxy=proxy.get_secret_value() if proxy and hidden else None)
        try:
            made.secrets = {name: secrets.show(text) for name, text in hidden.items() if text}
        except Unreadable as error:
            made.unreadable = str(error)
        return made

    @classmethod
    def taken(cls) -> Self:
        """What this process was told; nothing, when it was started by hand."""
        told = b"" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.buffer.read()
        return cls.model_validate_json(told) if told.strip() else cls()

    def secret(self, name: str) -> str:
        """One of the job's secrets; empty where it has none. Raises Unreadable."""
        if self.unreadable:
            raise Unreadable(self.unreadable)
        return self.secrets.get(name, "")

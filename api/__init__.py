"""The REST API, mounted at /api: what the pages do, for programs. `api.api` is the application."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from api.application import api

__all__ = ["api"]


def __getattr__(name: str) -> Any:
    # Imported on first use: `api.client` lives here too, and needs none of the server.
    if name == "api":
        from api.application import api

        return api
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

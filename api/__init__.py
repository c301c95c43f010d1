"""The REST API, mounted at /api: what the pages do, for programs.

`app.py` sets `api.state.workspace` when the server starts.
"""

from fastapi import FastAPI

from api import downloads

api = FastAPI(title="Understudy", docs_url=None, redoc_url=None)
api.include_router(downloads.router)


@api.get("/health")
def health() -> dict[str, str]:
    """Whether the server answers."""
    return {"status": "ok"}

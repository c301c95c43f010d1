"""The server: Streamlit's pages, and the REST API under /api, on one port.

`streamlit run app.py` and `uvicorn app:app` both serve `app`.
"""

import asyncio
import sys
from contextlib import asynccontextmanager, closing
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware
from starlette.routing import Mount

from api import api
from api.connections import Connections
from api.door import Door
from api.headers import script_hashes
from api.security import must_be_guarded
from pages.components.frame import explain_failure, get_workspace
from pages.components.upload_route import UploadsToDisk, sweep_uploads
from workspace.serving import reading_ends_when_told, temporary_files_in
from workspace.startup import settings_at_start
from workspace.workspace import Workspace


def check_at_start() -> None:
    """End the process with a sentence for each setting that cannot be used, or when strangers could come in."""
    with closing(Workspace(settings_at_start())) as workspace:
        must_be_guarded(st.get_option("server.address") or "", workspace)


# Here and not in the lifespan: what that raises is printed as a traceback.
check_at_start()


@asynccontextmanager
async def lifespan(app: st.App):
    """Start the workspace's dispatcher with the server, and leave its jobs running when the server goes."""
    # A page's script computes in a thread of this process; calls and other pages get their turn between its steps.
    sys.setswitchinterval(0.001)
    # A mounted application's own lifespan never runs, so its workspace is handed over here.
    api.state.workspace = workspace = get_workspace()
    sweeping = asyncio.create_task(sweep_uploads(workspace))
    with temporary_files_in(workspace.files), reading_ends_when_told(workspace.readers):
        yield
    sweeping.cancel()
    workspace.files.uploads.keep_only(lambda session, name: False)
    workspace.close()


def socket_origins() -> list[str]:
    """Beside its own, the origins from which a page's socket may come: those that are set for a proxy in front."""
    name, port = st.get_option("browser.serverAddress"), st.get_option("browser.serverPort")
    behind = [f"{scheme}://{name}{end}" for scheme in ("http", "https") for end in ("", f":{port}")]
    return [*st.get_option("server.corsAllowedOrigins"), *(behind if name != "localhost" else [])]


PAGE = Path(st.__file__).parent / "static" / "index.html"
"""What a browser gets for every page; the rest of a page comes through its socket."""

app = st.App(
    Path(__file__).parent / "pages" / "main.py",
    routes=[Mount("/api", api)],
    middleware=[
        Middleware(Connections),
        Middleware(Door, origins=socket_origins(), scripts=script_hashes(PAGE.read_text("utf-8"))),
        Middleware(UploadsToDisk, workspace=get_workspace),
    ],
    lifespan=lifespan,
    on_script_error=explain_failure,
)

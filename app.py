"""The server: Streamlit's pages, and the REST API under /api, on one port.

`streamlit run app.py` and `uvicorn app:app` both serve `app`.
"""

import asyncio
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware
from starlette.routing import Mount

from api import api
from api.connections import Connections
from api.door import Door
from api.gate import Gate
from api.headers import script_hashes
from api.peers import RealPeer
from api.security import limit_problems
from api.sign_in import sign_in_routes
from pages.components.frame import explain_failure, get_workspace
from pages.components.signin import LAST_STEP
from pages.components.upload_route import UploadsToDisk, sweep_uploads
from workspace.serving import reading_ends_when_told, temporary_files_in
from workspace.startup import guard_where_it_listens, keep_guarded, settings_at_start, workspace_at_start
from workspace.workspace import Workspace

# Here and not in the lifespan: what that raises is printed as a traceback.
settings = settings_at_start()
if problems := limit_problems(settings.limits, api.state.routes):
    raise SystemExit("\n".join(problems))
workspace_at_start(settings).close()


def served() -> Workspace:
    """The workspace of this server, once it has started."""
    return api.state.workspace


@asynccontextmanager
async def lifespan(app: st.App):
    """Start the workspace's dispatcher with the server, and leave its jobs running when the server goes."""
    # A page's script computes in a thread of this process; calls and other pages get their turn between its steps.
    sys.setswitchinterval(0.001)
    # A mounted application's own lifespan never runs, so its workspace is handed over here.
    api.state.workspace = workspace = get_workspace()
    guard_where_it_listens(workspace)
    looking = asyncio.create_task(keep_guarded(workspace))
    sweeping = asyncio.create_task(sweep_uploads(workspace))
    with temporary_files_in(workspace.files), reading_ends_when_told(workspace.readers):
        yield
    looking.cancel()
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
    routes=[Mount("/api", api), *sign_in_routes(served)],
    middleware=[
        # The first is the outermost: it alone sees the server's own socket.
        Middleware(RealPeer, settings_of=lambda scope: served().settings),
        Middleware(Connections),
        Middleware(Door, origins=socket_origins(), scripts=script_hashes(PAGE.read_text("utf-8"))),
        Middleware(Gate, workspace=served, last_step=LAST_STEP),
        Middleware(UploadsToDisk, workspace=served),
    ],
    lifespan=lifespan,
    on_script_error=explain_failure,
)

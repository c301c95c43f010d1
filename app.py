"""The server: Streamlit's pages, and the REST API under /api, on one port.

`streamlit run app.py` and `uvicorn app:app` both serve `app`.
"""

import sys
from contextlib import asynccontextmanager, closing
from pathlib import Path

import streamlit as st
from starlette.routing import Mount

from api import api
from api.security import must_be_guarded
from pages.components.frame import explain_failure, get_workspace
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
    yield
    workspace.close()


app = st.App(
    Path(__file__).parent / "pages" / "main.py",
    routes=[Mount("/api", api)],
    lifespan=lifespan,
    on_script_error=explain_failure,
)

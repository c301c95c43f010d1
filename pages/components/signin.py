"""Who sees the pages: anybody on this machine while no key exists; from then on, who signed in with one."""

from __future__ import annotations

from html import escape
from urllib.parse import quote, urlsplit

import streamlit as st
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState

from workspace.access.callers import ANYBODY_HERE, Caller, Refused
from workspace.access.page_sessions import COOKIE
from workspace.workspace import Workspace

LINK_MINUTES = 30
"""How long a download link in a page is good for; it ends with the session too."""
LAST_STEP = BackMsg(rerun_script=ClientState()).SerializeToString()
"""What a page gets in the place of a step that its visitor may no longer take: a run without what they clicked."""


def visitor(workspace: Workspace) -> Caller:
    """Who looks at the page. Raises Refused when they must sign in."""
    if not workspace.access.guarded:
        return ANYBODY_HERE
    # The cookies are those of the moment when the page was loaded.
    return workspace.access.sessions.visitor(st.context.cookies.get(COOKIE, ""))


def require_sign_in(workspace: Workspace) -> None:
    """Stop the page and show the way to the sign-in, unless its visitor may see it."""
    try:
        visitor(workspace)
    except Refused as problem:
        address = urlsplit(st.context.url or "/")
        wanted = (address.path or "/") + (f"?{address.query}" if address.query else "")
        with st.container(horizontal_alignment="center"), st.container(border=True, width=420):
            st.markdown("### :material/key: Sign in")
            st.markdown(str(problem))
            st.html(f'<a href="/sign-in?next={escape(quote(wanted, safe=""))}" target="_self">Go to the sign-in</a>')
        st.stop()


SIGN_OUT = """
<form method="post" action="/sign-out" style="position: fixed; top: 0.85rem; right: 3.75rem; z-index: 999991; margin: 0">
<button style="padding: 0.25rem 0.6rem; font: inherit; font-size: 14px; color: inherit; background: transparent;
  border: 1px solid rgba(128, 128, 128, 0.4); border-radius: 8px; cursor: pointer">Sign out</button>
</form>
"""


def sign_out_button(workspace: Workspace) -> None:
    """The way out, at the top right where somebody is signed in."""
    if workspace.access.guarded:
        st.html(SIGN_OUT)


def download_address(workspace: Workspace, path: str) -> str:
    """Where a browser gets a file of the API, whose path this is: with a link in it where a key is asked for."""
    if workspace.access.guarded:
        path = workspace.access.links.make(visitor(workspace), "download", path, LINK_MINUTES).address
    return f"/api{path}"

"""Who may see the pages: anybody on this machine; over a network, holders of a key with the permission admin."""

from __future__ import annotations

import streamlit as st

from pages.components.words import plain
from workspace.access.keys import ANYBODY_HERE, Refused, is_loopback
from workspace.workspace import Workspace

LINK_MINUTES = 10
"""How long a download link in a page is good for, where keys are asked for."""


def sign_in(workspace: Workspace) -> None:
    """Ask for a key and stop the page there, unless the server and the visitor are both on this machine."""
    # The visitor's address is None for localhost. Both are asked, since another server (uvicorn) may carry the app.
    here = is_loopback(st.get_option("server.address") or "") and is_loopback(st.context.ip_address or "localhost")
    if here or st.session_state.get("signed_in"):
        return
    with st.container(horizontal_alignment="center"), st.form("sign_in", width=420):
        st.markdown("### :material/key: Sign in")
        key = st.text_input("API key", type="password", help="One with the permission admin, from UNDERSTUDY_API_KEYS.")
        if st.form_submit_button("Sign in", type="primary"):
            try:
                caller = workspace.access.caller(key)
            except Refused as problem:
                st.error(plain(problem))
                st.stop()
            if caller.may("admin"):
                st.session_state.signed_in = True
                st.rerun()
            st.error(
                "This key lacks the permission admin, which the pages require. Use it with the API, or ask for another key."
            )
    st.stop()


def link_token(workspace: Workspace) -> str:
    """What a download link carries where keys are asked for; empty where they are not."""
    if not workspace.access.guarded:
        return ""
    token, _ = workspace.access.token(ANYBODY_HERE, LINK_MINUTES)
    return f"?token={token}"

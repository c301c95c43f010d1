"""Files that are read for a page: the reading ends when its visitor leaves or asks for something else."""

from __future__ import annotations

import time

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from workspace.ingest.process import has_gone

AWAY_S = 5
"""A browser that lost its connection may be back within this time."""


def reading_ends_with_this_run() -> None:
    """From here on, whatever this run of the page has read ends as soon as the run itself is to end."""
    context = get_script_run_ctx()
    left_at: float | None = None

    def gone() -> bool:
        nonlocal left_at
        # Here Streamlit ends this run, by an exception of its own, when another one was asked for.
        st.session_state.get("reading")
        if context is None or not runtime.exists() or runtime.get_instance().is_active_session(context.session_id):
            left_at = None
            return False
        left_at = left_at or time.monotonic()
        if time.monotonic() - left_at > AWAY_S:
            st.stop()
        return False

    has_gone.set(gone)

"""A visitor of the pages who has signed in."""

from __future__ import annotations

import pytest
import streamlit as st

from workspace.access.page_sessions import COOKIE
from workspace.workspace import Workspace


def sign_in(patch: pytest.MonkeyPatch, workspace: Workspace, key: str) -> str:
    """Give the pages, which without a browser have no cookies, that of a session begun with this key; what it holds."""
    text = workspace.access.sessions.begin(workspace.access.caller(key))
    patch.setattr(type(st.context), "cookies", {COOKIE: text})
    return text

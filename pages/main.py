"""The frame around every page: the list of pages, the name, the browser tab."""

from pathlib import Path

import streamlit as st

from pages.components.frame import get_workspace
from pages.components.signin import sign_in
from workspace.version import VERSION

ASSETS = Path(__file__).parent / "assets"

ABOUT = f"**Understudy {VERSION}**: synthetic tables that stand in for real ones, with the proof beside them."

st.set_page_config(
    page_title="Understudy", page_icon=str(ASSETS / "icon.svg"), layout="wide", menu_items={"About": ABOUT}
)
st.logo(str(ASSETS / f"logo-{st.context.theme.type or 'light'}.svg"), size="large")

sign_in(get_workspace())

page = st.navigation(
    [
        st.Page("home.py", title="Home", icon=":material/home:", default=True, help="Start here."),
        st.Page("data.py", title="Data", icon=":material/table:", help="Bring tables, see and correct what they hold."),
        st.Page("train.py", title="Train", icon=":material/model_training:", help="Teach a generator one table."),
        st.Page("compare.py", title="Compare", icon=":material/compare:", help="Real beside synthetic; download."),
        st.Page(
            "conversations.py",
            title="Conversations",
            icon=":material/forum:",
            help="New dialogues that read like yours.",
        ),
        st.Page("jobs.py", title="Jobs", icon=":material/manufacturing:", help="What is at work and what has been."),
    ],
    position="top",
)
page.run()

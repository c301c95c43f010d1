"""The frame around every page: the list of pages, the name, the browser tab."""

from pathlib import Path

import streamlit as st

from pages.components.frame import get_workspace
from pages.components.reading import reading_ends_with_this_run
from pages.components.signin import require_sign_in, sign_out_button
from workspace.version import VERSION

ASSETS = Path(__file__).parent / "assets"

ABOUT = f"**Understudy {VERSION}**: synthetic versions of your tables, each with its evaluation."

st.set_page_config(
    page_title="Understudy", page_icon=str(ASSETS / "icon.svg"), layout="wide", menu_items={"About": ABOUT}
)
st.logo(str(ASSETS / f"logo-{st.context.theme.type or 'light'}.svg"), size="large")

require_sign_in(get_workspace())
sign_out_button(get_workspace())
reading_ends_with_this_run()

page = st.navigation(
    [
        st.Page("home.py", title="Home", icon=":material/home:", default=True, help="Start here."),
        st.Page("data.py", title="Data", icon=":material/table:", help="Add datasets, check how they were read."),
        st.Page("train.py", title="Train", icon=":material/model_training:", help="Train a generator on a dataset."),
        st.Page(
            "compare.py", title="Compare", icon=":material/compare:", help="Real and synthetic side by side; download."
        ),
        st.Page(
            "conversations.py",
            title="Conversations",
            icon=":material/forum:",
            help="Write new support and sales dialogues.",
        ),
        st.Page("jobs.py", title="Jobs", icon=":material/manufacturing:", help="Jobs that run and jobs that ended."),
    ],
    position="top",
)
page.run()

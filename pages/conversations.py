"""Conversations: say what to write and with which model, see the prompt and the price, watch dialogues arrive."""

import streamlit as st

from pages.calls import api_expander, conversing_call, needs_model_key
from pages.frame import get_workspace, heading
from pages.order import order_form
from pages.talk import show, talk_picker
from pages.words import count, plain
from synth.conversations import ServerError

workspace = get_workspace()
heading("Conversations", "New support and sales dialogues that read like yours, from a file or from a description.")

left, right = st.columns([2, 3], gap="large")
with left:
    dataset, source, order = order_form(workspace)
    if order is not None:
        cost = workspace.estimate_talk(order, source)
        with st.container(border=True):
            with st.container(horizontal=True):
                st.metric("Requests", f"{cost.requests:,}", width="content")
                st.metric("Tokens, about", f"{cost.input_tokens + cost.output_tokens:,}", width="content")
                st.metric("Cost, about", "nothing" if order.local else f"${cost.dollars:,.2f}", width="content")
            with st.expander("The exact first prompt", icon=":material/visibility:"):
                for message in workspace.prompt(order, source):
                    st.caption(message["role"])
                    st.code(message["content"], language=None, wrap_lines=True)
            if st.button(f"Write {count(order.brief.dialogues, 'dialogue')}", type="primary", icon=":material/forum:"):
                try:
                    job = workspace.converse(dataset.id if dataset else None, order)
                    st.query_params["talk"] = job.arguments["talk"]
                except (ValueError, ServerError) as problem:
                    st.error(plain(problem))
        needs_key = needs_model_key(workspace, order)
        api_expander(workspace, [conversing_call(order, dataset.id if dataset else None, needs_key)])

with right:
    talk = talk_picker(workspace)
    if talk is None:
        with st.container(border=True):
            st.markdown("### :material/forum: Nothing is written yet")
            st.markdown(
                "Say on the left what you need and press **Write**. Dialogues appear here as they arrive, with what "
                "they cost and how they compare with the real ones."
            )
    else:
        show(workspace, talk)

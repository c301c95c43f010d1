"""Conversations: choose what to write and with which model, see the prompt and the cost, watch dialogues arrive."""

import streamlit as st

from pages.components.api_calls import api_expander, conversing_call, needs_model_key
from pages.components.conversation_form import SourcedRequest, conversation_form
from pages.components.conversation_set import ADDRESS, set_picker, show
from pages.components.fields import submit
from pages.components.frame import get_workspace, heading
from pages.components.words import count, plain
from synth.conversations.order import ConversationRequest
from synth.errors import InWords

workspace = get_workspace()
notices = heading(
    "Conversations",
    "New support and sales dialogues like yours, written by a language model from a file or a description.",
)


def start(requests: list[SourcedRequest]) -> None:
    """Start a job for each request; one that cannot start does not stop the others."""
    for one in requests:
        try:
            job = workspace.conversations.write(one.dataset.id if one.dataset else None, one.request)
        except InWords as problem:
            st.error(plain(problem), title=plain(one.dataset.name) if one.dataset else None)
        else:
            st.query_params[ADDRESS] = job.arguments["talk"]


def cost_in_words(request: ConversationRequest, dollars: float) -> str:
    """The expected cost: free on this machine, unknown where the settings have no price for the model."""
    if request.local or request.server.is_local:
        return "free"
    price = request.server.price
    if not (price.input or price.output):
        return "unknown"
    return f"${dollars:,.2f}" if dollars >= 0.01 else "under 1 cent"


left, right = st.columns([2, 3], gap="large")
with left:
    problems: list[str] = []
    requests = conversation_form(workspace, problems)
    with st.container(border=True):
        if requests:
            costs = [workspace.conversations.estimate(one.request, one.source) for one in requests]
            first = requests[0]
            with st.container(horizontal=True):
                tokens = sum(cost.input_tokens + cost.output_tokens for cost in costs)
                dollars = sum(cost.dollars for cost in costs)
                st.metric("Requests", f"{sum(cost.requests for cost in costs):,}", width="content")
                st.metric("Tokens (estimate)", f"{tokens:,}", width="content")
                st.metric("Cost (estimate)", cost_in_words(first.request, dollars), width="content")
            with st.expander("First prompt", icon=":material/visibility:"):
                for message in workspace.conversations.prompt(first.request, first.source):
                    st.caption(message["role"])
                    st.code(message["content"], language=None, wrap_lines=True)
        elif not problems:
            problems.append("No file that was chosen can be read as conversations.")
        dialogues = sum(one.request.brief.dialogues for one in requests)
        label = f"Write {count(dialogues, 'dialogue')}" if requests else "Write"
        if submit(label, problems, type="primary", icon=":material/forum:"):
            start(requests)
        if problems:
            st.caption(f":material/block: Not ready to start: {plain(' '.join(dict.fromkeys(problems)))}")
    if requests:
        api_expander(
            workspace,
            [
                conversing_call(
                    one.request, one.dataset.id if one.dataset else None, needs_model_key(workspace, one.request)
                )
                for one in requests
            ],
        )

with right:
    chosen = set_picker(workspace, notices)
    if chosen is not None:
        show(workspace, chosen)
    elif not workspace.conversations.find():
        with st.container(border=True):
            st.markdown("### :material/forum: No conversations yet")
            st.markdown(
                "Describe what you need on the left and press **Write**. Dialogues appear here as they arrive, with "
                "their cost and evaluation."
            )

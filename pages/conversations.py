"""Conversations: say what to write and with which model, see the prompt and the price, watch dialogues arrive."""

import streamlit as st

from pages.components.api_calls import api_expander, conversing_call, needs_model_key
from pages.components.frame import get_workspace, heading
from pages.components.order import Sourced, order_form
from pages.components.talk import show, talk_picker
from pages.components.words import count, plain
from synth.conversations import ServerError
from synth.conversations.order import ConversationRequest

workspace = get_workspace()
heading("Conversations", "New support and sales dialogues that read like yours, from a file or from a description.")


def start(orders: list[Sourced]) -> None:
    """Start a job for each order; one that cannot start does not keep the others from it."""
    for one in orders:
        try:
            job = workspace.conversations.write(one.dataset.id if one.dataset else None, one.order)
        except (ValueError, ServerError) as problem:
            st.error(plain(problem), title=plain(one.dataset.name) if one.dataset else None)
        else:
            st.query_params["talk"] = job.arguments["talk"]


def price_in_words(order: ConversationRequest, dollars: float) -> str:
    """What a set will cost: nothing on this machine, unknown where the settings have no price for the model."""
    if order.local or order.server.is_local:
        return "nothing"
    price = order.server.price
    if not (price.input or price.output):
        return "unknown"
    return f"${dollars:,.2f}" if dollars >= 0.01 else "under 1 cent"


left, right = st.columns([2, 3], gap="large")
with left:
    orders = order_form(workspace)
    if orders:
        costs = [workspace.conversations.estimate(one.order, one.source) for one in orders]
        first = orders[0]
        with st.container(border=True):
            with st.container(horizontal=True):
                tokens = sum(cost.input_tokens + cost.output_tokens for cost in costs)
                dollars = sum(cost.dollars for cost in costs)
                st.metric("Requests", f"{sum(cost.requests for cost in costs):,}", width="content")
                st.metric("Tokens, about", f"{tokens:,}", width="content")
                st.metric("Cost, about", price_in_words(first.order, dollars), width="content")
            with st.expander("The exact first prompt", icon=":material/visibility:"):
                for message in workspace.conversations.prompt(first.order, first.source):
                    st.caption(message["role"])
                    st.code(message["content"], language=None, wrap_lines=True)
            dialogues = sum(one.order.brief.dialogues for one in orders)
            if st.button(f"Write {count(dialogues, 'dialogue')}", type="primary", icon=":material/forum:"):
                start(orders)
        api_expander(
            workspace,
            [
                conversing_call(
                    one.order, one.dataset.id if one.dataset else None, needs_model_key(workspace, one.order)
                )
                for one in orders
            ],
        )

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

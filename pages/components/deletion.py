"""Deleting: a question that says what goes along, and a bar that offers to undo it for ten minutes."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from pages.components.fields import told
from pages.components.words import count, moment, plain, size
from workspace.services.bin import KEPT_MINUTES, Contents, Deletable
from workspace.workspace import NotFound, Workspace

BIN = "bin"
"""In the session: the entries of the bin that this visitor made."""


def ask_to_delete(
    workspace: Workspace, row: Deletable, name: str, at_once: Callable[[str], None], keeps: str = ""
) -> None:
    """Ask whether to delete something called `name`; `at_once` deletes it by id without the bin.

    `keeps` says what stays.
    """
    st.dialog(f"Delete the {row.word if row.word != 'run' else 'synthetic table'}?")(_ask)(
        workspace, row, name, at_once, keeps
    )


def _ask(workspace: Workspace, row: Deletable, name: str, at_once: Callable[[str], None], keeps: str) -> None:
    contents = workspace.bin.contents(row)
    st.markdown(f"**{plain(name)}** is deleted{along(contents)}: {size(contents.size_bytes)} in all. {keeps}")
    if contents.active_jobs:
        verb = "is" if contents.active_jobs == 1 else "are"
        st.warning(
            f"{count(contents.active_jobs, 'job')} that works on it {verb} cancelled first.", icon=":material/close:"
        )
    with st.container(horizontal=True):
        deleted = st.button(
            "Delete",
            type="primary",
            icon=":material/delete:",
            key="delete_to_bin",
            help=f"Undo is offered for {KEPT_MINUTES} minutes, or until the server stops.",
        )
        at_once_asked = st.button(
            "Delete at once",
            icon=":material/delete_forever:",
            key="delete_at_once",
            help="Every byte is removed now. This cannot be undone.",
        )
    if deleted or at_once_asked:
        with told("Not deleted"), st.spinner("Deleting …"):
            if at_once_asked:
                at_once(row.id)
            else:
                st.session_state.setdefault(BIN, []).append(workspace.bin.put(row, name).id)
            st.rerun()


def along(contents: Contents) -> str:
    """What goes along, in words: " with its 2 synthetic tables and 3 jobs"."""
    parts = [
        count(number, thing)
        for number, thing in (
            (contents.runs, "synthetic table"),
            (contents.conversation_sets, "conversation set"),
            (contents.jobs, "job"),
        )
        if number
    ]
    if not parts:
        return ""
    *some, last = parts
    return f" with its {', '.join(some) + ' and ' if some else ''}{last}"


def undo_bar(workspace: Workspace) -> None:
    """What this visitor deleted in the last minutes, each with a button that brings it back."""
    if workspace.bin.find(st.session_state.get(BIN, [])):
        st.fragment(_undo_bar, run_every="15s")(workspace)


def _undo_bar(workspace: Workspace) -> None:
    entries = workspace.bin.find(st.session_state.get(BIN, []))
    st.session_state[BIN] = [entry.id for entry in entries]
    for entry in reversed(entries):
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            what = "synthetic table" if entry.kind == "run" else entry.kind
            until = moment(entry.until, st.context.timezone).rsplit(", ", 1)[-1]
            st.markdown(
                f":material/delete: Deleted the {what} **{plain(entry.name)}**. Undo is offered until {until}.",
                width="stretch",
            )
            if st.button("Undo", icon=":material/undo:", key=f"undo_{entry.id}"):
                try:
                    workspace.bin.restore(entry.id)
                except NotFound as error:
                    st.error(plain(error), title="Not restored")
                else:
                    st.rerun()

"""Unsaved changes of a dataset's columns: they stay in the session, on every page, until they are saved or discarded."""

from __future__ import annotations

from dataclasses import dataclass, field

import streamlit as st

from pages.components.words import count, plain
from synth.errors import InWords
from synth.schema import Schema
from synth.schema.kinds import Kind, Role
from workspace.workspace import Dataset, Workspace

DRAFTS = "schema_drafts"
VERSION = "schema_version"
"""In the session: how often drafts were saved or discarded; each time the grid begins anew."""


@dataclass
class Draft:
    """What was changed of a dataset's columns, and of which schema."""

    base: Schema
    changed: dict[str, tuple[Kind, Role]] = field(default_factory=dict)

    def on(self, schema: Schema) -> Schema:
        """The schema with the changes; those of columns that are no longer there are left out."""
        columns = []
        for column in schema:
            kind, role = self.changed.get(column.name, (column.kind, column.role))
            columns.append(column.model_copy(update={"kind": kind, "role": role}))
        return schema.model_copy(update={"columns": columns})

    def conflicts(self, schema: Schema) -> list[str]:
        """The columns of the draft that were changed elsewhere since it was begun."""
        today = {column.name: column for column in schema}
        return [name for name in self.changed if today.get(name) != {c.name: c for c in self.base}.get(name)]


def draft_of(dataset: Dataset) -> Draft:
    """The unsaved changes of a dataset."""
    return st.session_state.setdefault(DRAFTS, {}).get(dataset.id) or Draft(dataset.schema)


def keep_draft(dataset: Dataset, entered: dict[str, tuple[Kind, Role]]) -> None:
    """Keep what was entered for columns, where it differs from the dataset."""
    drafts = st.session_state.setdefault(DRAFTS, {})
    saved = {column.name: (column.kind, column.role) for column in dataset.schema}
    changed = {name: nature for name, nature in entered.items() if nature != saved[name]}
    if not changed:
        drafts.pop(dataset.id, None)
    else:
        drafts.setdefault(dataset.id, Draft(dataset.schema)).changed = changed


def begin_anew(dataset: Dataset) -> None:
    """Drop the draft, and let the grid of the columns begin from the dataset."""
    st.session_state.setdefault(DRAFTS, {}).pop(dataset.id, None)
    st.session_state[VERSION] = st.session_state.get(VERSION, 0) + 1


def draft_bar(workspace: Workspace, dataset: Dataset) -> None:
    """Say that there are unsaved changes, and offer to save or discard them."""
    draft = draft_of(dataset)
    if not draft.changed:
        return
    schema = draft.on(dataset.schema)
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(
            f":material/edit: Unsaved changes of {plain(dataset.name)}: **{count(len(draft.changed), 'column')}** changed "
            f"({plain(', '.join(draft.changed))})",
            width="stretch",
        )
        save = st.button("Save", type="primary", icon=":material/save:", key=f"save_draft_{dataset.id}")
        st.button("Discard", type="tertiary", key=f"discard_draft_{dataset.id}", on_click=begin_anew, args=(dataset,))
    if conflicts := draft.conflicts(dataset.schema):
        st.warning(
            f"The dataset was changed elsewhere since: {plain(', '.join(conflicts))}. Saving puts your changes in place of those.",
            icon=":material/sync_problem:",
        )
    targets = schema.having(roles=("target",))
    if len(targets) > 1:
        st.error(
            f"Only one column can be the target; now {', '.join(map(plain, targets))} are. Make the others features."
        )
    elif save:
        try:
            with st.spinner("Checking every value against its new kind …"):
                workspace.datasets.set_schema(dataset.id, schema)
        except InWords as error:
            st.error(plain(error), title="Not saved", icon=":material/block:")
        else:
            saved = [column for column in schema if column.name in draft.changed]
            begin_anew(dataset)
            st.session_state[f"corrected_{dataset.id}"] = [column.model_dump(mode="json") for column in saved]
            st.toast("Saved. New jobs use it; existing results stay as they are.", icon=":material/check:")
            st.rerun()

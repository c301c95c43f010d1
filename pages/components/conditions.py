"""What an analyst asks of the synthetic rows: rules between columns, conditions, rebalancing."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from pages.components.words import count, plain
from synth.constraints.discovery import Suggestion, suggest_rules
from workspace.workspace import Dataset, Workspace

LEVELS = 10
"""A profile lists so many values of a column; conditions and rebalancing are offered for columns with no more."""
SEARCHED = 50_000


@st.cache_data(max_entries=20, show_spinner="Looking for rules that hold in every row …")
def _suggested(_workspace: Workspace, dataset_id: str, schema: str) -> list[Suggestion]:
    """`schema` names the version the suggestions are for."""
    dataset = _workspace.datasets.get(dataset_id)
    return suggest_rules(_workspace.datasets.train_table(dataset_id, SEARCHED), dataset.schema)


def rules_editor(workspace: Workspace, dataset: Dataset) -> None:
    """Rules enforced in every synthetic row: those chosen, and suggestions found in the real rows."""
    kept = dataset.schema.rules
    title = f"Rules between columns ({len(kept)} enforced)" if kept else "Rules between columns"
    with st.expander(title, icon=":material/rule:"):
        for at, rule in enumerate(kept):
            with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
                st.markdown(plain(rule))
                if st.button("Remove", key=f"drop_rule_{dataset.id}_{at}", icon=":material/close:", type="tertiary"):
                    _set_rules(workspace, dataset, kept[:at] + kept[at + 1 :])
        if not st.toggle("Look for rules in the dataset", key=f"look_{dataset.id}"):
            st.caption("A rule that you choose is enforced in every synthetic row.")
            return
        found = _suggested(workspace, dataset.id, dataset.schema.model_dump_json())
        if not found:
            st.caption("No rule was found that chance would not explain.")
            return
        chosen = st.multiselect(
            f"{count(len(found), 'rule')} found in the real rows",
            range(len(found)),
            format_func=lambda at: str(found[at]),
            placeholder="Choose rules to enforce",
            key=f"rules_{dataset.id}_{len(kept)}",
        )
        if st.button("Enforce these rules", disabled=not chosen, icon=":material/add:"):
            _set_rules(workspace, dataset, [*kept, *(found[at].rule for at in chosen)])


def _set_rules(workspace: Workspace, dataset: Dataset, rules: list) -> None:
    workspace.datasets.set_schema(dataset.id, dataset.schema.model_copy(update={"rules": rules}))
    st.rerun()


def conditions_form(workspace: Workspace, dataset: Dataset) -> dict[str, Any] | None:
    """Conditions that every row meets, and a column to rebalance; None: rows as the generator draws them."""
    profiles = {profile.name: profile for profile in workspace.datasets.profiles(dataset.id)}
    modelled = dataset.schema.modelled
    few = [name for name in modelled.having(kinds=("category", "boolean")) if 2 <= profiles[name].distinct <= LEVELS]
    numbers = modelled.having(kinds=("number", "integer"))
    with st.expander("Conditions and rebalancing", icon=":material/filter_alt:"):
        where: dict[str, Any] = {}
        for name in st.multiselect("Columns with a condition", [*few, *numbers], key=f"fixed_{dataset.id}"):
            where[name] = _criterion(name, name in few, profiles, dataset)
        shares = {}
        rebalanced = st.selectbox(
            "Rebalance a column", [None, *few], format_func=lambda name: name or "none", key=f"again_{dataset.id}"
        )
        if rebalanced:
            shares = _shares(rebalanced, profiles, dataset)
    where = {name: criterion for name, criterion in where.items() if criterion}
    if not where and not shares:
        return None
    return {"cases": [{"where": where}] if where else [], "shares": {rebalanced: shares} if shares else {}}


def _criterion(name: str, is_level: bool, profiles: dict, dataset: Dataset) -> Any:
    profile = profiles[name]
    if is_level:
        levels = [top.value for top in profile.top]
        return st.multiselect(f"{plain(name)} is one of", levels, key=f"where_{dataset.id}_{name}")
    with st.container(horizontal=True):
        low = st.number_input(f"{plain(name)} from", value=None, placeholder="any", key=f"from_{dataset.id}_{name}")
        high = st.number_input("to", value=None, placeholder="any", key=f"to_{dataset.id}_{name}")
    return {side: bound for side, bound in (("ge", low), ("le", high)) if bound is not None}


def _shares(name: str, profiles: dict, dataset: Dataset) -> dict[str, float]:
    top = profiles[name].top
    total = sum(one.rows for one in top)
    table = pd.DataFrame({"level": [one.value for one in top], "share": [100 * one.rows / total for one in top]})
    edited = st.data_editor(
        table,
        hide_index=True,
        disabled=["level"],
        key=f"shares_{dataset.id}_{name}",
        column_config={
            "level": st.column_config.TextColumn(name),
            "share": st.column_config.NumberColumn("Share of rows, %", min_value=0.0, max_value=100.0, format="%.1f"),
        },
    )
    changed = edited["share"].fillna(0) / max(edited["share"].fillna(0).sum(), 1e-9)
    if (changed - table["share"] / 100).abs().max() < 1e-6:
        return {}
    # Rounded down, so that the shares never add up to more than 1.
    return {level: int(share * 1e6) / 1e6 for level, share in zip(edited["level"], changed, strict=True)}

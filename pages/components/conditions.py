"""What an analyst asks of the synthetic rows: rules between columns, conditions, rebalancing."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from pages.components.fields import complain, number_field
from pages.components.references import lost, tell_lost
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
        if not st.toggle("Look for rules in the dataset", key=f"look_{dataset.id}", persist_state="session"):
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
            persist_state="session",
        )
        if st.button("Enforce these rules", disabled=not chosen, icon=":material/add:"):
            _set_rules(workspace, dataset, [*kept, *(found[at].rule for at in chosen)])


def _set_rules(workspace: Workspace, dataset: Dataset, rules: list) -> None:
    workspace.datasets.set_schema(dataset.id, dataset.schema.model_copy(update={"rules": rules}))
    st.rerun()


def conditions_form(workspace: Workspace, dataset: Dataset, problems: list[str]) -> dict[str, Any] | None:
    """Conditions that every row meets, and a column to rebalance; None: rows as the generator draws them.

    What does not fit is said here and added to `problems`.
    """
    profiles = {profile.name: profile for profile in workspace.datasets.profiles(dataset.id)}
    modelled = dataset.schema.modelled
    few = [name for name in modelled.having(kinds=("category", "boolean")) if 2 <= profiles[name].distinct <= LEVELS]
    numbers = modelled.having(kinds=("number", "integer"))
    with st.expander("Conditions and rebalancing", icon=":material/filter_alt:"):
        where: dict[str, Any] = {}
        key = f"fixed_{dataset.id}"
        gone = lost(key, [*few, *numbers])
        chosen = st.multiselect(
            "Columns with a condition",
            [*few, *numbers],
            key=key,
            on_change=lambda: st.session_state.pop(f"{key}_lost", None),
            persist_state="session",
        )
        if gone:
            problems.append(tell_lost(key, gone, "column with a condition"))
        for name in chosen:
            where[name] = _criterion(name, name in few, profiles, dataset, problems)
        again = f"again_{dataset.id}"
        gone = lost(again, few)
        shares = {}
        rebalanced = st.selectbox(
            "Rebalance a column",
            [None, *few],
            format_func=lambda name: name or "none",
            key=again,
            on_change=lambda: st.session_state.pop(f"{again}_lost", None),
            persist_state="session",
        )
        if gone:
            problems.append(tell_lost(again, gone, "column to rebalance"))
        if rebalanced:
            shares = _shares(rebalanced, profiles, dataset, problems)
    where = {name: criterion for name, criterion in where.items() if criterion}
    if not where and not shares:
        return None
    return {"cases": [{"where": where}] if where else [], "shares": {rebalanced: shares} if shares else {}}


def _criterion(name: str, is_level: bool, profiles: dict, dataset: Dataset, problems: list[str]) -> Any:
    profile = profiles[name]
    if is_level:
        levels = [top.value for top in profile.top]
        key = f"where_{dataset.id}_{name}"
        return st.multiselect(f"{plain(name)} is one of", levels, key=key, persist_state="session")
    any_number: dict[str, Any] = {"optional": True, "placeholder": "any", "persist_state": "session"}
    with st.container(horizontal=True):
        low = number_field(
            f"{plain(name)} from", None, problems, whole=False, key=f"from_{dataset.id}_{name}", **any_number
        )
        high = number_field("to", None, problems, whole=False, key=f"to_{dataset.id}_{name}", **any_number)
    if low is not None and high is not None and low > high:
        complain(f"{name}: from {low:g} to {high:g} leaves no value.", problems)
    return {side: bound for side, bound in (("ge", low), ("le", high)) if bound is not None}


def _shares(name: str, profiles: dict, dataset: Dataset, problems: list[str]) -> dict[str, float]:
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
            # Without bounds: a cell out of bounds would keep its former number without a word.
            "share": st.column_config.NumberColumn("Share of rows, %", format="%.1f"),
        },
    )
    given = edited["share"].fillna(0)
    if ((given < 0) | (given > 100)).any():
        complain(f"{name}: a share goes from 0 to 100 %.", problems)
        return {}
    if given.sum() <= 0:
        complain(f"{name}: at least one share is more than 0 %.", problems)
        return {}
    changed = given / given.sum()
    if (changed - table["share"] / 100).abs().max() < 1e-6:
        return {}
    # Rounded down, so that the shares never add up to more than 1.
    return {level: int(share * 1e6) / 1e6 for level, share in zip(edited["level"], changed, strict=True)}

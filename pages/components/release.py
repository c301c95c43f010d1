"""Before a synthetic table is released: its thresholds, its riskiest rows, the self-test of the evaluation."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st
from pydantic import ValidationError

from metrics import METRICS, Gate, Threshold, gate
from metrics.base import NotMeasurable
from metrics.selftest import CASES
from pages.components.fields import told
from pages.components.forms import complaints
from pages.components.references import remember_job
from pages.components.words import count, plain
from workspace.services.releases import Risky
from workspace.services.runs import EXTERNAL
from workspace.workspace import Run, Workspace

PAIRS = [10, 20, 50, 100]
MOST_CELLS = 200_000
"""Cells shown at once: pandas colours no more than 262,144."""
PASSED, FAILED = ":green-badge[:material/check:]", ":orange-badge[:material/close:]"
RATIO = "Distance ratio"
DIFFERS = "background-color: rgba(213, 94, 0, 0.22)"


def release_tab(workspace: Workspace, run: Run) -> None:
    """What the owner needs to decide whether the table may be released."""
    with st.container(border=True):
        thresholds(workspace, run)
    with st.container(border=True):
        riskiest(workspace, run)
    with st.container(border=True):
        self_test(workspace, run)


def gate_line(checked: Gate) -> tuple[str, str]:
    """What the gate says in a sentence, and its icon."""
    failed = sum(not reason.passed for reason in checked.reasons)
    if checked.passed:
        return _met(len(checked.reasons)), ":material/verified_user:"
    return f"Misses {failed} of {count(len(checked.reasons), 'threshold')}", ":material/gpp_maybe:"


def _met(number: int) -> str:
    return f"Meets all {count(number, 'threshold')}" if number else "No thresholds are set"


def gate_reasons(checked: Gate) -> None:
    """The result of each threshold, those that failed first."""
    for reason in checked.reasons:
        st.markdown(f"{PASSED if reason.passed else FAILED} {plain(reason.text)}")


# Thresholds -------------------------------------------------------------------------------------------------------


def thresholds(workspace: Workspace, run: Run) -> None:
    """The release gate: the owner's thresholds, edited in place and stored with the dataset."""
    st.markdown("##### Thresholds")
    kept = workspace.thresholds.of(run.dataset_id)
    version = st.session_state.setdefault("thresholds_version", 0)
    edited = st.data_editor(
        pd.DataFrame([threshold.model_dump() for threshold in kept], columns=list(Threshold.model_fields)),
        key=f"thresholds_{run.dataset_id}_{version}",
        height="content",
        num_rows="dynamic",
        hide_index=True,
        column_config={
            "metric": st.column_config.SelectboxColumn(
                "Metric",
                options=list(METRICS),
                format_func=lambda name: METRICS[name].card.title,
                required=True,
                width="medium",
            ),
            "worse_by": _number("Worse than benchmark by at most", "worse_by"),
            "at_least": _number("At least", "at_least"),
            "at_most": _number("At most", "at_most"),
            "required": st.column_config.CheckboxColumn("Required", default=True),
        },
        alt="Thresholds, one a row",
    )
    asked = _read(edited)
    if asked is None:
        return
    checked = gate(run.scores, asked)
    line, icon = gate_line(checked)
    with st.expander(line, icon=icon):
        gate_reasons(checked)
    changed = asked != kept
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Save thresholds", type="primary", icon=":material/save:", disabled=not changed):
            _keep(workspace, run, asked)
        if st.button("Reset to recommended", icon=":material/restart_alt:"):
            _keep(workspace, run, None)
        st.caption(
            "Changed: not saved yet."
            if changed
            else "Applies to all synthetic tables of this dataset and their reports."
        )


def _number(title: str, field: str) -> Any:
    about = Threshold.model_fields[field].description
    return st.column_config.NumberColumn(title, help=about, format="%.3f", step=0.001)


def _read(edited: pd.DataFrame) -> list[Threshold] | None:
    """The thresholds as edited; None, with the reasons shown, while they do not make sense."""
    try:
        return [
            Threshold(**{name: None if pd.isna(value) else value for name, value in row.items()})
            for row in edited.to_dict("records")
            if not pd.isna(row["metric"])
        ]
    except ValidationError as error:
        for sentence in complaints(error, Threshold):
            st.error(plain(sentence), icon=":material/edit:")
        return None


def _keep(workspace: Workspace, run: Run, asked: list[Threshold] | None) -> None:
    workspace.thresholds.set(run.dataset_id, asked)
    st.session_state.thresholds_version += 1
    st.rerun()


# Riskiest rows ----------------------------------------------------------------------------------------------------


@st.cache_resource(max_entries=20, show_spinner="Looking for the nearest real rows …")
def risky(_workspace: Workspace, run_id: str) -> Risky | str:
    """The riskiest rows of a run, or why they cannot be told; never changed by those who share them."""
    try:
        return _workspace.releases.riskiest_rows(run_id, PAIRS[-1])
    except NotMeasurable as reason:
        return str(reason)


def riskiest(workspace: Workspace, run: Run) -> None:
    """Synthetic rows closest to a single real row, above it; a new run can remove or resample them."""
    st.markdown("##### Riskiest rows")
    found = risky(workspace, run.id)
    if isinstance(found, str):
        st.caption(found)
        return
    st.caption(
        "Synthetic rows close to one training row and far from all held-out rows, each above that training row. "
        "**Only for people who may see the real rows.** Cells that differ are highlighted."
        + (f" Found among {found.looked_at:,} of the rows, drawn at random." if found.looked_at < run.rows else "")
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        shown = st.selectbox("Pairs", PAIRS, 0, key="pairs", width=120)
    pairs = pairs_of(found, shown)
    chosen = st.dataframe(
        pairs.style.apply(_differing, axis=None).format(precision=6, thousands=None, na_rep=""),
        hide_index=True,
        height="content" if shown <= PAIRS[0] else 740,
        on_select="rerun",
        selection_mode="multi-row",
        key=f"risky_{run.id}_{shown}",
        column_config={
            "Row": st.column_config.TextColumn(pinned=True),
            RATIO: st.column_config.TextColumn(
                help="Distance to the training row, divided by the distance to the nearest held-out row: 1 = no closer than "
                "unseen rows.",
            ),
        },
        alt="Each risky row above the real row it is nearest to",
    ).selection.rows
    places = sorted({row // 2 for row in chosen}) or list(range(len(pairs) // 2))
    rows = found.found["synthetic_row"].iloc[places].tolist()
    what = count(len(rows), "selected row") if chosen else f"all {count(len(rows), 'row')}"
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(f"Remove {what}", icon=":material/content_cut:", disabled=len(rows) >= run.rows):
            with told("The job cannot start"):
                remember_job(workspace.releases.replace_rows(run.id, rows, "drop").id)
        if run.model != EXTERNAL and st.button(f"Resample {what}", icon=":material/casino:"):
            with told("The job cannot start"):
                remember_job(workspace.releases.replace_rows(run.id, rows, "draw").id)
        st.caption(
            "Makes a new synthetic table and evaluates it; this one stays unchanged. Select rows to choose only some."
        )


def pairs_of(found: Risky, most: int) -> pd.DataFrame:
    """Each synthetic row above its nearest real row; at most so many pairs."""
    pairs = []
    most = min(most, max(1, MOST_CELLS // (2 * len(found.real.columns))))
    for place, ratio in enumerate(found.found["ratio"].head(most)):
        for side, rows in (("synthetic", found.synthetic), ("real", found.real)):
            told = {"Row": f"#{place + 1} {side}", RATIO: f"{ratio:.4f}" if side == "synthetic" else ""}
            pairs.append(told | rows.iloc[place].to_dict())
    return pd.DataFrame(pairs)


def _differing(pairs: pd.DataFrame) -> pd.DataFrame:
    """A colour for every cell of a synthetic row that is not as in the real row below it."""
    marks = pd.DataFrame("", index=pairs.index, columns=pairs.columns)
    for name in pairs.columns[2:]:
        synthetic, real = pairs[name].iloc[0::2], pairs[name].iloc[1::2]
        for place, one, other in zip(synthetic.index, synthetic, real, strict=True):
            if not (one == other if pd.notna(one) and pd.notna(other) else pd.isna(one) and pd.isna(other)):
                marks.loc[place, name] = DIFFERS
    return marks


# Self-test --------------------------------------------------------------------------------------------------------


def self_test(workspace: Workspace, run: Run) -> None:
    """The self-test: the evaluation of four tables whose verdict is known."""
    st.markdown("##### Check the evaluation itself")
    st.caption("The self-test evaluates four tables made of the real rows, whose verdict is known.")
    checks = {check.case: check for check in workspace.releases.checks(run.id)}
    for case in CASES:
        check = checks.get(case.title)
        mark = ":gray-badge[:material/help:]" if check is None else PASSED if check.passed else FAILED
        found = " ".join(check.wrong) if check and not check.passed else "it does" if check else "not run yet"
        st.markdown(f"{mark} **{case.title}** {case.expected}: {plain(found)}")
    if checks and not all(check.passed for check in checks.values()):
        st.caption("With few rows a check can fail by chance; trust those metrics less on this dataset.")
    if st.button("Run self-test again" if checks else "Run self-test", icon=":material/rule:"):
        with told("The job cannot start"):
            remember_job(workspace.releases.self_test(run.id).id)

"""Before a table leaves the house: what it must meet, the rows nearest to real ones, and whether the judge is right."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st
from pydantic import ValidationError

from metrics import METRICS, Gate, Threshold, gate
from metrics.base import NotMeasurable
from metrics.selftest import CASES
from pages.components.forms import complaints
from pages.components.frame import remember_job
from pages.components.words import count, plain
from workspace.services.releases import Risky
from workspace.services.runs import EXTERNAL
from workspace.workspace import Run, Workspace

PAIRS = [10, 20, 50, 100]
MOST_CELLS = 200_000
"""Cells shown at once: pandas colours no more than 262,144."""
PASSED, FAILED = ":green-badge[:material/check:]", ":orange-badge[:material/close:]"
RATIO = "Nearer than strangers"
DIFFERS = "background-color: rgba(213, 94, 0, 0.22)"


def release_tab(workspace: Workspace, run: Run) -> None:
    """All that the owner needs to decide whether the table may leave the house."""
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
        return f"It meets {_all_of(len(checked.reasons))}", ":material/verified_user:"
    return f"It misses {failed} of {count(len(checked.reasons), 'threshold')}", ":material/gpp_maybe:"


def _all_of(number: int) -> str:
    return f"all {count(number, 'threshold')}" if number else "the thresholds: there is none"


def gate_reasons(checked: Gate) -> None:
    """How each threshold fared, those that failed first."""
    for reason in checked.reasons:
        st.markdown(f"{PASSED if reason.passed else FAILED} {plain(reason.text)}")


# Thresholds -------------------------------------------------------------------------------------------------------


def thresholds(workspace: Workspace, run: Run) -> None:
    """The release gate: what the owner demands, edited in place and kept with the table."""
    st.markdown("##### What it must meet")
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
                "Measure",
                options=list(METRICS),
                format_func=lambda name: METRICS[name].card.title,
                required=True,
                width="medium",
            ),
            "worse_by": _number("Worse than real by at most", "worse_by"),
            "at_least": _number("At least", "at_least"),
            "at_most": _number("At most", "at_most"),
            "required": st.column_config.CheckboxColumn("Must be measured", default=True),
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
        if st.button("Those of a careful owner", icon=":material/restart_alt:"):
            _keep(workspace, run, None)
        st.caption(
            "Changed: not saved yet." if changed else "They hold for every synthetic table of this one, reports too."
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
        for sentence in complaints(error):
            st.error(sentence, icon=":material/edit:")
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
    """Synthetic rows that cling to one real row, beside it; dropped or drawn again in a run of its own."""
    st.markdown("##### Its riskiest rows")
    found = risky(workspace, run.id)
    if isinstance(found, str):
        st.caption(found)
        return
    st.caption(
        "Synthetic rows that lie near to one training row and far from all real rows the generator never saw, each "
        "above that real row. **For you alone, who may see the real rows.** Colour marks the cells that differ."
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
                help="Distance to the training row, as a share of that to the nearest real row never seen: 1 is no risk.",
            ),
        },
        alt="Each risky row above the real row it is nearest to",
    ).selection.rows
    places = sorted({row // 2 for row in chosen}) or list(range(len(pairs) // 2))
    rows = found.found["synthetic_row"].iloc[places].tolist()
    what = count(len(rows), "selected row") if chosen else f"all {count(len(rows), 'row')}"
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(f"Drop {what}", icon=":material/content_cut:", disabled=len(rows) >= run.rows):
            remember_job(workspace.releases.replace_rows(run.id, rows, "drop").id)
        if run.model != EXTERNAL and st.button(f"Draw {what} again", icon=":material/casino:"):
            remember_job(workspace.releases.replace_rows(run.id, rows, "draw").id)
        st.caption("Makes a table of its own and scores it; this one stays as it is. Select rows to choose some only.")


def pairs_of(found: Risky, most: int) -> pd.DataFrame:
    """Each synthetic row above the real row it is nearest to; at most so many pairs."""
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
    """Four tables whose verdict is known, and what the judge says of them."""
    st.markdown("##### Is the judge right about this table?")
    st.caption("It is shown four tables made of the real rows, whose verdict is known.")
    checks = {check.case: check for check in workspace.releases.checks(run.id)}
    for case in CASES:
        check = checks.get(case.title)
        mark = ":gray-badge[:material/help:]" if check is None else PASSED if check.passed else FAILED
        found = " ".join(check.wrong) if check and not check.passed else "it does" if check else "not tested yet"
        st.markdown(f"{mark} **{case.title}** {case.expected}: {plain(found)}")
    if checks and not all(check.passed for check in checks.values()):
        st.caption("On few rows a check can fail because no judge could tell; trust such measures less here.")
    if st.button("Test again" if checks else "Test the judge", icon=":material/rule:"):
        remember_job(workspace.releases.self_test(run.id).id)

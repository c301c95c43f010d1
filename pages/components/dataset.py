"""One dataset on the Data page: its columns, the checks, its rows, the held-out rows."""

from __future__ import annotations

import math
from typing import get_args

import pandas as pd
import streamlit as st

from metrics.charts import REAL
from pages.components.deletion import ask_to_delete
from pages.components.drafts import VERSION, draft_of, keep_draft
from pages.components.fields import MOST_SEED, number_field, submit, told
from pages.components.upload_route import forget_upload, upload_path
from pages.components.words import ago, count, percent, plain, size
from synth.columns.rare import Protection
from synth.errors import Invalid
from synth.schema import Column
from synth.schema.kinds import Kind, Role
from synth.schema.profile import ColumnProfile
from workspace.workspace import Dataset, Workspace

ROLES: dict[Role, str] = {
    "feature": "learned by the generator",
    "target": "learned, and the column that models predict to evaluate utility (one column)",
    "id": "not learned; replaced by new ids of the same pattern, each used once",
    "pii": "not learned; replaced by made-up names, addresses, ...",
    "drop": "left out of the synthetic table",
}


def header(dataset: Dataset) -> None:
    """The dataset in two lines: how large it is, and how it was read."""
    parts = [_bold(dataset.rows, "row"), _bold(dataset.columns, "column")]
    if dataset.holdout_kind == "share":
        parts.append(f"**{dataset.holdout_rows:,}** of the rows held out for evaluation")
    elif dataset.holdout_kind == "file":
        parts.append(f"**{dataset.holdout_rows:,}** held-out rows, from a separate file")
    else:
        parts.append(":orange[no held-out rows: privacy cannot be evaluated]")
    if dataset.rejected_rows:
        parts.append(f":orange[**{dataset.rejected_rows:,}** of {dataset.lines:,} lines left out]")
    parts += [size(dataset.size_bytes), f"added {ago(dataset.created)}"]
    st.markdown("  ·  ".join(parts))
    st.caption(plain(dataset.summary))


def _bold(number: int, thing: str) -> str:
    figure, word = count(number, thing).split(" ", 1)
    return f"**{figure}** {word}"


def columns(workspace: Workspace, dataset: Dataset) -> None:
    """What each column holds, with its kind and role to correct."""
    profiles = {profile.name: profile for profile in _profiles(workspace, dataset.id, dataset.schema.model_dump_json())}
    source, begun = f"schema_source_{dataset.id}", st.session_state.setdefault(VERSION, 0)
    if st.session_state.setdefault(source, dataset.schema) != dataset.schema:
        # Changed since the grid was drawn: it begins anew, with what was not saved.
        st.session_state[source], st.session_state[VERSION] = dataset.schema, begun + 1
    key = f"schema_{dataset.id}_{st.session_state[VERSION]}"
    # The grid keeps its edits against the table it was given first: that stays the same until the grid is drawn anew,
    # which then begins with what was not saved.
    if key not in st.session_state or f"{key}_base" not in st.session_state:
        st.session_state[f"{key}_base"] = draft_of(dataset).on(dataset.schema)
    shown = st.session_state[f"{key}_base"]
    rare = {one.column: one for one in workspace.datasets.protections(dataset.id)}
    table = pd.DataFrame(
        [_line(column, profiles[column.name], dataset.rows, rare.get(column.name)) for column in shown]
    )
    edited = st.data_editor(
        table,
        key=key,
        hide_index=True,
        height="content" if len(table) <= 30 else 1100,
        disabled=[name for name in table if name not in ("kind", "role")],
        column_config={
            "name": st.column_config.TextColumn("Column", pinned=True, width="medium"),
            "kind": st.column_config.SelectboxColumn(
                "Kind", options=list(get_args(Kind)), required=True, help="What the values are. Click to correct."
            ),
            "role": st.column_config.SelectboxColumn(
                "Role",
                options=list(ROLES),
                required=True,
                help="\n".join(f"- **{role}**: {meaning}" for role, meaning in ROLES.items()),
            ),
            "missing": st.column_config.ProgressColumn("Missing", min_value=0, max_value=100, format="%.1f %%"),
            "distinct": st.column_config.NumberColumn("Distinct", format="localized"),
            "range": st.column_config.TextColumn("Range", width="medium"),
            "top": st.column_config.TextColumn("Most frequent", width="large"),
            "rare": st.column_config.TextColumn(
                "Rare values",
                width="medium",
                help="Values that too few training rows hold, and what becomes of them. The Checks tab says why.",
            ),
            "shape": st.column_config.BarChartColumn("Distribution", y_min=0, width="small", color=REAL),
        },
        alt="The columns of the dataset: kind, role, missing values, range, most frequent values",
    )
    keep_draft(dataset, {row["name"]: (row["kind"], row["role"]) for row in edited.to_dict("records")})
    _closer(list(profiles.values()), dataset.rows)


@st.cache_data(max_entries=64, show_spinner="Profiling the columns …")
def _profiles(_workspace: Workspace, dataset_id: str, schema: str) -> list[ColumnProfile]:
    return _workspace.datasets.profiles(dataset_id)


def _line(column: Column, profile: ColumnProfile, rows: int, rare: Protection | None) -> dict[str, object]:
    return {
        "name": column.name,
        "kind": column.kind,
        "role": column.role,
        "missing": 100 * profile.missing / max(rows, 1),
        "distinct": profile.distinct,
        "range": _range(profile),
        "top": _top(profile, rows),
        "rare": _rare(rare),
        "shape": _counts(profile),
    }


def _rare(found: Protection | None) -> str:
    """What becomes of a column's rare values, in a few words."""
    if found is None or not found.rare_levels:
        return ""
    few = f"{found.rare_levels:,} of {found.levels:,} in fewer than {found.below} rows"
    return f"{few}: {found.outcome}, {percent(found.rare_rows / found.rows)} of rows"


def _range(profile: ColumnProfile) -> str:
    if profile.minimum is not None:
        low, high = _figure(profile.minimum), _figure(profile.maximum)
        # Of moments on different days the days say enough.
        return f"{low} – {high}" if low[:10] == high[:10] or profile.kind != "datetime" else f"{low[:10]} – {high[:10]}"
    if profile.kind == "text" and profile.shortest is not None:
        low, high = profile.shortest, profile.longest
        return f"{low} – {high} characters" if low != high else count(low, "character")
    return ""


def _top(profile: ColumnProfile, rows: int) -> str:
    if not profile.top:
        return "all missing"
    if profile.top[0].rows < max(2, rows / 1000):
        some = ", ".join(_short(top.value) for top in profile.top[:3])
        return f"{'' if profile.top[0].rows == 1 else 'almost '}unique: {some}"
    return ", ".join(f"{_short(top.value)} ({percent(top.rows / max(rows, 1))})" for top in profile.top[:4])


def _counts(profile: ColumnProfile) -> list[int]:
    if not profile.histogram and profile.top and profile.top[0].rows == 1:
        return []
    return profile.histogram.counts if profile.histogram else [top.rows for top in profile.top]


def _figure(value: float | str) -> str:
    if isinstance(value, str):
        return value.removesuffix("T00:00:00").replace("T", " ")
    return f"{value:,.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:,.6g}"


def _short(text: str, most: int = 24) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _closer(profiles: list[ColumnProfile], rows: int) -> None:
    """One column, larger."""
    with st.container(border=True):
        telling = next((n for n, p in enumerate(profiles) if p.top and p.top[0].rows > 1), 0)
        picked = st.selectbox(
            "Column in detail", profiles, telling, format_func=lambda profile: profile.name, key="closer", width=320
        )
        left, right = st.columns([3, 2])
        with left:
            _distribution(picked)
        with right:
            top = pd.DataFrame([top.model_dump() for top in picked.top], columns=["value", "rows"])
            top["share"] = 100 * top["rows"] / max(rows, 1)
            st.dataframe(
                top,
                hide_index=True,
                height=220,
                column_config={
                    "share": st.column_config.ProgressColumn("share", min_value=0, max_value=100, format="%.1f %%")
                },
                alt=f"Most frequent values of {picked.name}",
            )


def _distribution(profile: ColumnProfile) -> None:
    if not profile.distinct:
        st.caption("Nothing to draw: the column is empty.")
        return
    rows = {"field": "rows", "type": "quantitative", "title": "rows"}
    if profile.histogram:
        edges = profile.histogram.edges
        bars = pd.DataFrame({"from": edges[:-1], "to": edges[1:], "rows": profile.histogram.counts})
        kind = "temporal" if profile.kind == "datetime" else "quantitative"
        x = {"x": {"field": "from", "type": kind, "title": None}, "x2": {"field": "to"}}
    else:
        bars = pd.DataFrame(
            {"value": [_short(top.value) for top in profile.top], "rows": [t.rows for t in profile.top]}
        )
        x = {"x": {"field": "value", "type": "nominal", "title": None, "sort": None}}
    spec = {"mark": {"type": "bar", "color": REAL, "tooltip": True}, "encoding": x | {"y": rows, "y2": {"datum": 0}}}
    st.vega_lite_chart(bars, spec, height=220, alt=f"Distribution of {profile.name}")


def checks(workspace: Workspace, dataset: Dataset) -> None:
    """Problems a generator would have with the columns, each with its fix."""
    findings = workspace.datasets.preflight(dataset.id)
    if not findings:
        st.success("No problems found.", icon=":material/check_circle:")
        return
    for place, finding in enumerate(findings):
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{plain(finding.column)}**  \n{plain(finding.text)}", width="stretch")
            if finding.fix and st.button(finding.fix_label, key=f"fix_{place}", icon=":material/auto_fix_high:"):
                with st.spinner("Correcting …"):
                    workspace.datasets.apply_fix(dataset.id, finding)
                st.rerun()


def rows(workspace: Workspace, dataset: Dataset) -> None:
    """A page through the rows, read from disk page by page."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
        page_size = st.segmented_control("Rows a page", [25, 100, 500], default=25, required=True, key="page_size")
        page = st.pagination(max(1, math.ceil(dataset.rows / page_size)), key=f"page_{dataset.id}_{page_size}")
    start = (page - 1) * page_size
    table = workspace.datasets.rows(dataset.id, start, page_size)
    table.index = range(start + 1, start + len(table) + 1)
    st.dataframe(table, height=620, alt="Rows of the dataset")
    st.caption(f"Rows {start + 1:,} to {start + len(table):,} of {dataset.rows:,}")


def held_out(workspace: Workspace, dataset: Dataset) -> None:
    """How many rows are held out, and how to change that."""
    st.markdown(
        "Held-out rows are never shown to a generator. Metrics compare synthetic rows with them: a synthetic row that lies "
        "closer to a training row than any held-out row may reveal a real person. Existing results keep the held-out rows "
        "they were evaluated with; new jobs use the new ones.",
        width=860,
    )
    left, right = st.columns(2)
    with left, st.container(border=True, height="stretch"):
        st.markdown("**A share of this dataset**")
        now = round(100 * dataset.holdout_rows / max(dataset.rows, 1)) if dataset.holdout_kind == "share" else 0
        share = st.slider("Held out", 0, 50, now, format="%d %%", key=f"share_{dataset.id}_{now}")
        problems: list[str] = []
        seed = number_field(
            "Seed",
            dataset.split.seed,
            problems,
            low=0,
            high=MOST_SEED,
            key=f"holdout_seed_{dataset.id}_{dataset.split.seed}",
            help="The same seed draws the same rows.",
        )
        st.caption(f"{round(dataset.rows * share / 100):,} of {dataset.rows:,} rows")
        if not problems and share == now and seed == dataset.split.seed:
            problems.append("These are the rows that are held out now.")
        if submit("Hold out these rows", problems, icon=":material/lock:") and seed is not None:
            with told("Not changed"), st.spinner("Drawing …"):
                workspace.datasets.set_holdout(dataset.id, share / 100, seed=seed)
                st.rerun()
    with right, st.container(border=True, height="stretch"):
        st.markdown("**A separate file**")
        file = st.file_uploader(
            "Real rows with the same columns that are not in the dataset",
            # A new key empties it.
            key=f"holdout_{dataset.id}_{st.session_state.setdefault('holdout_round', 0)}",
            max_upload_size=workspace.settings.max_upload_mb,
        )
        if file and st.button("Use as held-out rows", icon=":material/lock:", type="primary"):
            try:
                with st.spinner("Reading …"):
                    workspace.datasets.set_holdout_file(dataset.id, upload_path(workspace, file), file.name)
            except Invalid as error:
                st.error(plain(error), title="This file cannot be used", icon=":material/block:")
            else:
                forget_upload(workspace, file)
                st.session_state.holdout_round += 1
                st.rerun()


def rejected(workspace: Workspace, dataset: Dataset) -> None:
    """The lines of the file that could not be read as rows."""
    st.markdown(
        f"{dataset.rejected_rows:,} of the {dataset.lines:,} lines of the file could not be read as rows. Correct them in "
        "the file and add it again, or continue without them.",
        width=860,
    )
    if len(dataset.rejected) < dataset.rejected_rows:
        st.caption(f"The first {len(dataset.rejected):,} of them:")
    st.dataframe(
        pd.DataFrame([line.model_dump() for line in dataset.rejected]),
        hide_index=True,
        column_config={
            "line": st.column_config.NumberColumn("Line in the file", width="small"),
            "reason": st.column_config.TextColumn("Reason", width="large"),
        },
        alt="Lines that were left out",
    )


def danger(workspace: Workspace, dataset: Dataset) -> None:
    """Rename or delete the dataset."""
    match st.menu_button("More", ["Rename", "Delete"], icon=":material/more_horiz:"):
        case "Rename":
            _rename(workspace, dataset)
        case "Delete":
            ask_to_delete(
                workspace,
                dataset,
                dataset.name,
                workspace.datasets.delete,
                f"Its {count(dataset.rows, 'row')} go, held-out rows included.",
            )


@st.dialog("Rename the dataset")
def _rename(workspace: Workspace, dataset: Dataset) -> None:
    with st.form("rename", border=False):
        name = st.text_input("Name", dataset.name, max_chars=200, required=True)
        if st.form_submit_button("Rename", type="primary"):
            with told("Not renamed"):
                workspace.datasets.rename(dataset.id, name)
                st.rerun()

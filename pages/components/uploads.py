"""Adding datasets: files from the browser, previewed before they are added, or the samples."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.typing import UploadedFile

from pages.components.api_calls import api_expander, upload_call
from pages.components.forms import params_form
from pages.components.upload_route import forget_upload, upload_path
from pages.components.words import count, plain
from workspace.ingest.ingest import Preview, ReadError, ReadOptions
from workspace.workspace import Dataset, Workspace

TYPES = ["csv", "tsv", "txt", "gz", "json", "jsonl", "ndjson", "parquet", "xlsx", "xls", "xlsb", "ods"]
PREVIEW_ROWS = 12
WORDS = {
    "encoding": {
        "Automatic": None,
        "UTF-8": "utf-8",
        "UTF-16": "utf-16",
        "Western (CP1252)": "cp1252",
        "Western (Latin-1)": "latin-1",
        "Central European (CP1250)": "cp1250",
        "Cyrillic (CP1251)": "cp1251",
        "Japanese (Shift-JIS)": "shift_jis",
        "Chinese (GB18030)": "gb18030",
    },
    "delimiter": {
        "Automatic": None,
        "Comma ,": ",",
        "Semicolon ;": ";",
        "Tab": "\t",
        "Pipe |": "|",
        "Colon :": ":",
        "Space": " ",
        "None: one column": "",
    },
    "quote": {"Automatic": None, 'Double "': '"', "Single '": "'", "Backtick `": "`", "None": ""},
    "escape": {"Automatic": None, "The quote is doubled": "", "Backslash \\": "\\"},
    "decimal": {"Automatic": None, "Point: 1.5": ".", "Comma: 1,5": ","},
}
"""What a person may choose when a file was misread, in words; `ReadOptions` takes more."""


def upload(workspace: Workspace) -> bool:
    """Upload files, see how each was understood, correct that, and add them; whether there are any."""
    # A new key empties the uploader once its files are added.
    files = st.file_uploader(
        "Drop files here: CSV, TSV, JSON, Parquet or Excel, gzipped or not; several at once",
        type=TYPES,
        accept_multiple_files=True,
        key=f"files_{st.session_state.setdefault('upload_round', 0)}",
        max_upload_size=workspace.settings.max_upload_mb,
    )
    readable = {}
    for file in files:
        with st.container(border=True):
            options = _previewed(workspace, file)
        if options is not None:
            readable[file.file_id] = (file, options)
    if not readable:
        return bool(files)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        share = st.slider(
            "Hold out for evaluation",
            0,
            50,
            round(100 * workspace.settings.holdout_share),
            5,
            format="%d %%",
            width=300,
            help="Rows drawn at random that no generator sees. Quality and privacy are evaluated against them; without "
            "held-out rows, privacy cannot be evaluated.",
        )
        label = "Add this dataset" if len(readable) == 1 else f"Add these {len(readable)} datasets"
        add = st.button(label, type="primary", icon=":material/add:")
    api_expander(workspace, [upload_call(file.name, options, share / 100) for file, options in readable.values()])
    if add:
        _add(workspace, list(readable.values()), share / 100)
    return True


def _previewed(workspace: Workspace, file: UploadedFile) -> ReadOptions | None:
    """Show how `file` was understood; its options as corrected, or None when it cannot be read."""
    st.markdown(f"**{plain(file.name)}**")
    key = f"options_{file.file_id}"
    slot = st.container()
    with st.expander("Import options", icon=":material/tune:"):
        st.caption("Options left on Automatic are detected from the file.")
        sheets = {"sheet": {"Automatic": None, **{sheet: sheet for sheet in _sheets(workspace, file)}}}
        options = params_form(ReadOptions, key=key, columns=4, choices=WORDS | sheets)
    if options is None:
        return None
    with slot:
        try:
            with st.spinner("Reading the first rows …"):
                preview = _preview(workspace, str(upload_path(workspace, file)), file.name, options.model_dump_json())
        except ReadError as error:
            st.error(plain(error), title="This file cannot be read as a table", icon=":material/block:")
            return None
        _show(preview)
    return options


def _sheets(workspace: Workspace, file: UploadedFile) -> list[str]:
    """Of an Excel file, what one can choose from."""
    try:
        return _preview(workspace, str(upload_path(workspace, file)), file.name, "{}").sheets
    except ReadError:
        return []


def _show(preview: Preview) -> None:
    st.caption(plain(". ".join([preview.summary, *preview.notes])))
    rows = pd.DataFrame(preview.rows[:PREVIEW_ROWS], columns=preview.columns, dtype="string")
    st.dataframe(rows, height="content", hide_index=True, alt="The first rows of the file, as text")
    if preview.rejected:
        st.warning(
            f"{count(len(preview.rejected), 'line')} near the beginning will be left out: "
            + "; ".join(f"line {line.line:,}: {plain(line.reason)}" for line in preview.rejected[:3])
            + (" …" if len(preview.rejected) > 3 else "."),
            icon=":material/rule:",
        )


@st.cache_data(max_entries=32, show_spinner=False)
def _preview(_workspace: Workspace, path: str, name: str, options: str) -> Preview:
    return _workspace.datasets.preview(Path(path), name, ReadOptions.model_validate_json(options))


def _add(workspace: Workspace, files: list[tuple[UploadedFile, ReadOptions]], share: float) -> None:
    """Add the files, and show the last."""
    options = {file.file_id: {"options": read, "holdout_share": share} for file, read in files}
    added, st.session_state.refused = add_files(workspace, [file for file, _ in files], options)
    if added:
        st.session_state.upload_round += 1
        opened(added[-1])
    st.rerun()


def add_files(
    workspace: Workspace, files: list[UploadedFile], options: Mapping[str, dict[str, Any]] | None = None
) -> tuple[list[Dataset], dict[str, str]]:
    """Add files one by one, with `options` by the file's id; the datasets, and why others were refused."""
    added: list[Dataset] = []
    refused = {}
    with st.status(f"Adding {count(len(files), 'dataset')} …", expanded=True):
        for file in files:
            try:
                path = upload_path(workspace, file)
                added.append(workspace.datasets.add(path, file.name, **(options or {}).get(file.file_id, {})))
            except ReadError as error:
                refused[file.name] = str(error)
            else:
                forget_upload(workspace, file)
                st.markdown(f":material/check: {plain(file.name)}: {count(added[-1].rows, 'row')}")
    return added, refused


def refusals() -> None:
    """Which files were not added, and why, until that is dismissed."""
    refused = st.session_state.get("refused")
    if not refused:
        return
    for name, reason in refused.items():
        st.error(plain(reason), title=f"{plain(name)} was not added", icon=":material/block:")
    st.button("Dismiss", type="tertiary", on_click=refused.clear)


def samples(workspace: Workspace) -> None:
    """The datasets that come with Understudy, each with its source."""
    st.markdown("#### Or start from a sample")
    with st.grid(4, min_column_width=230):
        for sample in workspace.datasets.samples():
            with st.container(border=True, height="stretch", gap="xsmall"):
                st.markdown(f"**{plain(sample.title)}**")
                st.caption(f"{plain(sample.source)} · {plain(sample.licence)}")
                st.space("stretch")
                if st.button("Add", key=f"sample_{sample.name}", icon=":material/add:"):
                    with st.spinner("Adding …"):
                        dataset = workspace.datasets.add_sample(sample.name)
                    opened(dataset)


def opened(dataset: Dataset) -> None:
    """Show `dataset` on the Data page."""
    st.query_params.clear()
    st.query_params["dataset"] = dataset.id
    st.rerun()

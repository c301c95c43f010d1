"""What the address and the session refer to: a dataset, a synthetic table, a job. What is not there is never replaced.

A reference that leads nowhere is refused in words, and the page then has nothing chosen: whoever opened a stale link,
or whose dataset was deleted in another tab, must not work on another one without noticing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.components.words import plain
from workspace.workspace import Dataset, NotFound, Workspace

SEEN = "seen_names"
"""In the session: what was shown to this visitor, by id, so that its name can be told once it is gone."""


def distinct(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels by id, those that several share told apart by the beginning of the id.

    A browser sends the label that was chosen: of two equal ones Streamlit takes the last, whichever was meant.
    """
    shared = Counter(labels.values())
    return {id: f"{label}  ·  {id[:6]}" if shared[label] > 1 else label for id, label in labels.items()}


def seen(names: Mapping[str, str]) -> None:
    """Remember the names of what this visitor is shown."""
    st.session_state.setdefault(SEEN, {}).update(names)


def refusal(id: str, what: str, instead: str) -> str:
    """What is said of a reference that leads nowhere: "This dataset was deleted: penguins.csv. Choose another."""
    name = st.session_state.get(SEEN, {}).get(id)
    if name:
        return f"This {what} was deleted: {plain(name)}. {instead}"
    return f"There is no such {what} here. It may have been deleted, or the link is from another workspace. {instead}"


def remembered(
    name: str,
    labels: Mapping[str, str],
    draw: Callable[..., Any],
    notices: DeltaGenerator,
    *,
    what: str,
    within: str = "",
    clears: Sequence[str] = (),
    refuse: Callable[[str], str] | None = None,
) -> str | None:
    """The id that the address (`?name=`), or else this session, refers to; without a reference the newest.

    `labels` are those that there are, newest first. One that is not among them is refused in `notices`: None, with
    nothing chosen, and the address stays as it is. `draw` draws the picker. Another choice clears the parameters
    `clears` from the address, which belong to the one before; `within` is what the session's memory is limited to.
    """
    key, kept = f"{name}_choice", f"{name}_kept{within}"
    asked = st.query_params[name] if name in st.query_params else st.session_state.get(kept)
    if asked is None:
        asked = next(iter(labels), None)
    if asked is None:
        return None
    there = asked in labels
    seen(labels)
    if not there:
        instead = "Choose another." if labels else ""
        say = refuse(asked) if refuse else refusal(asked, what, instead)
        notices.error(say, icon=":material/link_off:", title=f"Unknown {what}")
    if not labels:
        return None
    st.session_state[key] = asked if there else None

    def chosen() -> None:
        if st.session_state[key] is not None:
            st.query_params[name] = st.session_state[kept] = st.session_state[key]
            for other in clears:
                st.query_params.pop(other, None)

    options = distinct(labels)
    draw(
        list(options),
        # Without a place to begin at, the picker can be emptied.
        index=0 if there else None,
        format_func=lambda id: options.get(id, id),
        key=key,
        on_change=chosen,
        placeholder=f"Choose a {what}",
    )
    if not there:
        return None
    st.session_state[kept] = st.query_params[name] = asked
    return asked


def forget(name: str) -> None:
    """Forget a reference, in the address and in the session."""
    st.query_params.pop(name, None)
    for kept in [key for key in st.session_state if str(key).startswith(f"{name}_kept")]:
        del st.session_state[kept]


def asked_job(workspace: Workspace, notices: DeltaGenerator) -> str | None:
    """The job that the address names (`?job=`); one that is not there is refused in words, and the address stays."""
    job_id = st.query_params.get("job")
    if job_id is None:
        return None
    try:
        return workspace.jobs.get(job_id).id
    except NotFound:
        notices.error(
            "There is no such job here. It may have been deleted, alone or with its dataset.",
            icon=":material/link_off:",
            title="Unknown job",
        )
        return None


def remember_job(job_id: str) -> None:
    """Name a job that was just queued in the address, and rerun the page to show it."""
    st.query_params["job"] = job_id
    st.rerun()


def dataset_labels(datasets: Iterable[Dataset]) -> dict[str, str]:
    """Datasets as a picker shows them: name and size, by id."""
    return {dataset.id: f"{dataset.name}  ·  {dataset.rows:,} × {dataset.columns}" for dataset in datasets}


def dataset_picker(workspace: Workspace, notices: DeltaGenerator) -> Dataset | None:
    """The dataset the page is about; None while there is none, or while the one referred to is not there."""
    datasets = {dataset.id: dataset for dataset in workspace.datasets.find()}

    def draw(options: list[str], **more: Any) -> None:
        st.selectbox("Dataset", options, width=270, **more)

    picked = remembered(
        "dataset", dataset_labels(datasets.values()), draw, notices, what="dataset", clears=("run", "job")
    )
    return datasets[picked] if picked else None


def lost(key: str, options: Iterable[Any]) -> list[Any]:
    """What was chosen in the widget of this key and is no longer offered, until the visitor lets it go.

    To be asked before the widget is drawn: Streamlit drops such a choice, or puts the first option in its place.
    """
    offered, chosen = list(options), st.session_state.get(key)
    missing = [one for one in (chosen if isinstance(chosen, list) else [chosen]) if one not in (None, *offered)]
    if missing:
        st.session_state[f"{key}_lost"] = missing
    return st.session_state.get(f"{key}_lost", [])


def tell_lost(key: str, missing: Sequence[Any], what: str) -> str:
    """Say that a choice is gone, with a button that goes on without it; the sentence, which disables what starts work."""
    names = st.session_state.get(SEEN, {})
    told = ", ".join(plain(names.get(one, one)) for one in missing)
    sentence = f"What was chosen is no longer there ({what}: {told}). Choose again."
    st.error(sentence, icon=":material/link_off:")
    st.button(
        "Continue with what is chosen now",
        key=f"{key}_let_go",
        on_click=lambda: st.session_state.pop(f"{key}_lost", None),
        type="tertiary",
    )
    return sentence

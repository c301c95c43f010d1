"""The API calls that do what a page does, for a program to repeat: with curl, or with the Python client."""

from __future__ import annotations

import json
import pprint
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from textwrap import indent
from typing import Any
from urllib.parse import urlsplit

import streamlit as st

from synth import GENERATORS
from synth.conversations.order import ConversationRequest
from workspace.ingest.ingest import ReadOptions
from workspace.workspace import Dataset, Job, NotFound, Run, Workspace

KEY = "$UNDERSTUDY_API_KEY"
MODEL_KEY = "$OPENAI_API_KEY"
"""Placeholders for secrets; no page ever shows one."""
WIDTH = 96
"""Of a line of code."""


@dataclass(frozen=True)
class Call:
    """One call: what it does, what is sent, and the line of Python that has the client send it."""

    about: str
    method: str
    path: str
    python: str
    body: Mapping[str, Any] | None = None
    form: Mapping[str, str] = field(default_factory=dict)
    """The parts of an upload; a value that begins with @ is a file's name."""
    save_as: str = ""


def api_expander(workspace: Workspace, calls: Iterable[Call]) -> None:
    """Show the calls as a program makes them, at this server's address."""
    calls = list(calls)
    if not calls:
        return
    address = _address()
    with st.expander("API", icon=":material/code:"):
        st.caption(
            f"The same from a program; [all calls]({address}/api/docs). The client is `api/client.py`, one file to copy."
            + (
                f" Put your key in the environment variable `{KEY.removeprefix('$')}`."
                if workspace.access.guarded
                else ""
            )
        )
        shell, python = st.tabs(["curl", "Python"])
        shell.code(
            "\n\n".join(curl(call, address, workspace.access.guarded) for call in calls), "bash", wrap_lines=True
        )
        python.code(program(calls, address), "python", wrap_lines=True)


def _address() -> str:
    """Where the visitor's browser found this server."""
    found = urlsplit(st.context.url or "")
    if found.netloc:
        return f"{found.scheme}://{found.netloc}"
    return f"http://{st.get_option('server.address') or '127.0.0.1'}:{st.get_option('server.port')}"


def curl(call: Call, address: str, guarded: bool) -> str:
    """The call as a line of shell under its comment."""
    words = ["curl"]
    if guarded:
        words.append(f'-H "X-API-Key: {KEY}"')
    if call.method not in ("GET", "POST"):
        words.append(f"-X {call.method}")
    words += [f"-F {shlex.quote(f'{name}={value}')}" for name, value in call.form.items()]
    if call.body is not None:
        # The quotes end before the variable and begin again after it, so that the shell fills it in.
        text = shlex.quote(json.dumps(call.body, indent=2, ensure_ascii=False))
        text = text.replace(f'"{MODEL_KEY}"', f"""\"'"{MODEL_KEY}"'\"""")
        words += ["-H 'Content-Type: application/json'", f"-d {text}"]
    elif call.method == "POST" and not call.form:
        words.append("-X POST")
    if call.save_as:
        words.append(f"-o {shlex.quote(call.save_as)}")
    words.append(shlex.quote(f"{address}/api{call.path}"))
    return f"# {call.about}\n" + " ".join(words)


def program(calls: Iterable[Call], address: str) -> str:
    """The calls as a program."""
    lines = "\n".join(f"# {call.about}\n{call.python}" for call in calls)
    indented = "\n".join(f"    {line}" if line else "" for line in lines.splitlines())
    needed = ["import os", ""] if "os.environ" in lines else []
    start = [*needed, "from api.client import Understudy", "", f"with Understudy({address!r}) as understudy:"]
    return "\n".join(start) + "\n" + indented


class Secret:
    """A variable of the environment, in Python."""

    def __init__(self, variable: str):
        self.name = variable.removeprefix("$")

    def __repr__(self) -> str:
        return f'os.environ["{self.name}"]'


def _python(name: str, *given: Any, **named: Any) -> str:
    """A call of the client: on one line where it fits, else an argument a line."""
    words = [_written(value) for value in given] + [f"{key}={_written(value)}" for key, value in named.items()]
    line = f"understudy.{name}({', '.join(words)})"
    if len(line) <= WIDTH and "\n" not in line:
        return line
    arguments = indent(",\n".join(words), "    ")
    return f"understudy.{name}(\n{arguments},\n)"


def _written(value: Any) -> str:
    return pprint.pformat(value, width=WIDTH - 8, sort_dicts=False)


def _given(**values: Any) -> dict[str, Any]:
    """Those that say something."""
    return {name: value for name, value in values.items() if value is not None and value != {}}


# Tables ------------------------------------------------------------------------------------------------------------


def upload_call(name: str, options: ReadOptions, holdout_share: float) -> Call:
    read = options.model_dump(mode="json", exclude_defaults=True)
    form = {"files": f"@{name}", "holdout_share": f"{holdout_share:g}"}
    if read:
        form["options"] = json.dumps(read, ensure_ascii=False)
    call = _python("upload", name, holdout_share=holdout_share, **read)
    return Call("Upload the dataset", "POST", "/upload", f"table = {call}", form=form)


def table_calls(dataset: Dataset, corrected: list[dict[str, Any]]) -> list[Call]:
    """What the dataset holds, and the correction of columns that was saved last."""
    path = f"/datasets/{dataset.id}"
    found = Call("What each column holds", "GET", f"{path}/profile", _python("call", "GET", f"{path}/profile"))
    if not corrected:
        return [found]
    body = {"columns": corrected}
    patch = _python("call", "PATCH", f"{path}/schema", body)
    return [found, Call("Correct columns", "PATCH", f"{path}/schema", patch, body)]


# Work --------------------------------------------------------------------------------------------------------------


def training_call(dataset_id: str, model: str, params: Mapping[str, Any], **more: Any) -> Call:
    """Train, or, where `more` names trials, search for better settings first."""
    rest = _given(params=_chosen(model, params), **more)
    about, path, name = (
        ("Search for better settings, and train with them", "/optimize", "optimize")
        if "trials" in more
        else ("Train a generator, generate rows and evaluate them", "/train", "train")
    )
    body = {"dataset_id": dataset_id, "model": model, **rest}
    python = f"job = {_python(name, dataset_id, model=model, **rest)}\ndone = understudy.wait(job)"
    return Call(about, "POST", path, python, body)


def _chosen(model: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that differ from the generator's defaults."""
    defaults = GENERATORS[model].Params().model_dump(mode="json") if model in GENERATORS else {}
    return {name: value for name, value in params.items() if name not in defaults or defaults[name] != value}


def generating_call(run_id: str, rows: int, seed: int, **more: Any) -> Call:
    rest = _given(rows=rows, seed=seed, **more)
    python = f"job = {_python('generate', run_id, **rest)}\ndone = understudy.wait(job)"
    return Call("Generate more rows from the same model", "POST", "/generate", python, {"run_id": run_id, **rest})


def evaluating_call(run_id: str, metrics: list[str] | None = None) -> Call:
    rest = _given(metrics=metrics)
    python = f"understudy.wait({_python('evaluate', run_id, **rest)})"
    return Call("Evaluate again", "POST", "/evaluate", python, {"run_id": run_id, **rest})


def conversing_call(order: ConversationRequest, dataset_id: str | None, needs_key: bool) -> Call:
    asked = order.model_dump(mode="json", exclude_defaults=True)
    # Required, though a server or a brief may be one of defaults alone.
    asked = {"brief": {}, "server": {}, **asked}
    body = _given(dataset_id=dataset_id, order=asked, api_key=MODEL_KEY if needs_key else None)
    python = _python("converse", asked, **_given(table=dataset_id, api_key=Secret(MODEL_KEY) if needs_key else None))
    return Call("Write the conversations", "POST", "/converse", f"job = {python}\ndone = understudy.wait(job)", body)


def repeating_call(workspace: Workspace, job: Job) -> Call | None:
    """The call that does a job's work once more; None for work that no call starts."""
    asked = job.arguments
    match job.kind:
        case "train":
            names = ("rows", "seed", "conditions", "metrics")
        case "tune":
            names = ("search", "trials", "budget_s", "objective", "rows", "seed", "metrics")
        case "sample" if asked.get("parent"):
            names = ("conditions", "metrics")
            more = {name: asked.get(name) for name in names}
            return generating_call(asked["parent"], asked["rows"], asked["seed"], **more)
        case "evaluate" if job.run_id:
            return evaluating_call(job.run_id, asked.get("metrics"))
        case "converse":
            order = workspace.conversations.get(asked["talk"]).order
            return conversing_call(order, job.dataset_id, needs_model_key(workspace, order))
        case _:
            return None
    return training_call(job.dataset_id, asked["model"], asked["params"], **{name: asked.get(name) for name in names})


def needs_model_key(workspace: Workspace, order: ConversationRequest) -> bool:
    """Whether the language model's key must come with the call, since the settings hold none."""
    return not order.local and not workspace.settings.llm_api_key.get_secret_value()


def job_calls(workspace: Workspace, job: Job) -> list[Call]:
    """See a job, cancel it, and do its work once more."""
    path = f"/jobs/{job.id}"
    calls = [Call("Its state and progress", "GET", path, f"print({_python('job', job.id)})")]
    if not job.ended:
        calls.append(Call("Cancel it", "DELETE", path, _python("cancel", job.id)))
    again = repeating_call(workspace, job)
    return [*calls, again] if again else calls


def run_calls(workspace: Workspace, run: Run, stem: str) -> list[Call]:
    """Download a synthetic table, see its scores, generate more rows, evaluate again; and how it was made."""
    name = f"{stem}-synthetic-{run.model}.csv"
    calls = [
        Call(
            "Download the rows (also as parquet, jsonl, xlsx)",
            "GET",
            f"/download/{run.id}?format=csv",
            _python("download", run.id, name, format="csv"),
            save_as=name,
        ),
        Call("See its scores", "GET", f"/runs/{run.id}", f"print({_python('run', run.id)}.scores)"),
        generating_call(run.id, run.rows, run.seed + 1),
        evaluating_call(run.id),
    ]
    made_by = _maker(workspace, run)
    if made_by is not None and made_by.kind in ("train", "tune"):
        calls.append(repeating_call(workspace, made_by))
    return calls


def _maker(workspace: Workspace, run: Run) -> Job | None:
    """The job that made a run, unless it was deleted."""
    try:
        return workspace.jobs.get(run.job_id) if run.job_id else None
    except NotFound:
        return None

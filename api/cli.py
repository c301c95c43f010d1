"""The command line over the client: `understudy train adult.csv --model trees --rows 1000 -o synthetic.csv`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from api.client import URL, Bar, Dataset, Job, Run, Understudy, UnderstudyError
from workspace.tables.formats import FORMATS
from workspace.version import VERSION

Do = Callable[[Understudy, argparse.Namespace], Any]


def main(words: Sequence[str] | None = None) -> int:
    """Run one command: 0, or 1 when it failed, with the reason in words on standard error."""
    arguments = parser().parse_args(words)
    bar = Bar()
    with Understudy(arguments.url, arguments.key, show=bar) as understudy:
        try:
            found = arguments.do(understudy, arguments)
        except (UnderstudyError, TimeoutError) as error:
            bar.close()
            print(error, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            bar.close()
            print(
                "Stopped waiting; what was started goes on. See it with `jobs`, end it with `cancel`.", file=sys.stderr
            )
            return 130
    bar.close()
    for one in found if isinstance(found, list) else [found]:
        print(line(one, arguments.json))
    return 0


# What the commands do ----------------------------------------------------------------------------------------------


def upload(understudy: Understudy, arguments: argparse.Namespace) -> list[Dataset]:
    return [understudy.upload(file, arguments.holdout_share) for file in arguments.files]


def train(understudy: Understudy, arguments: argparse.Namespace) -> Any:
    return made(
        understudy, understudy.train(table(understudy, arguments), arguments.model, **work(arguments)), arguments
    )


def optimize(understudy: Understudy, arguments: argparse.Namespace) -> Any:
    return made(
        understudy, understudy.optimize(table(understudy, arguments), arguments.model, **work(arguments)), arguments
    )


def generate(understudy: Understudy, arguments: argparse.Namespace) -> Any:
    return made(understudy, understudy.generate(arguments.run, **work(arguments)), arguments)


def evaluate(understudy: Understudy, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    job = understudy.wait(understudy.evaluate(arguments.run, arguments.metrics))
    scores = understudy.run(job).scores
    # `measure` is the earlier name of `metric`, until version 0.4.0.
    return [
        {"metric": name, "measure": name, "value": one["value"], "reference": one["reference"]}
        for name, one in scores.items()
    ]


def converse(understudy: Understudy, arguments: argparse.Namespace) -> Any:
    brief = {
        "kind": arguments.kind,
        "business": arguments.business,
        "dialogues": arguments.dialogues,
        "seed": arguments.seed,
    }
    server = {"base_url": arguments.llm_url, "model": arguments.llm_model}
    order = {"brief": brief, "server": {name: value for name, value in server.items() if value}}
    job = understudy.converse(order, table(understudy, arguments) if arguments.table else None, arguments.llm_key)
    return made(understudy, job, arguments)


def submit(understudy: Understudy, arguments: argparse.Namespace) -> Any:
    on = table(understudy, arguments) if arguments.table else None
    job = understudy.submit(arguments.kind, dict(arguments.param or ()), on, arguments.run)
    return made(understudy, job, arguments)


def jobs(understudy: Understudy, arguments: argparse.Namespace) -> list[Job]:
    return [understudy.job(arguments.job)] if arguments.job else understudy.jobs(arguments.status, arguments.limit)


def download(understudy: Understudy, arguments: argparse.Namespace) -> Path:
    target = arguments.output or "."
    return understudy.download(arguments.run, target, arguments.format or format_of(target))


def cleanup(understudy: Understudy, arguments: argparse.Namespace) -> list[str]:
    for session in arguments.sessions:
        understudy.cleanup(session)
    return [f"{session}  deleted" for session in arguments.sessions]


def made(understudy: Understudy, job: Job, arguments: argparse.Namespace) -> Any:
    """The result of a job: the file that was asked for, or its run; the job itself with --no-wait."""
    if arguments.no_wait:
        return job
    done = understudy.wait(job)
    if arguments.output:
        return understudy.download(done, arguments.output, arguments.format or format_of(arguments.output))
    return understudy.run(done) if done.run_id else done


def table(understudy: Understudy, arguments: argparse.Namespace) -> Dataset | str:
    """The table's id; a file is uploaded first."""
    return understudy.upload(arguments.table) if Path(arguments.table).is_file() else arguments.table


def format_of(file: str) -> str | None:
    """As the file's name ends; None where that says nothing, so that the server chooses."""
    ending = Path(file).suffix.lstrip(".").lower()
    return ending if ending in FORMATS else None


def work(arguments: argparse.Namespace) -> dict[str, Any]:
    """What was given on the command line for a training, a search or a generation."""
    names = ("rows", "seed", "epochs", "batch_size", "trials", "budget_s", "objective", "conditions", "metrics")
    given = {name: getattr(arguments, name, None) for name in names}
    given["params"] = dict(getattr(arguments, "param", None) or ()) or None
    return {name: value for name, value in given.items() if value is not None}


# What is read and printed ------------------------------------------------------------------------------------------


def line(found: Any, as_json: bool) -> str:
    """What a command found in one line: as JSON, or in words with the id first."""
    if as_json:
        return json.dumps(asdict(found) if is_dataclass(found) else found, default=str, ensure_ascii=False)
    match found:
        case Dataset():
            return f"{found.id}  {found.name}  {found.rows:,} rows, {found.columns:,} columns"
        case Job():
            made = f"run {found.run_id}" if found.run_id else ""
            return (
                f"{found.id}  {found.kind:<8}  {found.state:<11}  {found.progress:4.0%}  {made}{found.error}".rstrip()
            )
        case Run():
            return f"{found.id}  {found.model}  {found.rows:,} rows  {len(found.scores)} scores"
        case {"metric": name, "value": value, "reference": reference}:
            return f"{name:<28}  {figure(value):>8}  real rows {figure(reference):>8}"
        case {"name": name, "title": title, "offered": offered}:
            return f"{name:<16}  {title}{'' if offered else ' (has a call of its own)'}"
        case {"name": name, "title": title, "available": available}:
            return f"{name:<16}  {title}{'' if available else ' (not installed)'}"
        case {"name": name, "question": question}:
            return f"{name:<28}  {question}"
        case dict():
            return "\n".join(f"{name}: {value}" for name, value in found.items())
    return str(found)


def figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def named_value(text: str) -> tuple[str, Any]:
    """`epochs=300`: a name and its value, which is JSON where it can be and text where not."""
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} has no '='. Write NAME=VALUE.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def json_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not JSON: {error}.") from error


def names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="understudy", description="Understudy from the command line.")
    top.add_argument("--version", action="version", version=f"understudy {VERSION}")
    top.add_argument("--url", help=f"where the server is; UNDERSTUDY_URL, or {URL}")
    top.add_argument("--key", help="API key; better in UNDERSTUDY_API_KEY, which no list of processes shows")
    top.add_argument("--json", action="store_true", help="print JSON, a line each")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, do: Do, help: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=help, description=help)
        made.set_defaults(do=do)
        return made

    one = command("upload", upload, "upload tables; prints their ids")
    one.add_argument("files", nargs="+", metavar="FILE")
    one.add_argument("--holdout-share", type=float, help="share of the rows to hold out for evaluation")

    for name, do, help in (
        ("train", train, "train a generator on a table, generate rows, evaluate them"),
        ("optimize", optimize, "search for the best parameters, and train with them"),
    ):
        one = command(name, do, help)
        one.add_argument("table", metavar="TABLE", help="a file, or the id of an uploaded table")
        one.add_argument("--model", default="trees", help="a generator's name (see `models`); trees")
        one.add_argument("--epochs", type=int)
        one.add_argument("--batch-size", type=int)
        one.add_argument("--param", action="append", type=named_value, metavar="NAME=VALUE", help="any other parameter")
        _generation_options(one, rows_needed=False)
    one.add_argument("--trials", type=int, default=20)
    one.add_argument("--budget-s", type=float, help="seconds after which no trial is started")
    one.add_argument("--objective", help="fidelity, utility, privacy, or a metric's name")

    one = command("generate", generate, "generate rows with a trained model")
    one.add_argument("run", metavar="RUN", help="a run, or the job that made it")
    _generation_options(one, rows_needed=True)

    one = command("evaluate", evaluate, "evaluate a run again, or with other metrics; prints its scores")
    one.add_argument("run", metavar="RUN")
    one.add_argument("--metrics", type=names, help="comma-separated names (see `metrics`); all")

    one = command("converse", converse, "write conversations, from a table of real ones or from a description")
    one.add_argument("table", nargs="?", metavar="TABLE", help="a file, or the id of an uploaded table")
    one.add_argument("--business", default="", help="the business in words")
    one.add_argument("--kind", default="support", help="support, sales, or your own kind")
    one.add_argument("--dialogues", type=int, default=20)
    one.add_argument("--seed", type=int, default=0)
    one.add_argument("--llm-url", help="an OpenAI-compatible server; OpenAI itself")
    one.add_argument("--llm-model", help="the model's name there")
    one.add_argument("--llm-key", help="its key; that of the settings of Understudy's server")
    one.add_argument("--no-wait", action="store_true", help="print the job at once")
    _output_options(one)

    one = command("jobs", jobs, "list jobs, or show one")
    one.add_argument("job", nargs="?", metavar="JOB")
    one.add_argument("--status", help="queued, running, done, failed, cancelled or interrupted")
    one.add_argument("--limit", type=int, default=20)

    one = command("submit", submit, "start a job of a kind that a plugin adds (see `kinds`)")
    one.add_argument("kind", metavar="KIND")
    one.add_argument("--table", metavar="TABLE", help="a file, or the id of an uploaded table")
    one.add_argument("--run", metavar="RUN", help="the run it works on")
    one.add_argument("--param", action="append", type=named_value, metavar="NAME=VALUE", help="an argument of the job")
    one.add_argument("--no-wait", action="store_true", help="print the job at once")
    _output_options(one)

    one = command("wait", lambda understudy, arguments: understudy.wait(arguments.job), "wait until a job has ended")
    one.add_argument("job", metavar="JOB")
    one = command("cancel", lambda understudy, arguments: understudy.cancel(arguments.job), "cancel a job")
    one.add_argument("job", metavar="JOB")
    command("datasets", lambda understudy, arguments: understudy.datasets(), "list uploaded tables")
    command("runs", lambda understudy, arguments: understudy.runs(), "list synthetic tables")
    command("kinds", lambda understudy, arguments: understudy.call("GET", "/jobs/kinds"), "list the kinds of job")
    command("models", lambda understudy, arguments: understudy.call("GET", "/models"), "list the generators")
    command("metrics", lambda understudy, arguments: understudy.call("GET", "/metrics"), "list the metrics")
    command("health", lambda understudy, arguments: understudy.call("GET", "/health"), "whether the server is healthy")

    one = command("download", download, "write a synthetic table, or conversations, to a file")
    one.add_argument("run", metavar="ID", help="a run, the job that made it, or a conversation set")
    _output_options(one)

    one = command("cleanup", cleanup, "delete uploads with all that was made of them")
    one.add_argument("sessions", nargs="+", metavar="ID", help="of the upload's session")
    return top


def _generation_options(one: argparse.ArgumentParser, rows_needed: bool) -> None:
    one.add_argument("--rows", type=int, required=rows_needed, help="rows to generate")
    one.add_argument("--seed", type=int, help="the same seed gives the same rows")
    one.add_argument("--conditions", type=json_text, help="what the rows must meet, as JSON")
    one.add_argument("--metrics", type=names, help="comma-separated names (see `metrics`); all")
    one.add_argument("--no-wait", action="store_true", help="print the job at once")
    _output_options(one)


def _output_options(one: argparse.ArgumentParser) -> None:
    one.add_argument("-o", "--output", metavar="FILE", help="write the result there")
    one.add_argument("--format", choices=FORMATS, help="by the file's ending")

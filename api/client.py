"""Understudy from a program. One file that needs httpx alone: copy it to where you need it.

    from client import Understudy

    with Understudy("http://127.0.0.1:8501") as understudy:
        table = understudy.upload("adult.csv")
        job = understudy.train(table, model="trees", rows=1000)
        understudy.download(understudy.wait(job), "synthetic.csv")

`AsyncUnderstudy` has the same calls to await. The command line over it is `understudy` (api/cli.py).
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import re
import sys
import time
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from io import FileIO
from pathlib import Path
from runpy import run_module
from typing import Any, Concatenate, Generic, ParamSpec, Self, TextIO, TypeVar
from urllib.parse import unquote
from uuid import uuid4

import httpx

URL = "http://127.0.0.1:8501"
SLOW_S = 3600
"""Seconds a large table may take to be read, or written in the format chosen, before the first byte comes back."""
T = TypeVar("T")
P = ParamSpec("P")
Http = TypeVar("Http", httpx.Client, httpx.AsyncClient)
Show = Callable[[str, float], None]
"""Is told what is under way, and the share of it that is done."""


class UnderstudyError(Exception):
    """What went wrong, in words; `status` and `field` as the server said it, None when it said nothing."""

    def __init__(self, words: str, status: int | None = None, field: str | None = None):
        super().__init__(words)
        self.status, self.field = status, field


class JobFailed(UnderstudyError):
    """A job that was waited for failed, was cancelled or was interrupted."""

    def __init__(self, job: Job):
        super().__init__(f"Job {job.id} ({job.kind}) is {job.state}. {job.error}".strip())
        self.job = job


@dataclass(frozen=True)
class Answer:
    """What the server answered; fields that this client does not know are left out."""

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        return cls(**{one.name: found[one.name] for one in fields(cls) if one.name in found})


@dataclass(frozen=True)
class Dataset(Answer):
    """An uploaded table."""

    id: str
    name: str
    rows: int = 0
    columns: int = 0
    holdout_rows: int = 0
    rejected_rows: int = 0
    summary: str = ""
    session: str | None = None


@dataclass(frozen=True)
class Job(Answer):
    """A job."""

    id: str
    kind: str
    state: str
    progress: float = 0.0
    stage: str = ""
    note: str = ""
    error: str = ""
    seconds_left: float | None = None
    dataset_id: str | None = None
    run_id: str | None = None
    set_id: str | None = None

    @property
    def talk_id(self) -> str | None:
        """Deprecated: read `set_id`."""
        return self.set_id

    @property
    def ended(self) -> bool:
        return self.state not in ("queued", "running")


@dataclass(frozen=True)
class Run(Answer):
    """A synthetic table, the model that generated it, and its scores."""

    id: str
    dataset_id: str
    model: str
    rows: int
    job_id: str | None = None
    seed: int = 0
    params: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """A request to be sent."""

    method: str
    path: str
    params: Mapping[str, Any] | None = None
    json: Any = None
    data: Mapping[str, str] | None = None
    file: Path | None = None
    into: Part | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    patience_s: float = 60

    @property
    def repeatable(self) -> bool:
        """Whether to send it twice does what to send it once does."""
        return self.method != "POST" or "Idempotency-Key" in self.headers


@dataclass(frozen=True)
class Pause:
    """A pause, in seconds."""

    seconds: float


Steps = Generator[Request | Pause, Any, T]
"""A call as the requests and naps it is made of, so that it is written once for both clients."""


class Part:
    """A file under way. It lies where it shall be, named by the server's ETag, and goes on where it was cut."""

    def __init__(self, target: Path, name: str, show: Callable[[float], None]):
        self.named = not target.is_dir()
        self.folder, self.name = (target.parent, target.name) if self.named else (target, name)
        self.stem, self.show = self.name, show
        self.file = next(self.folder.glob(f"{self.stem}.*.part"), None)
        self.grew = False

    @property
    def headers(self) -> dict[str, str]:
        """Request for what is missing, or for all of it if the file has changed since."""
        # Compressed on the way, a range would be one of other bytes.
        plainly = {"Accept-Encoding": "identity"}
        if self.file is None:
            return plainly
        etag = self.file.name.removeprefix(f"{self.stem}.").removesuffix(".part")
        return {**plainly, "Range": f"bytes={self.file.stat().st_size}-", "If-Range": f'"{etag}"'}

    def take(self, response: httpx.Response) -> Generator[None, bytes, None]:
        """Write the pieces of an answer as they are sent in."""
        if self.file is None or response.status_code != 206:
            self.drop()
            etag = re.sub(r"[^\w-]", "", response.headers.get("ETag", "")) or "none"
            self.file = self.folder / f"{self.stem}.{etag}.part"
        if not self.named:
            self.name = _name_in(response) or self.name
        with self.file.open("ab") as file:
            total = file.tell() + int(response.headers.get("Content-Length", 0))
            while True:
                file.write((yield))
                self.grew = True
                self.show(file.tell() / max(total, 1))

    def drop(self) -> None:
        if self.file is not None:
            self.file.unlink(missing_ok=True)
            self.file = None

    def finish(self) -> Path:
        if self.file is None:
            raise UnderstudyError("The server sent no file. Ask again.")
        return self.file.replace(self.folder / self.name)


class Calls:
    """Every call as its steps."""

    def __init__(self, url: str, show: Show, patience_s: float):
        self.url, self.show, self.patience_s = url, show, patience_s
        self.answered = False

    def call(self, method: str, path: str, json: Any = None, **params: Any) -> Steps[Any]:
        """Any call of the API: its answer as JSON holds it, None if there is none."""
        headers = {"Idempotency-Key": uuid4().hex} if method == "POST" else {}
        response = yield from self.answer_to(Request(method, path, json=json, params=params, headers=headers))
        return response.json() if response.content else None

    def upload(self, file: str | Path, holdout_share: float | None = None, **options: Any) -> Steps[Dataset]:
        """Upload a table: CSV, JSON, Parquet or Excel. `options` say how to read it where that is not detected."""
        file = Path(file)
        if not file.is_file():
            raise UnderstudyError(f"There is no file {str(file)!r}. Check the path.")
        data = {"options": json.dumps(options)} if options else {}
        if holdout_share is not None:
            data["holdout_share"] = str(holdout_share)
        request = Request("POST", "/upload", file=file, data=data, patience_s=SLOW_S)
        answer = (yield from self.answer_to(request)).json()
        return Dataset.of({"session": answer.get("session"), **answer["datasets"][0]})

    def datasets(self) -> Steps[list[Dataset]]:
        """The uploaded tables, newest first."""
        return [Dataset.of(found) for found in (yield from self.call("GET", "/datasets"))]

    def train(
        self, table: Dataset | str, model: str = "trees", rows: int | None = None, seed: int = 0, **more: Any
    ) -> Steps[Job]:
        """Train a generator on a table, generate rows, evaluate them. `more`: params, epochs, conditions, metrics, ..."""
        return (yield from self.start("/train", dataset_id=_id(table), model=model, rows=rows, seed=seed, **more))

    def generate(self, trained: Run | Job | str, rows: int, seed: int = 0, **more: Any) -> Steps[Job]:
        """Generate rows with a trained model, named by its run or by the job that trained it."""
        run = yield from self.run(trained)
        return (yield from self.start("/generate", run_id=run.id, rows=rows, seed=seed, **more))

    def evaluate(self, run: Run | Job | str, metrics: Sequence[str] | None = None) -> Steps[Job]:
        """Evaluate a run again, or with other metrics."""
        run = yield from self.run(run)
        return (yield from self.start("/evaluate", run_id=run.id, metrics=metrics))

    def optimize(self, table: Dataset | str, model: str = "trees", trials: int = 20, **more: Any) -> Steps[Job]:
        """Search for the parameters that score best, and train a run with them."""
        return (yield from self.start("/optimize", dataset_id=_id(table), model=model, trials=trials, **more))

    def converse(
        self, order: Mapping[str, Any], table: Dataset | str | None = None, api_key: str | None = None
    ) -> Steps[Job]:
        """Write conversations: like those that a table holds, or from the order's brief alone."""
        return (yield from self.start("/converse", order=order, dataset_id=table and _id(table), api_key=api_key))

    def submit(
        self,
        kind: str,
        arguments: Mapping[str, Any] | None = None,
        table: Dataset | str | None = None,
        run: Run | str | None = None,
    ) -> Steps[Job]:
        """Start a job of a kind that a plugin adds; `call("GET", "/jobs/kinds")` lists the kinds and their arguments."""
        about = {"dataset_id": table and _id(table), "run_id": run and _id(run)}
        return (yield from self.start("/jobs", kind=kind, arguments=dict(arguments or {}), **about))

    def jobs(self, status: str | None = None, limit: int = 100) -> Steps[list[Job]]:
        """Jobs, newest first."""
        chosen = {"status": status} if status else {}
        return [Job.of(found) for found in (yield from self.call("GET", "/jobs", limit=limit, **chosen))]

    def job(self, job: Job | str) -> Steps[Job]:
        """One job as it is now."""
        return Job.of((yield from self.call("GET", f"/jobs/{_id(job)}")))

    def wait(self, job: Job | str, timeout_s: float = float("inf")) -> Steps[Job]:
        """Wait until a job has ended. Raises JobFailed unless it is done, TimeoutError when that takes too long."""
        begun, pause = time.monotonic(), 0.2
        while True:
            now = yield from self.job(job)
            self.show(" · ".join(filter(None, (now.kind, now.stage or now.state, now.note))), now.progress)
            if now.state == "done":
                return now
            if now.ended:
                raise JobFailed(now)
            if time.monotonic() - begun > timeout_s:
                raise TimeoutError(
                    f"Job {now.id} is {now.state} ({now.progress:.0%}) after {timeout_s:g} s; it goes on."
                )
            yield Pause(pause)
            pause = min(1.3 * pause, 2)

    def cancel(self, job: Job | str) -> Steps[Job]:
        """Cancel a job."""
        return Job.of((yield from self.call("DELETE", f"/jobs/{_id(job)}")))

    def runs(self) -> Steps[list[Run]]:
        """Synthetic tables, newest first, with their scores."""
        return [Run.of(found) for found in (yield from self.call("GET", "/runs"))]

    def run(self, run: Run | Job | str) -> Steps[Run]:
        """One run: by its id, or by the job that made it or that job's id."""
        name = run.run_id if isinstance(run, Job) else _id(run)
        try:
            return Run.of((yield from self.call("GET", f"/runs/{name}")))
        except UnderstudyError as error:
            if error.status != 404:
                raise
        job = yield from self.job(run.id if isinstance(run, Job) else _id(run))
        if job.run_id is None:
            raise UnderstudyError(f"Job {job.id} is {job.state} and has made no table yet. Wait until it is done.")
        return (yield from self.run(job))

    def download(
        self, made: Run | Job | str, target: str | Path = ".", format: str | None = None, **params: Any
    ) -> Steps[Path]:
        """Write what came of a job to `target`, a file or a folder: rows as CSV, Parquet, JSON lines or Excel.

        `made` is a run, the job that made it, or a conversation set. What was cut off goes on where it stopped, in
        this call or in the next.
        """
        name = _id(made)
        part = Part(Path(target), f"{name}.{format or 'rows'}", lambda done: self.show("download", done))
        if format is not None:
            params["format"] = format
        while True:
            try:
                yield from self.answer_to(Request("GET", f"/download/{name}", params, into=part, patience_s=SLOW_S))
            except UnderstudyError as error:
                if error.status != 416:
                    raise
                part.drop()
            else:
                return part.finish()

    def cleanup(self, session: Dataset | str) -> Steps[None]:
        """Delete every byte of an upload's session: tables, held-out rows, models, results, jobs."""
        yield from self.call("DELETE", f"/cleanup/{_id(session)}")

    def start(self, path: str, **values: Any) -> Steps[Job]:
        return Job.of((yield from self.call("POST", path, {k: v for k, v in values.items() if v is not None})))

    def answer_to(self, step: Request) -> Steps[httpx.Response]:
        """The answer to a request; a busy or lost server is called again, after the pause it names or growing ones."""
        begun, pause = time.monotonic(), 0.5
        while True:
            # Until it answers once the address may be wrong, and nobody wants to wait long to hear that.
            patience_s = self.patience_s if self.answered else min(2.0, self.patience_s)
            try:
                response = yield step
            except httpx.TransportError as error:
                if step.into is not None and step.into.grew:
                    step.into.grew, begun, pause = False, time.monotonic(), 0.5
                unsent = isinstance(error, httpx.ConnectError)
                if not (step.repeatable or unsent) or time.monotonic() - begun + pause > patience_s:
                    raise UnderstudyError(self.lost(error)) from error
                wait_s = pause
            else:
                self.answered = True
                if response.status_code not in (429, 503):
                    break
                wait_s = _retry_after(response, pause)
                if time.monotonic() - begun + wait_s > self.patience_s:
                    break
            yield Pause(wait_s)
            pause = min(2 * pause, 30)
        if response.is_error:
            raise _problem(response)
        return response

    def lost(self, error: httpx.TransportError) -> str:
        if isinstance(error, httpx.ConnectError):
            return f"No server answers at {self.url}. Start it, or say where it is: url, --url or UNDERSTUDY_URL."
        return f"The connection to {self.url} was lost ({type(error).__name__}). Try again."

    def request(self, step: Request, opened: ExitStack) -> dict[str, Any]:
        """The arguments for httpx; `opened` closes the file that is uploaded."""
        headers = step.into.headers if step.into else step.headers
        sent = {"method": step.method, "url": step.path, "params": step.params, "headers": headers, "json": step.json}
        sent["timeout"] = httpx.Timeout(30, read=step.patience_s, write=step.patience_s)
        if step.file is not None:
            file = opened.enter_context(Watched(step.file, lambda done: self.show(f"upload {step.file.name}", done)))
            sent |= {"files": [("files", (step.file.name, file))], "data": step.data}
        return sent


class Watched(FileIO):
    """A file that tells how much of it was read."""

    def __init__(self, path: Path, show: Callable[[float], None]):
        super().__init__(path)
        self.size, self.show = max(path.stat().st_size, 1), show

    def read(self, size: int | None = -1) -> bytes:
        piece = super().read(-1 if size is None else size)
        self.show(self.tell() / self.size)
        return piece


def _id(thing: Dataset | Job | Run | str) -> str:
    return thing if isinstance(thing, str) else thing.id


def _retry_after(response: httpx.Response, otherwise: float) -> float:
    """Seconds the server asks to be left alone: a number, or a date."""
    wait = response.headers.get("Retry-After", "")
    if wait.isdigit():
        return float(wait)
    try:
        return max(0.0, (parsedate_to_datetime(wait) - datetime.now(UTC)).total_seconds())
    except ValueError:
        return otherwise


def _problem(response: httpx.Response) -> UnderstudyError:
    try:
        found = response.json()
        words, about = found["detail"], found.get("field")
    except (ValueError, TypeError, KeyError):
        words, about = f"The server answered {response.status_code} {response.reason_phrase}.", None
    if response.status_code == 401:
        words += " Pass it as key, --key or UNDERSTUDY_API_KEY."
    return UnderstudyError(words, response.status_code, about)


def _name_in(response: httpx.Response) -> str | None:
    """The file's name as the server has it, without any folder."""
    found = re.search(r"filename\*?=(?:utf-8'')?\"?([^\";]+)", response.headers.get("Content-Disposition", ""), re.I)
    return Path(unquote(found[1]).replace("\\", "/")).name if found else None


def _now(plan: Callable[Concatenate[Calls, P], Steps[T]]) -> Callable[Concatenate[Understudy, P], T]:
    """The call that takes a plan's steps one after the other."""

    @functools.wraps(plan)
    def call(self: Understudy, *args: P.args, **kwargs: P.kwargs) -> T:
        steps = plan(self._calls, *args, **kwargs)
        go_on = functools.partial(next, steps)
        while True:
            try:
                step = go_on()
            except StopIteration as end:
                return end.value
            try:
                go_on = functools.partial(steps.send, self._take(step))
            except httpx.TransportError as error:
                go_on = functools.partial(steps.throw, error)

    return call


def _later(plan: Callable[Concatenate[Calls, P], Steps[T]]) -> Callable[Concatenate[AsyncUnderstudy, P], Awaitable[T]]:
    """The same to await."""

    @functools.wraps(plan)
    async def call(self: AsyncUnderstudy, *args: P.args, **kwargs: P.kwargs) -> T:
        steps = plan(self._calls, *args, **kwargs)
        go_on = functools.partial(next, steps)
        while True:
            try:
                step = go_on()
            except StopIteration as end:
                return end.value
            try:
                go_on = functools.partial(steps.send, await self._take(step))
            except httpx.TransportError as error:
                go_on = functools.partial(steps.throw, error)

    return call


class Client(Generic[Http]):
    """What both clients are: an address, a key, and how patient to be."""

    _kind: type[Http]

    def __init__(
        self, url: str | None = None, key: str | None = None, *, show: Show | None = None, patience_s: float = 300
    ):
        """`url` and `key` are those of the environment (UNDERSTUDY_URL, UNDERSTUDY_API_KEY) unless they are given.

        A server that is busy (429, 503) or lost is called again for up to `patience_s` seconds. `show` is told how far
        uploads, jobs and downloads are; `Bar()` draws that on the terminal.
        """
        url = (url or os.environ.get("UNDERSTUDY_URL") or URL).rstrip("/")
        key = key or os.environ.get("UNDERSTUDY_API_KEY")
        self._calls = Calls(url, show or (lambda what, done: None), patience_s)
        self._http = self._kind(base_url=f"{url}/api/v1", headers={"X-API-Key": key} if key else {})


class Understudy(Client[httpx.Client]):
    """The client."""

    _kind = httpx.Client
    call, upload, datasets = _now(Calls.call), _now(Calls.upload), _now(Calls.datasets)
    train, generate, evaluate = _now(Calls.train), _now(Calls.generate), _now(Calls.evaluate)
    optimize, converse, cleanup = _now(Calls.optimize), _now(Calls.converse), _now(Calls.cleanup)
    jobs, job, wait, cancel = _now(Calls.jobs), _now(Calls.job), _now(Calls.wait), _now(Calls.cancel)
    submit = _now(Calls.submit)
    runs, run, download = _now(Calls.runs), _now(Calls.run), _now(Calls.download)

    def _take(self, step: Request | Pause) -> httpx.Response | None:
        if isinstance(step, Pause):
            return time.sleep(step.seconds)
        with ExitStack() as opened:
            response = opened.enter_context(self._http.stream(**self._calls.request(step, opened)))
            if step.into is None or response.is_error:
                response.read()
                return response
            into = opened.enter_context(closing(step.into.take(response)))
            next(into)
            for piece in response.iter_raw():
                into.send(piece)
        return response

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ended: object) -> None:
        self._http.close()


class AsyncUnderstudy(Client[httpx.AsyncClient]):
    """The same calls to await."""

    _kind = httpx.AsyncClient
    call, upload, datasets = _later(Calls.call), _later(Calls.upload), _later(Calls.datasets)
    train, generate, evaluate = _later(Calls.train), _later(Calls.generate), _later(Calls.evaluate)
    optimize, converse, cleanup = _later(Calls.optimize), _later(Calls.converse), _later(Calls.cleanup)
    jobs, job, wait, cancel = _later(Calls.jobs), _later(Calls.job), _later(Calls.wait), _later(Calls.cancel)
    submit = _later(Calls.submit)
    runs, run, download = _later(Calls.runs), _later(Calls.run), _later(Calls.download)

    async def _take(self, step: Request | Pause) -> httpx.Response | None:
        if isinstance(step, Pause):
            return await asyncio.sleep(step.seconds)
        with ExitStack() as opened:
            async with self._http.stream(**self._calls.request(step, opened)) as response:
                if step.into is None or response.is_error:
                    await response.aread()
                    return response
                into = opened.enter_context(closing(step.into.take(response)))
                next(into)
                async for piece in response.aiter_raw():
                    into.send(piece)
        return response

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *ended: object) -> None:
        await self._http.aclose()


class Bar:
    """A line on the terminal that fills: what is under way, and how much of it is done."""

    def __init__(self, file: TextIO = sys.stderr, width: int = 30):
        self.file, self.width, self.what = file, width, ""

    def __call__(self, what: str, done: float) -> None:
        if not self.file.isatty():
            return
        filled = round(self.width * done)
        print(f"\r\x1b[K{'█' * filled}{'░' * (self.width - filled)} {done:4.0%} {what[:60]}", end="", file=self.file)

    def close(self) -> None:
        if self.file.isatty():
            print("\r\x1b[K", end="", file=self.file)


if __name__ == "__main__":
    # Deprecated in favour of `understudy`, or `python -m api`; it is named, not imported, so that this file needs httpx
    # alone.
    run_module("api", run_name="__main__")

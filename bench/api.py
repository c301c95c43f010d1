"""The server under load: many clients poll and download while trainings run; and its memory after random requests.

    python -m bench.api --clients 200 --trainings 2 --seconds 60
    python -m bench.api --requests 100000

The server is a process of its own, started as `make run` does, on an empty workspace; the clients share another.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import psutil

from api.client import Run, Understudy

ROOT = Path(__file__).parent.parent
TABLE = ROOT / "workspace" / "tables" / "samples" / "adult.csv.gz"
TARGET_MS = 250
DOWNLOAD_EVERY = 10
"""One of so many calls of a client is a download; the others ask for a job."""


@contextmanager
def serving() -> Iterator[tuple[str, psutil.Process]]:
    """The server's address, and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        settings = {"WORKSPACE": folder, "CALIBRATE": "false", "CALL_LIMIT": "1000000/second", "SLOTS": "2"}
        server = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={port}"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **{f"UNDERSTUDY_{k}": v for k, v in settings.items()}},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        address = f"http://127.0.0.1:{port}"
        try:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if httpx.get(f"{address}/api/health").is_success:
                        break
                time.sleep(0.2)
            yield address, psutil.Process(server.pid)
        finally:
            server.terminate()
            server.wait(30)


def _elsewhere() -> None:
    """Take as little from the server as a browser on another machine would."""
    os.setsid()
    os.nice(19)
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text("19")


def pages_answer(address: str, seconds: float) -> list[float]:
    """Seconds from opening a page in Chromium to its heading, again and again for so long; empty without Chromium."""
    chromium = shutil.which("chromium")
    if chromium is None or not seconds:
        return []
    from playwright.sync_api import sync_playwright

    took, end = [], time.monotonic() + seconds
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        while time.monotonic() < end:
            page = browser.new_page()
            begun = time.monotonic()
            page.goto(f"{address}/jobs")
            page.get_by_role("heading", name="Jobs").wait_for(timeout=60_000)
            took.append(time.monotonic() - begun)
            page.close()
            time.sleep(2)
        browser.close()
    return took


class Load:
    """Clients that call until the time is over, and how long their calls took."""

    def __init__(self, jobs: list[str], run: Run, seconds: float, pause_s: float):
        self.jobs, self.run, self.seconds, self.pause_s = jobs, run, seconds, pause_s
        self.polls: list[float] = []
        self.downloads: list[float] = []
        self.errors: Counter[str] = Counter()

    async def all(self, address: str, clients: int) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=clients)
        async with httpx.AsyncClient(base_url=f"{address}/api", timeout=60, limits=limits) as http:
            self.end = time.monotonic() + self.seconds
            await asyncio.gather(*(self._client(http, random.Random(seed)) for seed in range(clients)))

    async def _client(self, http: httpx.AsyncClient, rng: random.Random) -> None:
        await asyncio.sleep(rng.random() * self.pause_s)
        while time.monotonic() < self.end:
            if rng.randrange(DOWNLOAD_EVERY):
                await self._call(http, f"/jobs/{rng.choice(self.jobs)}", self.polls)
            else:
                await self._call(http, f"/download/{self.run.id}", self.downloads)
            await asyncio.sleep(self.pause_s * rng.uniform(0.5, 1.5))

    async def _call(self, http: httpx.AsyncClient, path: str, took: list[float]) -> None:
        begun = time.perf_counter()
        try:
            answer = await http.get(path)
        except httpx.TransportError as error:
            self.errors[type(error).__name__] += 1
            return
        took.append(1000 * (time.perf_counter() - begun))
        if not answer.is_success:
            self.errors[str(answer.status_code)] += 1


def load(address: str, server: psutil.Process, options: argparse.Namespace) -> bool:
    """Print what the load did; whether the target was met."""
    with Understudy(address) as understudy:
        table = understudy.upload(TABLE)
        run = understudy.run(understudy.wait(understudy.train(table, "bootstrap", rows=10_000, metrics=[])))
        params = {"epochs": 5000}
        jobs = [understudy.train(table, "ctgan", params=params).id for _ in range(options.trainings)]
        while any(understudy.job(job).stage != "Training" for job in jobs):
            time.sleep(1)
        under = Load(jobs or [run.job_id], run, options.seconds, options.pause)
        before = server.cpu_times()

        async def both() -> list[float]:
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _elsewhere) as browsers:
                seconds = 0 if options.no_pages else options.seconds
                pages = asyncio.get_running_loop().run_in_executor(browsers, pages_answer, address, seconds)
                return (await asyncio.gather(pages, under.all(address, options.clients)))[0]

        pages = asyncio.run(both())
        after = server.cpu_times()
        still = [understudy.job(job).state for job in jobs]
        for job in jobs:
            understudy.cancel(job)
    calls = len(under.polls) + len(under.downloads)
    cpu = after.user + after.system - before.user - before.system
    print(
        f"{options.clients} clients, {len(jobs)} trainings, {options.seconds:g} s: {calls / options.seconds:.0f} calls/s"
    )
    print(f"GET /jobs/{{id}}   {percentiles(under.polls)} ms")
    print(f"GET /download    {percentiles(under.downloads)} ms")
    print(f"errors           {dict(under.errors) or 'none'}")
    print(f"pages            {percentiles(pages)} s to the heading" if pages else "pages            no Chromium")
    print(f"trainings        {', '.join(still) or 'none'}")
    print(f"server           {1000 * cpu / calls:.1f} ms CPU a call, {server.memory_info().rss >> 20} MB")
    return not under.errors and float(np.percentile(under.polls, 99)) < TARGET_MS


def percentiles(values: list[float]) -> str:
    p50, p99 = np.percentile(values, [50, 99])
    return f"p50 {p50:6.1f}   p99 {p99:6.1f}   max {max(values):6.1f}   ({len(values)} times)"


# Memory ------------------------------------------------------------------------------------------------------------


def requests_of(rng: random.Random, known: list[str]) -> tuple[str, str, dict]:
    """A request that is right, or was once: its path, parameters, or body with something changed."""
    one = rng.choice(known)
    calls = [
        ("GET", f"/jobs/{one}", {}),
        (
            "GET",
            "/jobs",
            {"params": {"limit": rng.choice([1, 10, -1, "x", 10**9]), "status": rng.choice(["done", "?"])}},
        ),
        ("GET", f"/datasets/{one}/rows", {"params": {"offset": rng.randrange(10**6), "limit": rng.randrange(-1, 200)}}),
        ("GET", f"/runs/{one}", {}),
        ("GET", f"/download/{one}", {"headers": {"Range": f"bytes={rng.randrange(10**6)}-{rng.randrange(10**6)}"}}),
        ("GET", f"/datasets/{one}/profile", {}),
        ("DELETE", f"/jobs/{one}x", {}),
        (
            "PATCH",
            f"/datasets/{one}/schema",
            {"content": mutated(rng, {"columns": [{"name": "age", "kind": "number"}]})},
        ),
        ("POST", "/train", {"content": mutated(rng, {"dataset_id": one + "x", "model": "trees", "rows": 10})}),
        ("POST", "/generate", {"content": mutated(rng, {"run_id": one + "x", "rows": 5, "conditions": {}})}),
        ("POST", "/upload", {"files": [("files", (f"{rng.random()}.csv", rng.randbytes(rng.randrange(200))))]}),
        (
            "POST",
            "/upload",
            {"content": rng.randbytes(300), "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
        ),
        (rng.choice(["PUT", "GET", "OPTIONS"]), f"/{rng.randbytes(6).hex()}", {}),
    ]
    method, path, more = rng.choice(calls)
    if "content" in more:
        more.setdefault("headers", {"Content-Type": "application/json"})
    return method, path, more


def mutated(rng: random.Random, body: dict) -> bytes:
    """The body as JSON, often with a few of its bytes changed, cut or doubled."""
    text = bytearray(json.dumps(body).encode())
    for _ in range(rng.choice([0, 0, 1, 3])):
        at = rng.randrange(len(text))
        text[at : at + rng.randrange(3)] = rng.randbytes(rng.randrange(3))
    return bytes(text)


def memory(address: str, server: psutil.Process, options: argparse.Namespace) -> bool:
    """Print how the server's memory moves while it takes random requests; whether it stayed alive and flat."""
    with Understudy(address) as understudy:
        table = understudy.upload(TABLE)
        job = understudy.wait(understudy.train(table, "bootstrap", rows=10_000, metrics=[]))
    known, statuses, sizes = [table.id, job.id, job.run_id, "gone", "../.."], Counter(), []

    async def caller(http: httpx.AsyncClient, numbers: AsyncIterator[int]) -> None:
        async for number in numbers:
            method, path, more = requests_of(random.Random(number), known)
            try:
                statuses[(await http.request(method, path, **more)).status_code] += 1
            except httpx.TransportError as error:
                statuses[type(error).__name__] += 1
            if number % (options.requests // 10) == 0:
                sizes.append(server.memory_info().rss >> 20)
                print(f"{number:>8,} requests: {sizes[-1]} MB", flush=True)

    async def all_callers() -> None:
        numbers = aiter_of(range(1, options.requests + 1))
        async with httpx.AsyncClient(base_url=f"{address}/api", timeout=60) as http:
            await asyncio.gather(*(caller(http, numbers) for _ in range(options.callers)))

    asyncio.run(all_callers())
    print(
        "answers          " + ", ".join(f"{status}: {times:,}" for status, times in sorted(statuses.items(), key=str))
    )
    alive = httpx.get(f"{address}/api/health").is_success
    grown = sizes[-1] - sizes[len(sizes) // 2]
    print(f"server           {'alive' if alive else 'gone'}, {grown:+} MB in the second half")
    return alive and grown < 50 and not any(isinstance(status, str) or status >= 500 for status in statuses)


async def aiter_of(numbers: range) -> AsyncIterator[int]:
    for number in numbers:
        yield number


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--trainings", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--pause", type=float, default=2, help="seconds a client waits between calls, on average")
    parser.add_argument("--requests", type=int, default=0, help="measure memory over so many random requests instead")
    parser.add_argument("--no-pages", action="store_true", help="open no page in Chromium meanwhile")
    parser.add_argument("--callers", type=int, default=8)
    options = parser.parse_args()
    with serving() as (address, server):
        met = memory(address, server, options) if options.requests else load(address, server, options)
    if not met:
        sys.exit("The target was missed.")


if __name__ == "__main__":
    main()

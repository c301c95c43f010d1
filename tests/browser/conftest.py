"""A real server on a free port with a workspace of its own, and a real browser that walks through it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).parent.parent.parent
NO_BROWSER = (
    "The browser tests drive Chromium, and none is installed. On Debian: "
    "apt-get install --no-install-recommends chromium fonts-dejavu-core"
)
expect.set_options(timeout=60_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium. Without one the tests are skipped on a desk and fail where `CI` is set.

    While it is there an event loop runs, beside which tests of other modules could run none of theirs.
    """
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(NO_BROWSER)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A tab of a visitor who was never here before."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    context.set_default_timeout(60_000)
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the server's workspace."""
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="module")
def serve(folder: Path) -> Iterator[Callable[[], str]]:
    """Starts the server as `make run` does; gives its address."""
    servers = []

    def start() -> str:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        log = (folder / "server.log").open("ab")
        server = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={port}"],
            cwd=ROOT,
            env={**os.environ, "UNDERSTUDY_WORKSPACE": str(folder), "PYTHONPATH": str(ROOT)},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        servers.append(server)
        address = f"http://127.0.0.1:{port}"
        _await(address, server)
        return address

    yield start
    for server in servers:
        server.terminate()
        server.wait(timeout=20)


def _await(address: str, server: subprocess.Popen[bytes], patience_s: float = 60) -> None:
    end = time.monotonic() + patience_s
    while time.monotonic() < end and server.poll() is None:
        try:
            urlopen(f"{address}/api/health", timeout=5).close()
        except (URLError, TimeoutError, ConnectionError):
            time.sleep(0.2)
        else:
            return
    raise AssertionError(f"The server did not answer within {patience_s:g} s (exit code {server.poll()}).")

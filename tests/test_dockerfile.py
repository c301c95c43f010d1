"""The image's steps, replayed without a Docker engine: its pip lines in a fresh environment, its start command."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def instructions(keyword: str) -> list[str]:
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    return [line.split(None, 1)[1] for line in text.splitlines() if line.startswith(keyword + " ")]


def test_runs_as_an_ordinary_user_with_an_init_process_a_volume_and_a_health_check():
    assert instructions("USER") == ["understudy"]
    assert json.loads(instructions("ENTRYPOINT")[0])[0] == "tini"
    assert instructions("VOLUME") == ["/workspace"]
    text = (ROOT / "Dockerfile").read_text()
    assert "/_stcore/health" in text[text.index("HEALTHCHECK") :]


def test_only_the_container_listens_beyond_this_machine():
    assert "--server.address=0.0.0.0" in json.loads(instructions("CMD")[0])
    assert re.search(r'^address = "127\.0\.0\.1"', (ROOT / ".streamlit/config.toml").read_text(), re.M)


def test_torch_comes_first_and_the_rest_as_the_lock_holds_it():
    torch, locked, command = (step for step in instructions("RUN") if step.startswith("pip "))
    assert "torch==" in torch
    assert locked.endswith("--require-hashes --no-deps -r requirements.lock")
    assert command.endswith("--no-deps --no-build-isolation -e .")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_its_steps_give_a_server_that_answers_its_health_check(tmp_path):
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    environment = {
        **os.environ,
        "PATH": f"{tmp_path / 'venv/bin'}:{os.environ['PATH']}",
        "UNDERSTUDY_WORKSPACE": str(tmp_path / "workspace"),
        "PYTHONPATH": str(ROOT),
    }
    for step in instructions("RUN"):
        if step.startswith("pip "):
            subprocess.run(["sh", "-c", step], cwd=ROOT, env=environment, check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        part.replace("8501", str(port)).replace("0.0.0.0", "127.0.0.1") for part in json.loads(instructions("CMD")[0])
    ]
    server = subprocess.Popen(command, cwd=ROOT, env=environment)
    try:
        assert healthy(f"http://127.0.0.1:{port}/_stcore/health", within_s=120)
    finally:
        server.terminate()
        server.wait(20)


def healthy(url: str, within_s: float) -> bool:
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=4) as answer:
                return answer.status == 200
        except OSError:
            time.sleep(0.5)
    return False

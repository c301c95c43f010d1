"""The image's steps, replayed without a Docker engine: its pip lines in a fresh environment, its start command."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
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


def health_check(port: int) -> list[str]:
    """The image's health check, on another port and with this Python."""
    command = json.loads(instructions("HEALTHCHECK")[0].partition(" CMD ")[2])
    return [sys.executable, *(part.replace("8501", str(port)) for part in command[1:])]


@pytest.mark.parametrize(
    ("answers", "well"),
    [({"status": "ok", "catalog": "ok"}, True), ({"status": "ok", "catalog": "away"}, False), (None, False)],
)
def test_a31_the_health_check_asks_our_own_route_and_fails_while_the_catalog_is_away(answers, well):
    asked = []

    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200 if answers else 503)
            self.end_headers()
            self.wfile.write(json.dumps(answers).encode())

        def log_message(self, *line: object) -> None:
            """Nothing: the test's output stays its own."""

    with HTTPServer(("127.0.0.1", 0), Health) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        ended = subprocess.run(health_check(server.server_port), stderr=subprocess.DEVNULL, timeout=30)
    assert (ended.returncode == 0) is well and asked == ["/api/health"]


def test_a31_the_base_is_an_exact_version_and_can_be_given_by_its_digest():
    (base,) = instructions("ARG")
    assert re.fullmatch(r"BASE=python:3\.\d+\.\d+-slim-[a-z]+", base)
    assert instructions("FROM") == ["${BASE}"]
    assert "--build-arg BASE=" in (ROOT / "docs/settings.md").read_text()


def test_a31_who_runs_the_code_cannot_change_it():
    text = (ROOT / "Dockerfile").read_text()
    assert "--chown" not in text and not re.search(r"chown[^\n]*/app", text)
    assert text.index("chmod -R a+rX,go-w /app") > text.index("COPY . .")
    assert text.index("USER understudy") > text.index("chmod -R")


def test_a31_a_browser_draws_the_report_of_the_image():
    assert "chromium" in instructions("RUN")[0]
    assert any("--no-sandbox" in step and "/etc/chromium.d/" in step for step in instructions("RUN"))


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
        assert healthy(f"http://127.0.0.1:{port}/api/health", within_s=120)
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

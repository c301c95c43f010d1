"""Cut connections, a full disk, a killed worker: nothing half-written is listed, and the client is told."""

from __future__ import annotations

import gzip
import os
import resource
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from tests.calling import here
from tests.live import serving

LARGE = b"a,b\n" + b"".join(b"%d,%d\n" % (i, i * i) for i in range(100_000))
PACKED = gzip.compress(LARGE)


@pytest.fixture
def served(open_workspace):
    workspace = open_workspace().start()
    with serving(workspace) as address:
        yield address, workspace


def until(what, timeout_s: float = 30) -> None:
    end = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


def begin(address: str, path: str, body: bytes, said: int) -> None:
    """Send a head that announces `said` bytes, a body of fewer, and hang up."""
    found = urlsplit(address)
    with socket.create_connection((found.hostname, found.port)) as line:
        line.sendall(
            f"POST /api{path} HTTP/1.1\r\nHost: {found.netloc}\r\nContent-Type: multipart/form-data; boundary=x\r\n"
            f"Content-Length: {said}\r\n\r\n".encode()
            + body
        )
        time.sleep(0.3)


@pytest.mark.parametrize("path", ["/upload", "/train", "/process"])
def test_an_upload_that_is_cut_leaves_nothing(served, path):
    address, workspace = served
    name = b"file" if path == "/train" else b"files"
    body = b'--x\r\nContent-Disposition: form-data; name="%s"; filename="a.csv"\r\n\r\n%s' % (name, LARGE)
    begin(address, path, body, len(body) + 1000)
    until(lambda: '"status": ' in workspace.journal.file.read_text() if workspace.journal.file.is_file() else False)
    assert httpx.get(f"{address}/api/datasets").json() == httpx.get(f"{address}/api/jobs").json() == []
    assert not [*(workspace.folder / "datasets").iterdir(), *(workspace.folder / "tmp").iterdir()]
    # Whole, the same upload arrives.
    assert httpx.post(f"{address}/api/upload", files={"files": ("a.csv", LARGE)}).status_code == 201


def test_a_killed_worker_is_told_and_its_run_not_listed_until_a_retry_makes_it(served, people):
    address, workspace = served
    with httpx.Client(base_url=f"{address}/api", timeout=60) as client:
        form = {"model": "slow", "params": '{"nap_s": 0.2}', "metrics": "[]"}
        job = client.post("/train", data=form, files={"file": people.read_bytes()}).json()
        until(lambda: workspace.jobs.get(job["id"]).stage == "Training")
        os.killpg(workspace.jobs.get(job["id"]).pid, signal.SIGKILL)
        until(lambda: client.get(f"/jobs/{job['id']}").json()["state"] == "queued")
        told = client.get(f"/jobs/{job['id']}").json()
        assert "killed" in told["error"] and told["run_id"] is None
        assert client.get("/runs").json() == [] and not list((workspace.folder / "runs").iterdir())
        assert client.get(f"/download/{job['id']}").status_code == 409
        assert client.post(f"/jobs/{job['id']}/retry").status_code == 202
        assert client.post(f"/jobs/{job['id']}/retry").status_code == 409
        assert workspace.jobs.wait(job["id"], 60).state == "done" and len(client.get("/runs").json()) == 1


@contextmanager
def no_room_after(size: int) -> Iterator[None]:
    """As on a disk with no room: every file of this process, and of those that read for it, ends at so many bytes."""
    small, large = resource.getrlimit(resource.RLIMIT_FSIZE)

    def end_at(limit: int) -> None:
        for process in (psutil.Process(), *psutil.Process().children()):
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, large))

    end_at(size)
    try:
        yield
    finally:
        end_at(small)


@pytest.mark.parametrize("path, name", [("/upload", "files"), ("/train", "file")])
@pytest.mark.parametrize("sent, room", [(LARGE, 500_000), (PACKED, len(PACKED) + 1000)], ids=["coming", "reading"])
def test_a_full_disk_is_told_and_nothing_half_written_is_kept(open_workspace, path, name, sent, room):
    workspace = open_workspace()
    client = here(workspace, raise_server_exceptions=False)
    with no_room_after(room):
        answer = client.post(path, files={name: ("a.csv", sent)})
    assert answer.status_code == 503 and "disk is full" in answer.json()["detail"], answer.text
    assert client.get("/jobs").json() == client.get("/datasets").json() == []
    assert not [*(workspace.folder / "datasets").iterdir(), *(workspace.folder / "tmp").iterdir()]

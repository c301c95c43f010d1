"""What reaches the server over HTTP: slow and half-open requests, bodies nobody reads, hosts, paths, headers, uploads."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.responses import Response

from api import api, connections
from api.files import File
from tests.calling import here
from tests.live import serving
from workspace.workspace import Dataset, Workspace

ROOT = Path(__file__).parent.parent
MB = 2**20


def opened(address: str) -> socket.socket:
    line = socket.create_connection((urlsplit(address).hostname, urlsplit(address).port), timeout=30)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return line


def all_of(line: socket.socket) -> bytes:
    """What comes until the other side closes."""
    got = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := line.recv(65536):
            got += piece
    return got


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Less patience, so that the tests need not have more."""
    monkeypatch.setattr(connections, "HEADERS_S", 0.4)
    monkeypatch.setattr(connections, "PATIENCE_S", 0.4)
    monkeypatch.setattr(connections, "LINGER_S", 0.4)


@pytest.fixture
def address(workspace: Workspace, hurried: None) -> Iterator[str]:
    with serving(workspace) as address:
        yield address


HALF = {
    "nothing": b"",
    "a letter": b"G",
    "a header": b"GET /api/health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: b\r\n",
    "a header, after a whole request": b"GET /api/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n|GET /api/health HTTP/1.1\r\nHo",
    "half a body": b"POST /api/datasets HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    b"Content-Length: 1000\r\n\r\n--x\r\n",
    "half a chunk": b"POST /api/bugs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\nff\r\n{",
    "a refused body": b"PUT /api/gone HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 900000\r\n\r\nx",
}


@pytest.mark.parametrize("sent", HALF.values(), ids=HALF)
def test_a25_a_request_that_does_not_go_on_is_ended(address: str, sent: bytes):
    with opened(address) as line:
        *whole, half = sent.split(b"|")
        for request in whole:
            line.sendall(request)
            assert line.recv(65536).startswith(b"HTTP/1.1 200")
        line.sendall(half)
        begun = time.monotonic()
        answered = all_of(line)
    assert time.monotonic() - begun < 10
    if sent and b"gone" not in sent:
        assert b" 408 Request Timeout\r\n" in answered and b"connection: close" in answered.lower()


def test_a25_a_body_that_trickles_is_ended_and_one_that_flows_slowly_is_not(address: str, monkeypatch):
    monkeypatch.setattr(connections, "LEAST_RATE", 2000)
    head = b"POST /api/bugs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    body = json.dumps({"text": "x" * 9000}).encode()
    with opened(address) as line:
        line.sendall(head % len(body))
        with contextlib.suppress(OSError):
            for letter in body[:60]:
                line.sendall(bytes([letter]))
                time.sleep(0.05)
        assert all_of(line).startswith(b"HTTP/1.1 408")
    with opened(address) as line:
        line.sendall(head.replace(b"Host", b"Connection: close\r\nHost") % len(body))
        # At 9,000 bytes a second it takes three times the patience.
        for begin in range(0, len(body), 900):
            line.sendall(body[begin : begin + 900])
            time.sleep(0.1)
        assert all_of(line).startswith(b"HTTP/1.1 201")


@contextlib.contextmanager
def route(path: str, answers: Callable[[], Any]) -> Iterator[None]:
    """A route of the API for one test."""
    api.get(path, include_in_schema=False)(answers)
    try:
        yield
    finally:
        api.router.routes.pop()


def test_a25_who_does_not_read_the_answer_is_ended(workspace: Workspace, monkeypatch):
    monkeypatch.setattr(connections, "READ_S", 0.5)
    with route("/much", lambda: Response(b"x" * (40 * MB))), serving(workspace) as address, opened(address) as line:
        line.sendall(b"GET /api/much HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        time.sleep(2)
        assert len(all_of(line)) < 40 * MB


def test_a17_a_connection_outlives_what_fails_and_what_is_refused(address: str):
    def fails() -> None:
        raise RuntimeError("This is a fault of the program.")

    with route("/fails", fails):
        line = http.client.HTTPConnection(urlsplit(address).netloc, timeout=20)
        line.connect()
        first = line.sock
        for _ in range(3):
            line.request("GET", "/api/fails")
            answer = line.getresponse()
            assert answer.status == 500 and set(json.load(answer)) == {"error", "detail", "field", "timestamp"}
            assert answer.headers["x-content-type-options"] == "nosniff" and answer.headers["x-request-id"]
            # A small body that no route asked for is read with the refusal.
            line.request("POST", "/api/gone", b"x" * 3000)
            answer = line.getresponse()
            assert answer.status == 404 and answer.read()
            line.request("GET", "/api/health")
            assert line.getresponse().read()
        assert line.sock is first


def test_a17_a_large_body_that_is_refused_is_told_that_the_connection_ends(address: str):
    line = http.client.HTTPConnection(urlsplit(address).netloc, timeout=20)
    line.request("PUT", "/api/gone", b"x" * (20 * MB))
    answer = line.getresponse()
    assert answer.status == 413 and answer.headers["connection"] == "close" and answer.read()


@pytest.mark.parametrize(
    "path", ["%2fx", "datasets/a%2Fb", "datasets/%00", "jobs/%5c", "runs/..", "runs/%2e%2e/x", "%0a"]
)
def test_a30_a_path_that_no_id_has_gets_our_kind_of_answer(address: str, path: str):
    line = http.client.HTTPConnection(urlsplit(address).netloc, timeout=20)
    line.request("GET", f"/api/{path}")
    answer = line.getresponse()
    assert answer.status == 404 and set(json.load(answer)) == {"error", "detail", "field", "timestamp"}


@pytest.mark.parametrize(
    "host", ["evil@127.0.0.1", "127.0.0.1@evil", "a b", "127.0.0.1/x", "[::1", "127.0.0.1:port", "", "127.0.0.1#", "é"]
)
def test_a30_a_host_that_is_no_name_is_refused(address: str, host: str):
    with opened(address) as line:
        line.sendall(f"GET /api/health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        assert re.match(rb"HTTP/1.1 40[03] ", all_of(line))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a30_who_has_the_file_already_gets_304_and_no_byte(workspace: Workspace, tmp_path: Path, method: str):
    (tmp_path / "rows.txt").write_text("0123456789")
    with route("/file", lambda: File(tmp_path / "rows.txt")):
        client = here(workspace)
        whole = client.get("/file")
        etag = whole.headers["etag"]
        assert whole.content == b"0123456789"
        for known in (etag, f"W/{etag}", f'"other", {etag}', f'W/"a,b",{etag}', "*", " * "):
            for more in ({}, {"Range": "bytes=2-4"}):
                answer = client.request(method, "/file", headers={"If-None-Match": known, **more})
                assert (answer.status_code, answer.content) == (304, b"")
                assert answer.headers["etag"] == etag and answer.headers["cache-control"] == "private, no-cache"
                assert "content-length" not in answer.headers and "content-type" not in answer.headers
        for known in ('"other"', etag.strip('"'), f'"x{etag[1:]}', ""):
            assert client.request(method, "/file", headers={"If-None-Match": known}).status_code == 200
        part = client.get("/file", headers={"If-None-Match": '"other"', "Range": "bytes=2-4"})
        assert (part.status_code, part.content) == (206, b"234")
        assert client.get("/file", headers={"Range": "bytes=20-"}).status_code == 416


@pytest.mark.parametrize(
    "body",
    [
        {"rows": True}, {"rows": "5"}, {"epochs": "5"}, {"seed": False}, {"holdout_share": "0.2"}, {"read": {"header": True}},
        {"read": {"skip_rows": "1"}}, {"params": {"min_leaf": True}}, {"params": {"min_leaf": "5"}},
    ],
    ids=str,
)  # fmt: skip
def test_a30_a_number_is_neither_a_text_nor_true(workspace: Workspace, dataset: Dataset, body: dict[str, Any]):
    answer = here(workspace).post("/train", json={"dataset_id": dataset.id, **body})
    assert answer.status_code == 422 and "number" in answer.json()["detail"]


def test_a30_what_a_form_says_in_words_is_a_number_still(workspace: Workspace, dataset: Dataset):
    form = {"dataset_id": dataset.id, "model": "bootstrap", "rows": "5", "seed": "3", "holdout_share": "0.5"}
    answer = here(workspace).post("/train", data=form, files={})
    # The share is refused for what it says, not for how it was sent.
    assert answer.status_code in (202, 422) and "number" not in answer.text


def test_a30_credentials_that_serve_nothing_are_said_to(workspace: Workspace):
    client = here(workspace)
    given = {"openai": {"api_key": "sk-x"}, "s3": {"access_key_id": "a", "secret_access_key": "b"}}
    answer = client.post("/login", json=given).json()
    assert answer["services"] == ["s3", "openai"] and answer["unused"] == ["s3"]
    assert "no call" in client.get("/openapi.json").json()["paths"]["/login"]["post"]["description"]

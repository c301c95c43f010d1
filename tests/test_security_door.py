"""What reaches the server over HTTP: slow and half-open requests, bodies nobody reads, hosts, paths, headers, uploads."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from starlette.responses import Response
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from api import api, connections
from api.files import File
from api.headers import HEADERS
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


@dataclass
class App:
    """The whole server, as `make run` starts it, with small limits."""

    address: str
    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def rss_mb(self) -> float:
        return psutil.Process(self.process.pid).memory_info().rss / MB

    def waiting(self) -> list[Path]:
        """The files of uploads that were not added."""
        return [file for file in (self.folder / "tmp").rglob("*") if file.is_file()]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("served")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={port}"],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "UNDERSTUDY_WORKSPACE": str(folder),
            "UNDERSTUDY_MAX_UPLOAD_MB": "24",
            "UNDERSTUDY_MAX_WAITING_FILES": "3",
            "STREAMLIT_SERVER_DISCONNECTED_SESSION_TTL": "1",
        },
        stdout=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    end = time.monotonic() + 60
    while not well(address) and process.poll() is None and time.monotonic() < end:
        time.sleep(0.1)
    try:
        yield App(address, process, folder)
    finally:
        process.terminate()
        process.wait(20)


def well(address: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"{address}/_stcore/health", timeout=2).status_code == 200
    return False


class Visitor:
    """Somebody who has a page open: its session, its socket, and the token that a browser sends along."""

    def __init__(self, app: App):
        self.client = httpx.Client(base_url=app.address, timeout=60)
        self.client.get("/_stcore/host-config")
        self.client.get("/_stcore/health")
        self.client.headers["X-Xsrftoken"] = self.client.cookies["_streamlit_xsrf"]
        self._open = contextlib.ExitStack()
        self.socket = self._open.enter_context(socket_of(app, app.address))
        self.socket.send(BackMsg(rerun_script=ClientState()).SerializeToString())
        self.session = next(
            message.new_session.initialize.session_id
            for raw in self.socket
            if (message := ForwardMsg.FromString(bytes(raw))).WhichOneof("type") == "new_session"
        )

    def leave(self) -> None:
        self._open.close()

    def put(self, name: str, content: bytes, session: str = "", **headers: str) -> httpx.Response:
        path = f"/_stcore/upload_file/{session or self.session}/{name}"
        return self.client.put(path, files={"file": ("rows.csv", content, "text/csv")}, headers=headers)

    def delete(self, name: str) -> httpx.Response:
        return self.client.delete(f"/_stcore/upload_file/{self.session}/{name}")


def socket_of(app: App, origin: str | None) -> connect:
    address = app.address.replace("http", "ws") + "/_stcore/stream"
    return connect(address, origin=Origin(origin) if origin else None, max_size=None, proxy=None)


def test_a07_uploads_of_a_page_go_to_disk_and_end_with_their_session(app: App):
    gone = Visitor(app)
    assert gone.put("left", b"a,b\n1,2\n").status_code == 204
    gone.leave()

    visitor, before = Visitor(app), app.rss_mb
    row = b"123,abc\n"
    for name in ("first", "second"):
        assert visitor.put(name, row * (20 * MB // len(row))).status_code == 204
    third = visitor.put("third", row * (20 * MB // len(row)))
    assert third.status_code == 413 and "48 MB wait" in third.text
    assert app.rss_mb - before < 25
    sizes = sorted(file.stat().st_size for file in app.waiting() if file.stat().st_size > 100)
    assert sizes == [20 * MB, 20 * MB] and app.waiting()[0].read_bytes()[:8] in (row, b"a,b\n1,2\n")

    assert visitor.put("first", b"a new one in its place").status_code == 204
    assert visitor.delete("second").status_code == 204
    assert sum(file.stat().st_size for file in app.waiting()) < 1000
    assert {visitor.put(f"n{number}", b"a").status_code for number in range(2)} == {204}
    fourth = visitor.put("fourth", b"a")
    assert fourth.status_code == 413 and "3 files wait" in fourth.text
    end = time.monotonic() + 30
    while any(file.read_bytes() == b"a,b\n1,2\n" for file in app.waiting()) and time.monotonic() < end:
        time.sleep(0.2)
    assert len(app.waiting()) == 3
    for name in ("first", "n0", "n1"):
        visitor.delete(name)
    visitor.leave()
    assert not app.waiting()


def test_a07_nobody_uploads_without_the_session_and_the_token_of_a_page(app: App):
    visitor = Visitor(app)
    assert visitor.put("a", b"x" * 1000, session="made-up").status_code == 400
    assert visitor.put("a", b"x" * 1000, **{"X-Xsrftoken": "made-up"}).status_code == 403
    assert visitor.put("a", b"x" * (25 * MB)).status_code == 413
    for kind in ("text/csv", "multipart/form-data", f"multipart/form-data; boundary={'x' * 500}"):
        answer = visitor.client.put(
            f"/_stcore/upload_file/{visitor.session}/a", content=b"x" * 1000, headers={"Content-Type": kind}
        )
        assert answer.status_code == 400
    two = [("file", ("a.csv", b"1")), ("file", ("b.csv", b"2"))]
    assert visitor.client.put(f"/_stcore/upload_file/{visitor.session}/a", files=two).status_code == 400

    def endless() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
        for _ in range(30):
            yield b"y" * MB

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    with contextlib.suppress(httpx.WriteError):
        answer = visitor.client.put(f"/_stcore/upload_file/{visitor.session}/a", content=endless(), headers=headers)
        assert answer.status_code == 413 and "24 MB" in answer.text
    visitor.leave()
    assert not app.waiting()


@pytest.mark.parametrize(
    "path", ["/", "/data", "/_stcore/host-config", "/static/gone.js", "/media/gone", "/favicon.png"]
)
def test_a28_every_answer_of_the_pages_has_the_headers_of_the_api(app: App, path: str):
    headers = httpx.get(app.address + path).headers
    assert {name: headers.get(name) for name in HEADERS} == HEADERS
    policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
    host = urlsplit(app.address).netloc
    assert policy["frame-ancestors"] == policy["object-src"] == policy["default-src"] == "'none'"
    assert policy["connect-src"] == f"'self' ws://{host} wss://{host}"
    assert "'unsafe" not in policy["script-src"] and "http" not in policy["img-src"]


@pytest.mark.parametrize(
    "origin", ["http://localhost:1", "http://127.0.0.1:1", "https://evil.example", "null", "file://"]
)
def test_a28_a_socket_of_another_site_is_refused(app: App, origin: str):
    with pytest.raises(InvalidStatus) as refused, socket_of(app, origin):
        pass
    assert refused.value.response.status_code == 403


def test_a28_a_socket_of_the_own_site_is_taken(app: App):
    for origin in (app.address, None):
        with socket_of(app, origin) as opened_one:
            assert opened_one.response.status_code == 101


def test_a30_hosts_and_paths_are_refused_by_the_whole_server_too(app: App):
    for path in ("/", "/api/health", "/_stcore/health"):
        assert httpx.get(app.address + path, headers={"Host": "evil@127.0.0.1"}).status_code == 400
    line = http.client.HTTPConnection(urlsplit(app.address).netloc, timeout=20)
    for path in ("%2fx", "datasets/%00", "runs/..%2f.."):
        line.request("GET", f"/api/{path}")
        answer = line.getresponse()
        assert answer.status == 404 and set(json.load(answer)) == {"error", "detail", "field", "timestamp"}


@pytest.mark.slow
def test_a25_three_hundred_half_requests_are_gone_after_twenty_seconds(app: App):
    """300 were open after 20 s before. In the meantime the others are served."""
    lines = []
    for number in range(300):
        line = opened(app.address)
        line.sendall(list(HALF.values())[number % len(HALF)].rpartition(b"|")[2])
        lines.append(line)
    begun, slowest = time.monotonic(), 0.0
    while time.monotonic() - begun < 20:
        asked = time.monotonic()
        assert httpx.get(f"{app.address}/api/health", timeout=10).status_code == 200
        slowest = max(slowest, time.monotonic() - asked)
        for line in lines[: len(lines) // 2]:
            # Half of them send a letter now and then.
            with contextlib.suppress(OSError):
                line.sendall(b"x")
        time.sleep(0.5)
    connections_left = [
        one for one in psutil.Process(app.process.pid).net_connections("tcp") if one.status == "ESTABLISHED"
    ]
    for line in lines:
        line.close()
    assert len(connections_left) < 5 and slowest < 8

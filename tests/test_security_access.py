"""Who comes in: keys, tokens and links, the gate before the pages, proxies, wrong keys, and the start of a server."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from api import api
from api.gate import Gate
from api.peers import RealPeer
from api.security import limit_problems
from api.sign_in import own_path, sign_in_routes
from tests.calling import KEYS, SECRET, as_, changed, here
from tests.live import Line
from workspace.access.attempts import MOST_ADDRESSES, MOST_WRONG, Attempts, TooManyWrongKeys
from workspace.access.callers import Refused
from workspace.access.page_sessions import COOKIE
from workspace.catalog.rows import PageSession
from workspace.placeholders import PRINTED, weakness
from workspace.settings import Settings, UnfitSettings, read_settings
from workspace.workspace import Workspace

ROOT = Path(__file__).parent.parent
LAST_STEP = b"last"
STREAM = "ws://127.0.0.1:8501/_stcore/stream"


@pytest.fixture
def guarded(settings, open_workspace) -> Workspace:
    return open_workspace(changed(settings, api_keys=KEYS))


def server(workspace: Workspace) -> Starlette:
    """The gate as the server has it, before pages that tell what reached them."""
    api.state.workspace = workspace

    async def page(request: Request) -> PlainTextResponse:
        return PlainTextResponse("a table")

    async def stream(socket: WebSocket) -> None:
        await socket.accept()
        with suppress(WebSocketDisconnect):
            while True:
                await socket.send_bytes(await socket.receive_bytes())

    def served() -> Workspace:
        return workspace

    return Starlette(
        routes=[
            Mount("/api", api),
            *sign_in_routes(served),
            WebSocketRoute("/_stcore/stream", stream),
            Route("/{path:path}", page, methods=["GET", "PUT", "POST", "DELETE"]),
        ],
        middleware=[
            Middleware(RealPeer, settings_of=lambda scope: workspace.settings),
            Middleware(Gate, workspace=served, last_step=LAST_STEP),
        ],
    )


def visitor(workspace: Workspace, address: str = "127.0.0.1", **choices) -> TestClient:
    choices = {"base_url": "http://127.0.0.1:8501", "follow_redirects": False} | choices
    return TestClient(server(workspace), client=(address, 50000), **choices)


def signed_in(workspace: Workspace, who: str = "root", **choices) -> TestClient:
    client = visitor(workspace, **choices)
    answer = client.post("/sign-in", data={"key": f"{SECRET}-{who}", "next": "/compare?run=1"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/compare?run=1"), answer.text
    return client


# Links, tokens and keys


def test_a02_a_download_link_opens_one_file_by_get_and_nothing_else(guarded):
    client = here(guarded, raise_server_exceptions=False)
    path = "/runs/0123456789abcdef/synthetic.csv"
    link = client.post("/links", json={"path": path}, headers=as_("anna")).json()
    # The file is not there, which its bearer gets to know; everybody else is told nothing.
    assert client.get(link["path"]).status_code == 404
    assert client.get(path).status_code == 401
    text = link["path"].partition("?link=")[2]
    for method, other in (
        ("DELETE", path.removesuffix("/synthetic.csv")),
        ("POST", "/token"),
        ("GET", "/keys"),
        ("POST", "/keys"),
        ("GET", "/datasets"),
        ("GET", "/runs/0123456789abcdef/synthetic.parquet"),
        ("GET", "/runs/0123456789abcdee/synthetic.csv"),
        ("GET", path.removesuffix("/synthetic.csv")),
        ("DELETE", path),
        ("POST", "/links"),
    ):
        assert client.request(method, other, params={"link": text}).status_code in (401, 405), (method, other)
        assert client.request(method, other, params={"token": text}).status_code == 401, (method, other)
        assert client.request(method, other, headers={"Authorization": f"Bearer {text}"}).status_code == 401
    assert client.get(path, params={"link": text, "spreadsheet_safe": "true"}).status_code == 401


def test_a02_a_link_ends_when_it_is_revoked_and_with_the_key_that_made_it(guarded):
    client = here(guarded, raise_server_exceptions=False)
    key = client.post("/keys", json={"name": "dora", "permissions": ["read"]}, headers=as_("root")).json()
    dora = {"X-API-Key": key["key"]}
    asked = {"path": "/download/0123456789abcdef?format=csv"}
    one, two = (client.post("/links", json=asked, headers=dora).json() for _ in range(2))
    assert {client.get(link["path"]).status_code for link in (one, two)} == {404}
    assert client.delete(f"/links/{one['id']}", headers=dora).status_code == 204
    assert [client.get(link["path"]).status_code for link in (one, two)] == [401, 404]
    client.delete(f"/keys/{key['id']}", headers=as_("root"))
    assert client.get(two["path"]).status_code == 401


def test_a02_a_link_is_made_to_a_download_or_a_job_alone_and_for_a_day_at_most(guarded):
    client = here(guarded, raise_server_exceptions=False)
    for path in ("/keys", "/datasets", "/token", "/runs/x", "//evil.example/x", "/runs/../keys"):
        assert client.post("/links", json={"path": path}, headers=as_("root")).status_code == 422, path
    asked = {"path": "/jobs/0123456789abcdef/events", "minutes": 1441}
    assert client.post("/links", json=asked, headers=as_("root")).status_code == 422
    made = client.post("/links", json=asked | {"minutes": 1}, headers=as_("root")).json()
    assert made["purpose"] == "watch" and client.get(f"{made['path']}&after=7").status_code == 404


def test_a02_a_link_of_a_page_ends_when_its_visitor_signs_out(guarded):
    client = signed_in(guarded)
    path = "/runs/0123456789abcdef/report.html"
    caller = guarded.access.sessions.visitor(client.cookies[COOKIE])
    link = guarded.access.links.make(caller, "download", path, 10)
    assert client.get(f"/api{link.address}").status_code == 404
    assert client.post("/sign-out").headers["location"].startswith("/sign-in")
    assert client.get(f"/api{link.address}").status_code == 401


def test_a02_no_token_buys_another_and_none_allows_more_than_its_key(settings, open_workspace, guarded):
    client = here(guarded, raise_server_exceptions=False)
    token = client.post("/token", headers=as_("root")).json()["access_token"]
    bearer = {"Authorization": f"bearer {token}"}
    assert client.get("/keys", headers=bearer).status_code == 200
    assert client.post("/token", headers=bearer).status_code == 403
    # Started again, its key may do less.
    less = here(open_workspace(changed(settings, api_keys=KEYS.replace("root:admin", "root:read"))))
    assert (less.get("/datasets", headers=bearer).status_code, less.get("/keys", headers=bearer).status_code) == (
        200,
        403,
    )


def test_a03_a_token_from_before_the_first_key_ends_with_it(workspace):
    client = here(workspace, raise_server_exceptions=False)
    token = client.post("/token").json()["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    assert client.get("/keys", headers=bearer).status_code == 200
    link = client.post("/links", json={"path": "/download/0123456789abcdef"}).json()["path"]
    made = client.post("/keys", json={"name": "root", "permissions": ["admin"]}, headers=bearer).json()
    for method, path in (("GET", "/keys"), ("POST", "/keys"), ("POST", "/token"), ("GET", link)):
        assert client.request(method, path, headers={} if "link=" in path else bearer).status_code == 401
    assert client.get("/keys", headers={"X-API-Key": made["key"]}).status_code == 200


def test_a21_no_key_and_no_token_is_taken_from_an_address(guarded):
    client = here(guarded, raise_server_exceptions=False)
    token = client.post("/token", headers=as_("root")).json()["access_token"]
    for shown in (f"{SECRET}-root", token):
        for method, path in (("GET", "/datasets"), ("GET", "/keys"), ("POST", "/token"), ("DELETE", "/runs/x")):
            for headers in ({}, as_("root")):
                answer = client.request(method, path, params={"token": shown}, headers=headers)
                assert answer.status_code == 401 and shown not in answer.text


def test_a29_a_stored_answer_goes_to_no_key_that_may_not_call(settings, open_workspace, people):
    both = f"{SECRET}-w:anna:write,{SECRET}-r:anna:read"
    client = here(open_workspace(changed(settings, api_keys=both)))
    once = {"Idempotency-Key": "one"}
    files = {"files": ("people.csv", people.read_bytes())}
    asked = {"dataset_id": client.post("/datasets", files=files, headers=as_("w")).json()["datasets"][0]["id"]}
    asked["model"] = "bootstrap"
    first = client.post("/train", json=asked, headers=as_("w") | once)
    again = client.post("/train", json=asked, headers=as_("w") | once)
    assert (first.status_code, again.status_code, again.json()["id"]) == (202, 202, first.json()["id"])
    assert client.post("/train", json=asked, headers=as_("r") | once).status_code == 403


def test_a30_the_scheme_of_an_authorization_is_read_in_any_case_and_no_other_is_taken_for_a_key(guarded):
    client = here(guarded)
    for scheme in ("bearer", "BEARER", "Bearer"):
        assert client.get("/datasets", headers={"Authorization": f"{scheme} {SECRET}-anna"}).status_code == 200
    assert client.get("/datasets", headers={"Authorization": f"Basic {SECRET}-anna"}).status_code == 401


@pytest.mark.parametrize("name", ["local", "LOCAL", "everyone"])
def test_a30_no_key_takes_the_name_of_who_needs_none(guarded, monkeypatch, name):
    answer = here(guarded).post("/keys", json={"name": name, "permissions": ["read"]}, headers=as_("root"))
    assert answer.status_code == 422 and name in answer.json()["detail"]
    monkeypatch.setenv("UNDERSTUDY_API_KEYS", f"{SECRET}:{name}:read")
    with pytest.raises(UnfitSettings, match=name):
        read_settings()


# The pages


def test_a04_a_guarded_servers_pages_ask_for_a_key_on_its_own_machine_too(guarded):
    client = visitor(guarded)
    for page in ("/", "/compare?run=1&dataset=2", "/nowhere"):
        answer = client.get(page)
        assert answer.status_code == 303 and "a table" not in answer.text
    assert client.get("/compare?run=1").headers["location"] == "/sign-in?next=%2Fcompare%3Frun%3D1"
    for part in ("_stcore/metrics", "_stcore/host-config", "media/x", "component/x", "static/x.js", "x/_stcore/stream"):
        assert client.get(f"/{part}").status_code == 401, part
    assert client.get("/_stcore/health").status_code == 200


def test_a04_through_a_relay_that_adds_nothing_and_with_made_up_headers_too(guarded):
    for headers in ({}, {"X-Forwarded-For": "127.0.0.1"}, {"Forwarded": "for=127.0.0.1"}, {"Host": "localhost"}):
        assert visitor(guarded).get("/compare", headers=headers).status_code == 303
        assert visitor(guarded, "203.0.113.9").get("/compare", headers=headers).status_code == 303


def test_a07_an_upload_without_a_session_is_refused_before_a_byte_is_read(guarded):
    def body() -> Iterator[bytes]:
        pytest.fail("The body was read.")
        yield b""

    answer = visitor(guarded).put("/_stcore/upload_file/a/b", content=body())
    assert answer.status_code == 401 and answer.json()["detail"].startswith("You are not signed in")


def test_a04_a_socket_without_a_session_is_not_opened(guarded):
    with pytest.raises(WebSocketDenialResponse) as denied, visitor(guarded).websocket_connect("/_stcore/stream"):
        pass
    assert denied.value.status_code == 401


def test_a_session_lets_through_and_its_cookie_is_read_by_no_script(guarded):
    client = signed_in(guarded)
    assert client.get("/compare").text == "a table"
    answer = visitor(guarded, base_url="https://127.0.0.1").post("/sign-in", data={"key": f"{SECRET}-root"})
    cookie = answer.headers["set-cookie"].lower()
    assert all(word in cookie for word in ("httponly", "samesite=lax", "secure", "path=/"))
    with guarded.catalog.session() as session:
        kept = b"".join(row.digest for row in session.query(PageSession))
    assert client.cookies[COOKIE].encode() not in kept and len(kept) == 64


def test_only_a_key_with_the_permission_admin_signs_in_and_no_token(guarded):
    client = visitor(guarded)
    token = here(guarded).post("/token", headers=as_("root")).json()["access_token"]
    for key, status in ((f"{SECRET}-anna", 403), ("x" * 40, 401), ("", 401), (token, 401)):
        answer = client.post("/sign-in", data={"key": key})
        assert answer.status_code == status and 'role="alert"' in answer.text and COOKIE not in client.cookies
        assert not key or key not in answer.text


def test_another_sites_form_signs_nobody_in_or_out(guarded):
    client = signed_in(guarded)
    crossed = {"Origin": "null", "Sec-Fetch-Site": "cross-site"}
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, crossed):
        for path in ("/sign-in", "/sign-out"):
            answer = client.post(path, data={"key": f"{SECRET}-root"}, headers=headers)
            assert answer.status_code == 403 and "set-cookie" not in answer.headers
    assert client.post("/sign-in", data={"key": f"{SECRET}-root"}, headers={"Origin": "null"}).status_code == 403
    assert visitor(guarded).post("/sign-out", headers={"Origin": "null"}).status_code == 403
    assert client.get("/").text == "a table"
    # A page of ours sends no referrer, for which browsers write this; where they can, they say that it is ours.
    for headers in ({"Origin": "null", "Sec-Fetch-Site": "same-origin"}, {"Origin": "null"}):
        assert signed_in(guarded).post("/sign-out", headers=headers).status_code == 303
    assert client.post("/sign-out", headers={"Origin": "http://127.0.0.1:8501"}).status_code == 303


@pytest.mark.parametrize(
    "wanted",
    ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "/\t/evil", "", "x", "/a\\b"],
)
def test_the_sign_in_leads_to_no_other_site(wanted):
    assert own_path(wanted) == "/"


def test_the_sign_in_page_has_no_script_and_repeats_nothing_unescaped(guarded):
    client = visitor(guarded)
    for answer in (
        client.get('/sign-in?next=/"><script>x'),
        client.post("/sign-in", data={"key": "<b>", "next": "/'\"><b>"}),
    ):
        assert "<script" not in answer.text and "<b>" not in answer.text
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert client.post("/sign-in", content=b"key=" + b"x" * 10_000).status_code == 413


def test_a23_the_next_step_asks_again_once_signed_out_or_the_key_is_revoked(guarded):
    key, text = guarded.access.make_key("dora", ["admin"])
    for end in ("sign-out", "revoke"):
        client = visitor(guarded)
        assert client.post("/sign-in", data={"key": text}).status_code == 303
        with client.websocket_connect(STREAM, headers={"Cookie": f"{COOKIE}={client.cookies[COOKIE]}"}) as socket:
            socket.send_bytes(b"a click")
            assert socket.receive_bytes() == b"a click"
            if end == "revoke":
                guarded.access.revoke(key.id)
            else:
                client.post("/sign-out")
            # What was clicked reaches nobody; the page runs without it, and shows the way to the sign-in.
            socket.send_bytes(b"delete it all")
            assert socket.receive_bytes() == LAST_STEP
        assert client.get("/compare").status_code == 303


def test_a23_a_page_that_was_open_before_the_first_key_asks_at_its_next_step(workspace):
    client = visitor(workspace)
    assert client.get("/").text == "a table"
    with client.websocket_connect(STREAM) as socket:
        socket.send_bytes(b"a click")
        assert socket.receive_bytes() == b"a click"
        workspace.access.make_key("root", ["admin"])
        socket.send_bytes(b"a click")
        assert socket.receive_bytes() == LAST_STEP


def test_a23_no_session_is_for_ever(settings, open_workspace):
    for limits in ({"sign_in_hours": 0.0001}, {"sign_in_idle_hours": 0.0001}):
        workspace = open_workspace(changed(settings, api_keys=KEYS, **limits))
        text = workspace.access.sessions.begin(workspace.access.caller(f"{SECRET}-root"))
        assert workspace.access.sessions.visitor(text).owner == "root"
        threading.Event().wait(0.4)
        with pytest.raises(Refused):
            workspace.access.sessions.visitor(text)


# Addresses and proxies


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded", "X-Real-IP", "Via"]
)
def test_a04_without_keys_a_relay_publishes_nothing(workspace, header):
    client = visitor(workspace)
    assert client.get("/").text == "a table" and client.get("/api/datasets").status_code == 200
    for path in ("/", "/_stcore/host-config", "/api/datasets"):
        answer = client.get(path, headers={header: "127.0.0.1"})
        assert answer.status_code == 403 and "relay or proxy" in answer.text, path


def test_without_keys_another_name_or_another_machine_is_not_let_to_the_pages(workspace):
    assert visitor(workspace).get("/", headers={"Host": "rebound.example"}).status_code == 403
    assert visitor(workspace, "192.0.2.7").get("/").status_code == 401
    assert visitor(workspace, "::ffff:127.0.0.1").get("/").text == "a table"
    assert visitor(workspace, "::ffff:192.0.2.7").get("/").status_code == 401


def test_a04_forwarded_addresses_are_believed_from_configured_proxies_alone(settings, open_workspace):
    trusting = open_workspace(changed(settings, api_keys=KEYS, trusted_proxies=["10.0.0.0/24"]))
    seen: list[tuple] = []

    async def tell(scope, receive, send) -> None:
        seen.append((scope["client"][0], scope["scheme"], dict(scope["headers"])[b"host"].decode()))
        await PlainTextResponse("")(scope, receive, send)

    app = RealPeer(tell, lambda scope: trusting.settings)
    said = {
        "X-Forwarded-For": "6.6.6.6, 198.51.100.4, 10.0.0.8",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "data.example",
    }
    for peer in ("10.0.0.7", "127.0.0.1", "203.0.113.9"):
        TestClient(app, client=(peer, 1), base_url="http://in.example").get("/", headers=said)
    assert seen == [
        ("198.51.100.4", "https", "data.example"),
        ("127.0.0.1", "http", "in.example"),
        ("203.0.113.9", "http", "in.example"),
    ]


# Guessing and limits


def test_a22_an_address_that_guesses_is_told_to_wait_and_nobody_else(guarded):
    def call(address: str, key: str) -> int:
        client = TestClient(api, client=(address, 1), base_url="http://in.example")
        return client.get("/datasets", headers={"X-API-Key": key}).status_code

    api.state.workspace = guarded
    assert call("203.0.113.9", f"{SECRET}-bob") == 200
    statuses = [call("203.0.113.9", f"guess-{number:040}") for number in range(MOST_WRONG + 5)]
    assert statuses == [401] * MOST_WRONG + [429] * 5
    # A key that is right is not looked at either, or the guesser would learn it; one that was right before goes on.
    assert call("203.0.113.9", f"{SECRET}-anna") == 429
    assert call("203.0.113.9", f"{SECRET}-bob") == 200
    assert call("198.51.100.4", f"{SECRET}-anna") == 200


def test_a22_the_sign_in_counts_the_same_guesses(guarded):
    client = visitor(guarded, "203.0.113.9")
    statuses = [client.post("/sign-in", data={"key": f"guess-{n:040}"}).status_code for n in range(MOST_WRONG + 1)]
    assert statuses == [401] * MOST_WRONG + [429]
    answer = client.get("/api/datasets", headers=as_("anna"))
    assert answer.status_code == 429 and 1 <= int(answer.headers["retry-after"]) <= 60
    assert signed_in(guarded, address="198.51.100.4").get("/").text == "a table"


def test_a22_guesses_are_forgotten_after_a_minute_and_hold_little_memory():
    moment = 0.0
    attempts = Attempts(clock=lambda: moment)
    for number in range(MOST_ADDRESSES + 500):
        attempts.wrong(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", "x")
        attempts.check(f"2001:db8:{number % 65536:x}::1", "x")
    assert len(attempts._wrong) <= MOST_ADDRESSES
    for number in range(MOST_WRONG):
        attempts.wrong(f"2001:db8::{number}", "x")
    with pytest.raises(TooManyWrongKeys):
        attempts.check("2001:db8::ffff", "another")
    moment = 61.0
    attempts.check("2001:db8::ffff", "another")


def test_limits_hold_by_call_and_by_key_under_every_name_of_the_call(settings, open_workspace):
    limits = {"POST /jobs/{id}/enough": "2/hour", "GET /v1/runs": "1/hour", "POST /train": "1/hour"}
    assert limit_problems(limits, api.state.routes) == []
    client = here(open_workspace(changed(settings, api_keys=KEYS, limits=limits)), raise_server_exceptions=False)
    paths = ("/jobs/x/stop-early", "/v1/jobs/y/enough", "/jobs/z/enough")
    assert [client.post(path, headers=as_("anna")).status_code for path in paths] == [404, 404, 429]
    assert client.post("/jobs/x/stop-early", headers=as_("carl")).status_code == 404
    assert [client.get(path, headers=as_("anna")).status_code for path in ("/runs", "/v1/runs")] == [200, 429]
    asked = {
        "operations": [{"name": n, "call": "train", "request": {"dataset_id": "x", "model": "trees"}} for n in "ab"]
    }
    assert client.post("/batch", json=asked, headers=as_("anna")).status_code == 429


def test_a_limit_of_a_call_that_there_is_not_is_a_sentence():
    (problem,) = limit_problems(["POST /trian"], api.state.routes)
    assert "'POST /trian'" in problem and "'POST /train'" in problem and problem.endswith(".")
    assert limit_problems(["GET /health"], api.state.routes) != []


# The start


@pytest.mark.parametrize(
    "key",
    [*sorted(PRINTED), "1234567890123456", "a" * 24, "MY-PRODUCTION-API-KEY-2024", "qwertyuiopasdfgh"],
)
def test_a06_keys_that_manuals_print_are_refused_with_the_command_that_makes_one(monkeypatch, key):
    for name, value in (("API_KEYS", f"{key}:me:admin"), ("SECRET_KEYS", key)):
        monkeypatch.setenv(f"UNDERSTUDY_{name}", value)
        with pytest.raises(UnfitSettings) as refused:
            read_settings()
        (sentence,) = refused.value.sentences
        assert "secrets.token_urlsafe(32)" in sentence
        monkeypatch.delenv(f"UNDERSTUDY_{name}")


def test_a06_what_our_own_documents_print_is_refused_when_copied():
    texts = [
        ROOT / "README.md",
        ROOT / "Dockerfile",
        ROOT / "SECURITY.md",
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "deploy").rglob("*"),
    ]
    found = [
        key
        for file in texts
        if file.is_file()
        for key in re.findall(r"UNDERSTUDY_(?:API_KEYS|SECRET_KEYS)=[\"']?([^\s:`\"',]+)", file.read_text("utf-8"))
    ]
    assert found and all(weakness(key) for key in found), found


def test_a06_a_key_that_the_command_makes_is_taken():
    command = ["-c", "import secrets; print(*(secrets.token_urlsafe(32) for _ in range(2000)))"]
    made = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True).stdout.split()
    assert not [key for key in made if weakness(key)]
    assert Settings(api_keys=f"{made[0]}:me:admin", secret_keys=[made[1]])


def start(folder: Path, host: str, **environment: str) -> subprocess.Popen[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = [sys.executable, "-m", "uvicorn", "app:app", "--host", host, "--port", str(port), "--no-access-log"]
    own = {"UNDERSTUDY_WORKSPACE": str(folder), "PYTHONPATH": str(ROOT), "PORT": str(port)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(program, cwd=ROOT, env=os.environ | own | environment, **pipes)


@pytest.mark.parametrize("host", ["0.0.0.0", pytest.param("::", marks=pytest.mark.slow)])
def test_a05_without_a_key_a_server_ends_that_listens_beyond_its_machine(tmp_path, host):
    said, _ = (server := start(tmp_path, host)).communicate(timeout=120)
    assert server.returncode == 1
    assert f"will not listen on {host} without authentication" in said and "Traceback" not in said


@pytest.mark.slow
def test_a04_behind_a_plain_relay_the_real_server_asks_for_a_key_and_with_one_it_listens_everywhere(tmp_path):
    server = start(tmp_path, "0.0.0.0", UNDERSTUDY_API_KEYS=KEYS)
    try:
        for line in server.stdout:
            if "running on" in line:
                break
        port = int(line.rpartition(":")[2].split()[0])
        with Line(f"http://127.0.0.1:{port}", []).open() as relay:
            for address in (relay, f"http://127.0.0.1:{port}"):
                assert httpx.get(address, headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 303
                assert httpx.get(f"{address}/_stcore/metrics").status_code == 401
                assert httpx.get(f"{address}/api/datasets").status_code == 401
        # uvicorn believes its own machine: a guesser who makes up addresses is counted all the same.
        guess = [
            httpx.get(
                f"http://127.0.0.1:{port}/api/datasets",
                headers={"X-API-Key": f"guess-{n:040}", "X-Forwarded-For": f"198.51.100.{n}"},
            ).status_code
            for n in range(MOST_WRONG + 1)
        ]
        assert guess == [401] * MOST_WRONG + [429]
    finally:
        server.terminate()
        server.communicate(timeout=60)

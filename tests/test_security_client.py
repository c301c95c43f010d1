"""Attacks on the client for model servers, on the keys kept for it, and on what a worker's environment tells."""

from __future__ import annotations

import gzip
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
from sqlalchemy import select

from synth.conversations import Brief, Server, ServerError, write
from synth.conversations.egress import ANYWHERE, HAS_PASSWORD, REFUSED, Allowed, Egress, Host, is_public, literal
from synth.errors import Invalid
from tests.calling import KEYS, as_, changed, here
from tests.chat_server import ChatServer
from workspace.access.handover import Handover
from workspace.catalog.rows import ENDED, Job
from workspace.jobs.kinds import secrets_of
from workspace.jobs.process import job_environment
from workspace.settings import Settings
from workspace.workspace import Workspace

KEY = "sk-canary-of-a-caller"


class Elsewhere:
    """A listening server that notes what it gets, and answers as it is told."""

    def __init__(self, answer: Callable[[BaseHTTPRequestHandler], None]):
        self.received: list[str] = []
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                received.append(f"{self.path} {self.headers} {self.rfile.read(int(self.headers['content-length']))!r}")
                answer(self)

            do_GET = do_CONNECT = do_POST

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                """Clients that hang up are what these tests are about."""

        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"

    @contextmanager
    def running(self) -> Iterator[str]:
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"http://{self.address}/v1"
        self.server.shutdown()
        self.server.server_close()


def says(body: bytes, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(int(headers.get("status", "200")))
        for name, value in {"content_length": str(len(body)), **headers}.items():
            if name != "status":
                handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def ask(url: str, egress: Egress = ANYWHERE, **more: object) -> str:
    """What writing one dialogue at a server says; empty when it was written."""
    folder = Path(os.environ["PYTEST_TMP"])
    file = folder / f"{time.monotonic_ns()}.jsonl"
    given = {"model": "scripted", "retries": 0, "timeout_s": 3, "api_key": KEY, **more}
    try:
        write(Brief(dialogues=1, turns={2: 1}), [], Server(base_url=url, **given), file, egress=egress)
    except ServerError as error:
        return str(error)
    return ""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_TMP", str(tmp_path))


# Where requests go ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["301", "302", "303", "307", "308"])
@pytest.mark.parametrize("egress", [ANYWHERE, Egress(local_only=True)], ids=["any", "local only"])
def test_a08_no_redirect_takes_the_prompt_along(status, egress):
    elsewhere = Elsewhere(says(b"{}"))
    with elsewhere.running() as other:
        near = Elsewhere(says(b"", status=status, location=f"{other}/chat/completions"))
        with near.running() as url:
            said = ask(url, egress)
    assert len(near.received) == 1 and not elsewhere.received
    assert f"status {status}" in said and elsewhere.address not in said


@pytest.mark.parametrize("local_only", [True, False])
def test_a08_a_proxy_of_the_environment_and_a_netrc_see_nothing(local_only, monkeypatch, tmp_path):
    proxy, model = Elsewhere(says(b"{}")), ChatServer()
    (tmp_path / ".netrc").write_text("default login somebody password of-another-service\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with proxy.running() as address, model.running() as url:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, address.removesuffix("/v1"))
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        assert ask(url, Egress(local_only=local_only)) == ""
    assert not proxy.received
    assert {request["authorization"] for request in model.requests} == {f"Bearer {KEY}"}


def test_a08_the_proxy_of_the_settings_is_used_for_other_machines_and_never_for_this_one():
    proxy, model = Elsewhere(says(b"{}", status="407")), ChatServer()
    with proxy.running() as address, model.running() as url:
        egress = Egress(proxy=address.removesuffix("/v1"))
        assert ask(url, egress) == "" and not proxy.received
        assert ask("http://model.invalid/v1", egress) != "" and "http://model.invalid/v1" in proxy.received[0]
        proxy.received.clear()
        assert "not this machine" in ask("http://model.invalid/v1", Egress(local_only=True, proxy=egress.proxy))
    assert not proxy.received


@pytest.mark.parametrize(
    "host",
    ["203.0.113.9", "[::ffff:203.0.113.9]", "3405803785", "0xcb.0x0.0x71.0x9", "0.0.0.0", "[::]", "model.invalid"],
)
def test_a08_local_only_means_the_address_that_is_connected_to(host):
    said = ask(f"http://{host}:9/v1", Egress(local_only=True))
    assert "is not this machine" in said


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "127.1"])
def test_a08_this_machine_has_many_names(host):
    with ChatServer().running() as url:
        assert ask(url.replace("127.0.0.1", host), Egress(local_only=True)) == ""


def test_a08_a_name_that_means_another_machine_at_the_second_look_is_never_asked_twice(monkeypatch):
    looked, real = [], socket.getaddrinfo

    def rebinding(name, *args, **kwargs):
        if name not in ("rebound.test", b"rebound.test"):
            return real(name, *args, **kwargs)
        looked.append(name)
        return real("127.0.0.1" if len(looked) == 1 else "203.0.113.9", *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    model = ChatServer()
    with model.running() as url:
        assert ask(url.replace("127.0.0.1", "rebound.test"), Egress(local_only=True)) == ""
    assert len(looked) == 1 and len(model.requests) == 1


def test_a08_every_address_of_a_name_must_be_allowed(monkeypatch):
    real, model = socket.getaddrinfo, ChatServer()
    with model.running() as url:
        both = [real(address, 80, type=socket.SOCK_STREAM)[0] for address in ("127.0.0.1", "203.0.113.9")]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: both)
        assert "is not this machine" in ask(url.replace("127.0.0.1", "two.test"), Egress(local_only=True))
    assert not model.requests


def test_a08_the_certificate_is_the_names_although_the_address_is_connected_to(monkeypatch, tmp_path):
    """A real TLS server with a certificate for one name: that name is accepted, another for the same address is not."""
    import ssl

    trusted, context = certificate(tmp_path, "model.test")
    near = Elsewhere(says(json.dumps({"choices": [{"message": {"content": "no"}}]}).encode()))
    context = context or ssl.create_default_context()
    near.server.socket = context.wrap_socket(near.server.socket, server_side=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda name, *args, **more: real("127.0.0.1", *args, **more))
    port = near.address.split(":")[1]
    with near.running():
        assert ask(f"https://model.test:{port}/v1") == "" and near.received
        assert f" Host: model.test:{port}\n" in near.received[0]
        near.received.clear()
        assert "cannot be reached" in ask(f"https://another.test:{port}/v1") and not near.received


def certificate(folder: Path, name: str):
    """A certificate for a name, and a server's context with it."""
    import ssl
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    chain, secret = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, secret)
    return chain, context


# What comes back -----------------------------------------------------------------------------------------------------


def endless(piece: bytes, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.sent = 0
        try:
            while handler.sent < 400_000_000:
                handler.wfile.write(piece)
                handler.sent += len(piece)
                sent.append(len(piece))
        except OSError:
            pass

    sent: list[int] = []
    answer.sent = sent
    return answer


def test_a18_an_answer_of_400_mb_is_cut_off_early():
    flood = endless(b" " * 1_000_000)
    with Elsewhere(flood).running() as url:
        begin = time.monotonic()
        assert "32 MB" in ask(url)
    assert time.monotonic() - begin < 3 and sum(flood.sent) < 60_000_000
    told = Elsewhere(says(b"{}", content_length="400000000"))
    with told.running() as url:
        assert "32 MB" in ask(url)


def test_a18_a_gzip_bomb_is_not_unpacked():
    bomb = gzip.compress(b" " * 200_000_000, 1)
    before = psutil.Process().memory_info().rss
    with Elsewhere(says(bomb, content_encoding="gzip")).running() as url:
        assert "32 MB" in ask(url)
    assert psutil.Process().memory_info().rss - before < 150_000_000
    with Elsewhere(says(bomb, content_encoding="br")).running() as url:
        assert "packs its answers" in ask(url)


def test_a_packed_answer_is_read():
    body = json.dumps({"choices": [{"message": {"content": "nothing to read"}}], "usage": {}}).encode()
    for packed, name in ((gzip.compress(body), "gzip"), (body, "identity")):
        with Elsewhere(says(packed, content_encoding=name)).running() as url:
            assert ask(url) == ""


def test_a18_an_answer_that_drips_ends_with_its_time():
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(100):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.1)

    with Elsewhere(drip).running() as url:
        begin = time.monotonic()
        assert "did not answer within 0.5 s" in ask(url, timeout_s=0.5)
    assert time.monotonic() - begin < 3


# Whom a caller may name ----------------------------------------------------------------------------------------------

INNER = [
    *("127.0.0.1", "127.1.2.3", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
    *("224.0.0.1", "239.1.1.1", "255.255.255.255", "240.0.0.1", "192.0.0.192", "100.100.100.200", "168.63.129.16"),
    *("198.18.0.1", "203.0.113.9", "::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "ff0e::1", "fec0::1"),
    *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe"),
    *("64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:0:7f00:1::", "2001:db8::1"),
]


@pytest.mark.parametrize("address", INNER)
def test_a18_an_inner_address_is_not_public(address):
    assert not is_public(literal(address))


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "104.18.7.192", "2606:4700::6812:7c0", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_an_address_of_the_internet_is_public(address):
    assert is_public(literal(address))


def test_an_allowed_host_is_a_host_a_port_or_a_network():
    egress = Egress(
        public_only=True, allowed=tuple(map(Allowed.of, ("10.0.0.0/8", "box:9", "[fd00::1]:80", "lan.test")))
    )
    allowed = ("http://10.9.9.9:1/v1", "http://box:9/v1", "http://[fd00::1]/v1", "http://LAN.test./v1")
    assert all(
        egress.trusts(Host.of(url)) or egress.permits(Host.of(url), [literal(Host.of(url).name)]) for url in allowed
    )
    for url in ("http://box/v1", "http://[fd00::1]:81/v1", "http://11.lan.test/v1"):
        host = Host.of(url)
        assert not egress.permits(host, [literal("192.168.0.1") if literal(host.name) is None else literal(host.name)])
    for wrong in ("", "a b", "http://x", "u@h", "h:99999", "h:"):
        with pytest.raises(Invalid):
            Allowed.of(wrong)


@pytest.fixture
def serve(settings: Settings, open_workspace: Callable[..., Workspace]):
    def start(**own: object):
        return here(open_workspace(changed(settings, **own)), raise_server_exceptions=False)

    return start


def converse(client, base_url: str, key: str | None = None, **server: object):
    order = {"brief": {"dialogues": 1, "turns": {"2": 1}}, "server": {"base_url": base_url, "retries": 0, **server}}
    body = {"order": order, **({"api_key": key} if key else {})}
    guarded = client.app.state.workspace.access.guarded
    return client.post("/converse", json=body, headers=as_("anna") if guarded else {})


NO_SERVERS = [
    "file:///etc/passwd",
    "gopher://x/",
    "javascript:alert(1)",
    "",
    "//x/v1",
    "http://",
    "http:///v1",
    "x",
    "ftp://x/",
]


@pytest.mark.parametrize("guarded", [True, False])
def test_a18_what_is_no_address_of_a_server_is_refused_at_once(serve, guarded):
    client = serve(api_keys=KEYS) if guarded else serve()
    for url in [*NO_SERVERS, "http://h:99999/", "http://exa mple/", "http://[::1/"]:
        response = converse(client, url)
        assert response.status_code == 422 and response.json()["field"] == "order.server.base_url", (url, response.text)
    assert not client.app.state.workspace.jobs.find()


def test_a18_inner_addresses_read_alike_open_closed_and_absent(serve):
    """One wording at once, whatever lies behind: nobody can tell a port or a host from another."""
    model = ChatServer()
    with model.running() as url, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        client = serve(api_keys=KEYS)
        port = closed.getsockname()[1]
        forms = ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]"]
        urls = [f"http://{host}:{port}/v1" for host in forms] + [url, "http://169.254.169.254/latest/meta-data"]
        urls += [
            "http://[fd00:ec2::254]/",
            "http://[64:ff9b::7f00:1]/v1",
            "http://10.0.0.1/v1",
            "http://absent.invalid/v1",
        ]
        said = {
            (response.status_code, response.json()["detail"]) for response in (converse(client, one) for one in urls)
        }
    assert said == {(422, REFUSED)} and not model.requests
    assert not client.app.state.workspace.jobs.find()


def test_a18_the_server_of_the_settings_and_the_allowed_ones_are_reached(serve):
    with ChatServer().running() as url:
        for own in ({"llm_base_url": url}, {"allowed_hosts": "127.0.0.1"}, {"allowed_hosts": "127.0.0.0/8,x:1"}):
            assert converse(serve(api_keys=KEYS, **own), url, model="scripted").status_code == 202
        assert converse(serve(), url, model="scripted").status_code == 202


def test_a18_a_late_refusal_has_the_same_words_as_a_closed_port_a_redirect_and_a_stranger():
    """A caller's own server that is public: whatever it does but answer as a model server, it is said alike."""
    egress = Egress(public_only=True, allowed=(Allowed.of("127.0.0.0/8"),))
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        said = {ask(f"http://caller.test:{closed.getsockname()[1]}/v1", egress)}
    said.add(ask("http://10.0.0.1:1/v1", egress))
    real = socket.getaddrinfo
    answers = [
        says(b"<html>", content_type="text/html"),
        says(b"", status="302", location="/"),
        endless(b" " * 1_000_000),
    ]
    answers += [says(b"no", status="404", content_type="text/html"), says(b"{}"), lambda handler: time.sleep(1)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(socket, "getaddrinfo", lambda name, *args, **more: real("127.0.0.1", *args, **more))
        for answer in answers:
            with Elsewhere(answer).running() as url:
                said.add(ask(url.replace("127.0.0.1", "caller.test"), egress, timeout_s=0.7))
        with ChatServer(["wrong_key"]).running() as url:
            assert "refused the API key" in ask(url.replace("127.0.0.1", "caller.test"), egress)
    assert said == {REFUSED}


# Passwords and keys --------------------------------------------------------------------------------------------------

USERS = ["http://user:canary-pw@127.0.0.1:9/v1", "https://canary-pw@example.org/v1", "http://127.0.0.1@203.0.113.9/"]


@pytest.mark.parametrize("url", [*USERS, "http://user:canary-pw%40@h/v1", "http://:canary-pw@h/v1", "http://@h/v1"])
def test_a19_a_password_in_a_url_is_refused_and_kept_nowhere(serve, url, caplog):
    client = serve()
    workspace = client.app.state.workspace
    response = converse(client, url)
    assert response.status_code == 422 and response.json()["detail"] == HAS_PASSWORD
    batch = {
        "operations": [
            {"name": "a", "call": "converse", "request": {"order": {"brief": {}, "server": {"base_url": url}}}}
        ]
    }
    assert client.post("/batch", json=batch).status_code == 422
    assert not workspace.jobs.find() and "canary-pw" not in caplog.text + response.text
    for file in workspace.folder.rglob("*"):
        assert not file.is_file() or b"canary-pw" not in file.read_bytes(), file


def kept(workspace: Workspace) -> list[str]:
    """The keys that ended jobs still have."""
    with workspace.catalog.session() as session:
        jobs = session.scalars(select(Job).where(Job.state.in_(ENDED))).all()
    assert jobs
    return [job.id for job in jobs if job.arguments.get("key")]


def bytes_of(workspace: Workspace, text: str) -> bool:
    """Whether a text is in the files of the catalog."""
    return any(text.encode() in file.read_bytes() for file in workspace.folder.glob("catalog.sqlite*"))


@pytest.mark.parametrize(
    "end", ["cancelled waiting", "in vain", "done", "failed", "cancelled", "interrupted", "deleted"]
)
def test_a13_a_job_forgets_its_key_however_it_ends(serve, end):
    client = serve()
    workspace = client.app.state.workspace
    queue, server = workspace.queue, {"base_url": "http://127.0.0.1:9/v1"}
    talk = {"name": "talk", "call": "converse", "request": {"api_key": KEY, "order": {"brief": {}, "server": server}}}
    operations = [{"name": "train", "call": "train", "request": {"dataset_id": "gone"}}, talk | {"after": ["train"]}]
    response = client.post("/batch", json={"operations": operations if end == "in vain" else [talk]})
    job = workspace.jobs.get(response.json()["operations"][-1]["job"]["id"])
    hidden = job.arguments["key"]
    assert bytes_of(workspace, hidden) and KEY not in response.text + client.get("/jobs").text
    match end:
        case "cancelled waiting":
            workspace.jobs.cancel(job.id)
        case "in vain":
            queue.give_up()
        case "deleted":
            workspace.conversations.delete(job.arguments["talk"])
        case _:
            queue.claim()
            queue.end(job.id, end)
    assert workspace.jobs.get(job.id).ended and kept(workspace) == [] and not bytes_of(workspace, hidden)


@pytest.mark.slow
def test_a13_keys_are_forgotten_by_real_workers_failed_cancelled_and_killed_and_over_a_restart(serve, open_workspace):
    with ChatServer(["wrong_key"], latency_s=0.5).running() as url, ChatServer(latency_s=60).running() as silent:
        client = serve(slots=2)
        workspace = client.app.state.workspace
        urls = [url, silent, silent, url, url]
        failed, cancelled, killed, *_ = ids = [
            converse(client, to, KEY, model="scripted", timeout_s=100).json()["id"] for to in urls
        ]
        hidden = [job.arguments["key"] for job in workspace.jobs.find()]
        workspace.start()
        until(lambda: workspace.jobs.get(cancelled).stage == "Writing", 120)
        workspace.jobs.cancel(cancelled)
        until(lambda: workspace.jobs.get(killed).stage == "Writing", 120)
        workspace.close()
        os.killpg(workspace.jobs.get(killed).pid, signal.SIGKILL)
        later = open_workspace(workspace.settings).start()
        until(lambda: all(later.jobs.get(id).ended for id in ids), 240)
        assert [later.jobs.get(id).state for id in (failed, cancelled)] == ["failed", "cancelled"]
    assert kept(workspace) == [] and not [text for text in hidden if bytes_of(workspace, text)]
    assert not [file for file in workspace.folder.rglob("*") if file.is_file() and KEY.encode() in file.read_bytes()]


def test_a13_keys_that_were_kept_by_ended_jobs_are_forgotten_at_the_start(workspace):
    hidden = workspace.access.secrets.hide(KEY)
    with workspace.catalog.session() as session:
        for number, state in enumerate(ENDED):
            session.add(
                Job(
                    id=f"old{number}",
                    kind="converse",
                    owner="local",
                    state=state,
                    arguments={"talk": "x", "key": hidden},
                )
            )
        session.add(
            Job(id="waiting", kind="converse", owner="local", state="queued", arguments={"talk": "x", "key": hidden})
        )
    assert len(kept(workspace)) == len(ENDED)
    workspace.queue.forget_secrets()
    assert kept(workspace) == [] and workspace.jobs.get("waiting").arguments["key"] == hidden


# Workers -------------------------------------------------------------------------------------------------------------

SECRETS = {
    "UNDERSTUDY_API_KEYS": f"{KEYS}",
    "UNDERSTUDY_LLM_API_KEY": "canary-of-the-model",
    "UNDERSTUDY_SECRET_KEYS": "canary-of-the-secrets-long-enough-1",
    "UNDERSTUDY_LLM_PROXY": "http://user:canary-of-the-proxy@proxy.test:3128",
    "AWS_SECRET_ACCESS_KEY": "canary-of-aws",
    "AWS_ACCESS_KEY_ID": "canary-of-aws-2",
    "OPENAI_API_KEY": "canary-of-openai",
    "OPENAI_CUSTOM_HEADERS": "canary: canary-of-headers",
    "HF_TOKEN": "canary-of-hf",
    "DB_PASSWORD": "canary-of-db",
    "MY_SECRET_THING": "canary-of-mine",
    "HTTPS_PROXY": "http://user:canary-of-https@proxy.test:3128",
    "SOMETHING_ELSE": "canary-of-something",
}


@pytest.mark.parametrize("talks", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["train", "converse"])
def test_a27_the_environment_of_a_job_has_no_secret(serve, dataset, monkeypatch, talks):
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    for name, value in (("OMP_DISPLAY_ENV", "false"), ("SSL_CERT_DIR", "/etc/ssl/certs"), ("A_LICENCE", "of-a-plugin")):
        monkeypatch.setenv(name, value)
    own = {name.removeprefix("UNDERSTUDY_").lower(): text for name, text in SECRETS.items() if "UNDERSTUDY" in name}
    with ChatServer(latency_s=2.0).running() as url:
        client = serve(**own, worker_environment="A_LICENCE", allowed_hosts="127.0.0.1")
        workspace = client.app.state.workspace.start()
        if talks:
            id = converse(client, url, KEY, model="scripted").json()["id"]
        else:
            id = workspace.training.train(dataset.id, "slow", {"epochs": 1000, "nap_s": 0.1}, metrics=[]).id
        until(lambda: workspace.jobs.get(id).pid is not None)
        process = psutil.Process(workspace.jobs.get(id).pid)
        until(lambda: "UNDERSTUDY_WORKSPACE" in process.environ())
        environment = process.environ()
        told = " ".join([*(f"{name}={value}" for name, value in environment.items()), *process.cmdline()])
        assert "canary" not in told and KEYS not in told
        assert environment["A_LICENCE"] == "of-a-plugin" and environment["SSL_CERT_DIR"] == "/etc/ssl/certs"
        assert {"PATH", "UNDERSTUDY_WORKSPACE", "UNDERSTUDY_PLUGINS", "OMP_DISPLAY_ENV"} <= environment.keys()
        if talks:
            assert workspace.jobs.wait(id, 120).state == "done"


def test_a27_a_job_that_computes_gets_no_key_at_all(workspace, dataset):
    trained = workspace.training.train(dataset.id, "slow", {}, metrics=[])
    assert secrets_of(trained) == {}
    assert json.loads(workspace.access.told({})) == {"guarded": False, "secrets": {}, "proxy": None, "unreadable": ""}


def test_a27_a_worker_without_keys_still_knows_that_the_server_is_guarded(serve):
    workspace = serve(api_keys=KEYS).app.state.workspace
    assert Handover.model_validate_json(workspace.access.told({})).guarded
    assert job_environment(workspace.settings).keys().isdisjoint({"UNDERSTUDY_API_KEYS", "UNDERSTUDY_SECRET_KEYS"})


def until(holds: Callable[[], bool], within_s: float = 60) -> None:
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)

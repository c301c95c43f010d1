"""Random and mutated requests, byte by byte: the server answers or hangs up, lives on, and does not grow."""

from __future__ import annotations

import gc
import json
import random
import socket
from collections import Counter
from contextlib import suppress
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from api import api
from tests.calling import KEYS, as_, changed
from tests.live import serving

PLENTY = "100000000/minute"
CALLS = [(method.upper(), path) for path, calls in api.openapi()["paths"].items() for method in calls]
JUNK = [b"", b"\0", b"\r\n", b"\xff\xfe", b"%00", b"%2e%2e/", b"{" * 50, b"[" * 2000, b"'\"", b"9" * 400, b"-1", b"NaN"]
JUNK += [
    "😀".encode(),
    b"../../etc/passwd",
    b"null",
    b"true",
    b"1e999",
    b"\xed\xa0\x80",
    b"A" * 70_000,
    b"%",
    b"?",
    b"#",
]


def request(rng: random.Random, ids: list[str]) -> bytes:
    """A request as a program might send it: a call of the API, on what is there or is not, with a body or not."""
    method, path = rng.choice(CALLS)
    for name in [part[1:-1] for part in path.replace(".", "/").split("/") if part.startswith("{")]:
        path = path.replace(f"{{{name}}}", rng.choice(["csv", "x", *ids]))
    fields = {
        "dataset_id": rng.choice([*ids, "x", 1, None]),
        "model": rng.choice(["trees", "bootstrap", "nothing", 5]),
        "rows": rng.choice([1, 0, -5, 10**30, 1.5, "many", None]),
        "params": rng.choice([{}, [], {"epochs": 1}, {"max_depth": "deep"}]),
        "schema": rng.choice([{}, {"columns": []}, None]),
        "columns": [{"name": "age", "kind": rng.choice(["integer", "nothing", "datetime"])}],
        "order": rng.choice([{}, {"brief": {}, "server": {}}, "brief"]),
        "text": "It does not work.",
        "operations": [
            {"name": "a", "call": rng.choice(["train", "sing"]), "request": {"dataset_id": rng.choice(ids)}}
        ],
    }
    body = json.dumps({name: fields[name] for name in rng.sample(list(fields), rng.randint(0, 4))}).encode()
    kind = b"application/json"
    if rng.random() < 0.3:
        kind = b"multipart/form-data; boundary=x"
        body = b"".join(
            b'--x\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
            % (name, rng.choice([b"", b'; filename="../a.csv"']), rng.choice([body, b"a,b\n1,2\n", *JUNK]))
            for name in rng.sample([b"file", b"files", b"model", b"rows", b"session"], 2)
        ) + b"--x--\r\n"  # fmt: skip
    query = rng.choice(["", "?limit=5", "?after=x", "?format=csv", "?offset=-1", "?token=a.b.c"])
    who = as_(rng.choice(["root", "anna", "bob"]))["X-API-Key"].encode()
    head = b"%s /api%s%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" % (
        method.encode(),
        path.encode(),
        query.encode(),
    )
    head += b"X-API-Key: %s\r\nContent-Type: %s\r\n" % (who, kind)
    if rng.random() < 0.2:
        head += b"%s: %s\r\n" % (rng.choice([b"Idempotency-Key", b"Range", b"Cookie", b"Origin", b"X-Request-ID"]), rng.choice([b"bytes=5-1", b"k", *JUNK[3:8]]))  # fmt: skip
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def mutated(rng: random.Random, sent: bytes) -> bytes:
    """The request with a few of its bytes changed, cut out, doubled, or replaced by what breaks parsers."""
    for _ in range(rng.choice([0, 0, 1, 3])):
        at = rng.randrange(len(sent) + 1)
        upto = min(len(sent), at + rng.choice([0, 1, 8, 200]))
        sent = sent[:at] + rng.choice([rng.choice(JUNK), sent[at:upto] * 2, rng.randbytes(3)]) + sent[upto:]
    return sent


def ask(address: tuple[str, int], sent: bytes) -> str:
    """The status of the answer; empty when the server hangs up, or waits for what does not come and is hung up on."""
    with socket.create_connection(address, timeout=2) as line, suppress(ConnectionError, TimeoutError):
        # Ends a head whose end was lost, and fills a body that was cut.
        line.sendall(sent + b"\r\n\r\n" + b" " * 300)
        return line.recv(12)[9:12].decode("ascii", "replace")
    return ""


@pytest.mark.parametrize("count", [400, pytest.param(5000, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
def test_mutated_requests_leave_the_server_alive_and_lean(settings, open_workspace, people, count):
    own = {"api_keys": KEYS, "call_limit": PLENTY, "start_limit": PLENTY, "max_queued": 10**6, "max_upload_mb": 1}
    workspace = open_workspace(changed(settings, **own))
    dataset = workspace.datasets.add(people, "people.csv", owner="root")
    job = workspace.training.train(dataset.id, "bootstrap", owner="root")
    # A job that waits would be followed for ever.
    workspace.jobs.cancel(job.id)
    rng, answered, held = random.Random(count), Counter(), []
    with serving(workspace) as url:
        address = (urlsplit(url).hostname, urlsplit(url).port)
        for number in range(count):
            if number in (count // 4, count - 1):
                gc.collect()
                held.append(psutil.Process().memory_info().rss / 2**20)
            answered[ask(address, mutated(rng, request(rng, [dataset.id, job.id])))] += 1
        assert httpx.get(f"{url}/api/health").json()["status"] == "ok"
    assert not [status for status in answered if status.startswith("5")], answered
    assert answered["200"] and answered["422"] and answered["404"], answered
    assert held[1] - held[0] < 60, held

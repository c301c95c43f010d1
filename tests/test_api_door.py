"""What every call passes: request ids, headers, CORS, the log, and what is turned away before its body is read."""

from __future__ import annotations

import json

import pytest

from api import api
from tests.calling import SECRET, changed, here
from workspace.settings import Settings
from workspace.telemetry.journal import Journal


@pytest.fixture
def serve(settings, open_workspace):
    """Serves a workspace with some settings of its own; gives a client."""
    return lambda **own: here(open_workspace(changed(settings, **own)), raise_server_exceptions=False)


def test_every_answer_has_a_request_id_the_clients_own_where_it_sent_a_proper_one(serve):
    client = serve()
    assert client.get("/health", headers={"X-Request-ID": "mine-1.2"}).headers["x-request-id"] == "mine-1.2"
    for given in ("two words", "x" * 65, "é"):
        made = client.get("/gone", headers={"X-Request-ID": given.encode()}).headers["x-request-id"]
        assert made != given and len(made) == 16


def test_every_answer_forbids_what_it_does_not_need(serve):
    client = serve()
    for path in ("/health", "/gone", "/datasets/gone"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff" and headers["cache-control"] == "no-store"
        assert headers["content-security-policy"].startswith("default-src 'none'")
    assert "script-src 'self'" in client.get("/docs").headers["content-security-policy"]


def test_only_the_pages_of_the_allow_list_may_call(serve):
    client = serve(cors_origins=["https://ours.example"])
    asked = {"Origin": "https://ours.example", "Access-Control-Request-Method": "POST"}
    assert client.options("/train", headers=asked).headers["access-control-allow-origin"] == "https://ours.example"
    assert client.options("/train", headers=asked | {"Origin": "https://other.example"}).status_code == 400
    answer = client.get("/datasets", headers={"Origin": "https://ours.example"})
    assert answer.status_code == 200 and answer.headers["access-control-allow-origin"] == "https://ours.example"


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://other.example"}, {"Origin": "null"}, {"Host": "other.example"}]
)
def test_without_keys_a_page_of_another_site_is_not_taken_for_the_analyst(serve, headers):
    answer = serve().post("/datasets", files={"files": ("a.csv", b"a\n1\n")}, headers=headers)
    assert answer.status_code == 403 and set(answer.json()) == {"error", "detail", "field", "timestamp"}
    own = {"Origin": "http://127.0.0.1:8501"}
    assert serve().post("/datasets", files={"files": ("a.csv", b"a\n1\n")}, headers=own).status_code == 201


def test_the_log_says_what_was_called_and_nothing_of_what_was_sent(serve):
    client = serve(api_keys=f"{SECRET}-anna:anna:write")
    files = {"files": ("salaries.csv", b"name,salary\nSigrid,123456\n")}
    sent = {"X-API-Key": f"{SECRET}-anna", "X-Request-ID": "r-1"}
    dataset = client.post("/datasets", files=files, headers=sent).json()["datasets"][0]
    client.get(f"/v1/datasets/{dataset['id']}?token={SECRET}-anna")
    client.get("/datasets", headers={"X-API-Key": "a-wrong-one"})
    text = api.state.workspace.journal.file.read_text()
    first, second, third = map(json.loads, text.splitlines())
    assert first.items() >= {
        "request": "r-1", "key": "anna", "method": "POST", "route": "/datasets", "status": 201, "level": "INFO",
    }.items()  # fmt: skip
    assert first["ms"] > 0 and second["route"] == "/datasets/{dataset_id}"
    assert (third["status"], third["key"], third["level"]) == (401, "", "WARNING")
    for private in (SECRET, "Sigrid", "123456", "salaries", dataset["id"], "a-wrong-one"):
        assert private not in text


def test_the_log_rotates_and_its_last_lines_are_found(tmp_path):
    journal = Journal(Settings(workspace=tmp_path, log_mb=1, log_files=1))
    for number in range(8000):
        journal.write(20, key=("anna", "bob")[number % 2], number=number, filler="x" * 100)
    journal.close()
    assert sorted(file.name for file in journal.file.parent.iterdir()) == ["api.jsonl", "api.jsonl.1"]
    assert [line["number"] for line in journal.last(2, key="anna")] == [7996, 7998]


def test_a_body_above_the_limit_is_turned_away_unread(serve):
    client = serve(max_upload_mb=1)
    large = b"a,b\n" + b"1,2\n" * 800_000
    answer = client.post("/datasets", files={"files": ("large.csv", large)})
    assert answer.status_code == 413 and "larger than 1 MB" in answer.json()["detail"]

    def pieces():
        yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.csv"\r\n\r\n'
        yield from (large[at : at + 2**16] for at in range(0, len(large), 2**16))

    form = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = client.post("/datasets", content=pieces(), headers=form)
    assert answer.status_code == 413 and answer.json()["error"]
    assert client.get("/datasets").json() == []


def test_who_has_no_key_is_told_so_whatever_the_body(serve):
    client = serve(api_keys=f"{SECRET}:anna:write")
    for form in ({"content": b"{", "headers": {"Content-Type": "application/json"}}, {"files": {"x": b"y"}}, {}):
        assert client.post("/datasets", **form).status_code == 401

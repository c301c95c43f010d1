"""Strangers' files: what is too much is refused before the work, and what is read is read outside of the server."""

from __future__ import annotations

import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import openpyxl
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench import leftovers
from tests.live import serving
from workspace.ingest import ingest
from workspace.ingest.ingest import ReadError
from workspace.ingest.limits import Limits
from workspace.ingest.process import Readers, ReadingEnded
from workspace.serving import temporary_files_in
from workspace.settings import Settings
from workspace.workspace import Workspace

# What says at once that it is too much -----------------------------------------------------------------------------

KEYS = {f"k{i}": 1 for i in range(10_000)}
HEADER = b",".join(b"c%d" % i for i in range(100_000))


def equal_rows(file: Path) -> None:
    """34 million equal cells in some hundred KB."""
    pq.write_table(pa.table({"a": pa.repeat(pa.scalar(7, pa.int8()), 34_000_000)}), file)


def nested_columns(file: Path) -> None:
    pq.write_table(pa.table({"a": pa.array([{f"f{i}": 1 for i in range(3_000)}])}), file)


def far_cell(file: Path) -> None:
    book = openpyxl.Workbook()
    for place in ("A1", "A2", "XFD1"):
        book.active[place] = "x"
    book.save(file)


def of_bytes(content: bytes) -> Callable[[Path], None]:
    return lambda file: file.write_bytes(content) and None


TOO_MUCH = {
    "equal rows.parquet": (equal_rows, "unpack to more than"),
    "nested columns.parquet": (nested_columns, "3,000 columns"),
    "5 MB of commas.csv": (of_bytes(b"," * 5_000_000), "columns"),
    "200,000 commas.csv": (of_bytes(b"," * 200_000 + b"\n" + b"," * 200_000 + b"\n"), "200,001 columns"),
    "a long header.csv": (of_bytes(HEADER + b"\n1,2,3\n4,5,6\n"), "columns"),
    "a long header.tsv": (of_bytes(HEADER.replace(b",", b"\t") + b"\n" + b"\t" * 99_999 + b"\n"), "columns"),
    "a long header with spaces.txt": (
        of_bytes(HEADER.replace(b",", b" ") + b"\n" + b"1 " * 99_999 + b"1\n"),
        "columns",
    ),
    "commas.csv.gz": (of_bytes(gzip.compress(b"," * 5_000_000)), "columns"),
    "keys.json": (of_bytes(json.dumps([KEYS]).encode()), "10,000 columns"),
    "lists.json": (of_bytes(json.dumps([[1] * 10_000]).encode()), "10,000 columns"),
    "side by side.json": (of_bytes(json.dumps({key: [1, 2] for key in KEYS}).encode()), "10,000 columns"),
    "a far cell.xlsx": (far_cell, "16,384 columns"),
}


@pytest.mark.parametrize("name", TOO_MUCH)
def test_a10_a11_what_holds_too_much_is_refused_before_the_work(name, tmp_path):
    make, words = TOO_MUCH[name]
    file = tmp_path / name
    make(file)
    for read in (lambda: ingest.preview(file, name), lambda: ingest.ingest(file, name, tmp_path / "table.duckdb")):
        begun = time.process_time()
        with pytest.raises(ReadError, match=words):
            read()
        assert time.process_time() - begun < 1.0
    assert not (tmp_path / "table.duckdb").exists()


def write_parquet(file: Path) -> None:
    pq.write_table(pa.table({"a": list(range(101)), "b": ["x"] * 101}), file)


def write_workbook(file: Path) -> None:
    book = openpyxl.Workbook()
    for row in [("a", "b"), *((i, "x") for i in range(101))]:
        book.active.append(row)
    book.save(file)


ROWS_101 = b"a,b\n" + b"1,x\n" * 101


@pytest.mark.parametrize(
    "name, make",
    [
        ("rows.csv", of_bytes(ROWS_101)),
        ("rows with stray quotes.csv", of_bytes(ROWS_101.replace(b"x", b'x"y'))),
        ("rows.csv.gz", of_bytes(gzip.compress(ROWS_101))),
        ("rows.json", of_bytes(json.dumps([{"a": i, "b": "x"} for i in range(1025)]).encode())),
        ("rows.parquet", write_parquet),
        ("rows.xlsx", write_workbook),
    ],
)
@pytest.mark.parametrize("limits, words", [(Limits(rows=100), "100 rows"), (Limits(cells=199), "199 cells")])
def test_a10_rows_and_cells_have_a_limit_in_every_format(name, make, limits, words, tmp_path):
    make(tmp_path / name)
    with pytest.raises(ReadError, match=words):
        ingest.ingest(tmp_path / name, name, tmp_path / "table.duckdb", limits=limits)


def test_a10_a_long_text_in_every_row_of_a_parquet_file_is_kept_once(tmp_path):
    # 2,000 rows of a MB each in 50 KB: unfolded they would be 2 GB.
    file, long = tmp_path / "long.parquet", pa.array(["x" * 1_000_000, "y"])
    places = pa.array([0, 1] * 1000, pa.int32())
    pq.write_table(pa.table({"a": pa.DictionaryArray.from_arrays(places, long)}), file, store_schema=False)
    pool = pa.default_memory_pool()
    before = pool.max_memory()
    assert ingest.ingest(file, file.name, tmp_path / "table.duckdb").rows == 2000
    assert pool.max_memory() - before < 100e6
    assert (tmp_path / "table.duckdb").stat().st_size < 20e6


def test_a10_what_lists_hold_counts_as_cells(tmp_path):
    file = tmp_path / "lists.parquet"
    pq.write_table(pa.table({"a": [[7] * 200_000, []]}), file)
    with pytest.raises(ReadError, match="100,000 cells"):
        ingest.ingest(file, file.name, tmp_path / "table.duckdb", limits=Limits(cells=100_000))


def test_a11_a_new_key_in_every_row_is_refused_while_it_is_read(tmp_path):
    file = tmp_path / "keys.jsonl"
    file.write_text("".join(f'{{"{key}": 1}}\n' for key in KEYS))
    with pytest.raises(ReadError, match="2,001 columns"):
        ingest.ingest(file, file.name, tmp_path / "table.duckdb")


# A process of its own ----------------------------------------------------------------------------------------------

SLOW = b"a,b\n" + b'"x"y,1\n' * 1_000_000
"""Stray quotes: each line is read with care, which takes seconds."""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    opened = Workspace(Settings(workspace=tmp_path_factory.mktemp("reading")))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def server(workspace: Workspace) -> Iterator[str]:
    with serving(workspace) as address:
        yield address + "/api"


def readers_of_this_process() -> list[psutil.Process]:
    return [one for one in psutil.Process().children() if "workspace.ingest.child" in one.cmdline()]


def busy() -> list[psutil.Process]:
    """Readers that read a file now: they stand in the folder for what is temporary."""
    return [one for one in readers_of_this_process() if is_busy(one)]


def is_busy(reader: psutil.Process) -> bool:
    return Path(reader.cwd()).parent.name == "tmp"


def waited_for(truth: Callable[[], object], seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if truth():
            return True
        time.sleep(0.02)
    return False


def test_the_server_answers_while_a_slow_file_is_read_and_a_client_that_leaves_ends_the_reading(server, workspace):
    head = (
        b"POST /api/datasets HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        b"Content-Length: %d\r\n\r\n"
    )
    body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="slow.csv"\r\n\r\n' + SLOW + b"\r\n--x--\r\n"
    place = urlsplit(server)
    with socket.create_connection((place.hostname, place.port)) as line:
        line.sendall(head % len(body) + body)
        assert waited_for(busy)
        slowest = 0.0
        for _ in range(10):
            begun = time.perf_counter()
            assert httpx.get(server + "/health").status_code == 200
            slowest = max(slowest, time.perf_counter() - begun)
            time.sleep(0.05)
        assert busy()
    # The connection is closed.
    begun = time.perf_counter()
    assert waited_for(lambda: not busy())
    assert time.perf_counter() - begun < 2.0 and slowest < 3.0
    assert waited_for(lambda: not list((workspace.folder / "tmp").iterdir()), 2.0)
    assert not workspace.datasets.find() and not list((workspace.folder / "datasets").iterdir())


def limited(workspace: Workspace, **limits: int) -> Readers:
    return Readers(workspace.files, workspace.settings.model_copy(update=limits))


def test_a_limit_on_seconds_ends_in_a_sentence(workspace, tmp_path):
    file = tmp_path / "slow.csv"
    file.write_bytes(SLOW)
    begun = time.monotonic()
    with pytest.raises(ReadError, match=r"longer than 1 seconds to read.* raise UNDERSTUDY_READ_SECONDS"):
        limited(workspace, read_seconds=1).ingest(file, "slow.csv", tmp_path / "table.duckdb")
    assert time.monotonic() - begun < 10
    assert not busy() and not list(tmp_path.glob("*.duckdb"))


def test_a_limit_on_memory_ends_in_a_sentence(workspace, tmp_path):
    file = tmp_path / "large.json"
    file.write_text("[" + ",".join(['{"a": [[[[]]]]}'] * 600_000) + "]")
    with pytest.raises(
        ReadError, match=r"more than 128 MB of memory to read. Split it, or raise UNDERSTUDY_READ_MEMORY"
    ):
        limited(workspace, read_memory_mb=128).ingest(file, "large.json", tmp_path / "table.duckdb")


def test_a_reader_that_crashes_costs_that_file_alone(workspace, people, tmp_path):
    slow = tmp_path / "slow.csv"
    slow.write_bytes(SLOW)
    with ThreadPoolExecutor() as threads:
        reading = threads.submit(workspace.readers.ingest, slow, "slow.csv", tmp_path / "table.duckdb")
        assert waited_for(busy)
        busy()[0].send_signal(signal.SIGSEGV)
        with pytest.raises(ReadError, match="made its reader crash"):
            reading.result(60)
    assert workspace.readers.preview(people, "people.csv").columns[0] == "city"


def test_what_is_read_ends_when_the_server_is_told_to(workspace, tmp_path):
    slow = tmp_path / "slow.csv"
    slow.write_bytes(SLOW)
    readers = limited(workspace)
    with ThreadPoolExecutor() as threads:
        reading = threads.submit(readers.ingest, slow, "slow.csv", tmp_path / "table.duckdb")
        assert waited_for(busy)
        readers.close()
        begun = time.monotonic()
        with pytest.raises(ReadingEnded, match="The server is ending"):
            reading.result(60)
        assert time.monotonic() - begun < 2
    assert not busy()


def test_at_most_so_many_files_are_read_at_once(workspace, tmp_path):
    slow = tmp_path / "slow.csv"
    slow.write_bytes(SLOW)
    readers = limited(workspace, readers=1)
    with ThreadPoolExecutor() as threads:
        reading = [threads.submit(readers.ingest, slow, "slow.csv", tmp_path / f"{i}.duckdb") for i in range(3)]
        assert waited_for(busy)
        counts = [len(busy()) for _ in range(10) if not time.sleep(0.02)]
        readers.close()
        assert max(counts) == 1 and all(isinstance(one.exception(60), ReadingEnded) for one in reading)


def test_a_reader_knows_no_secret_and_writes_in_the_workspace_alone(workspace, tmp_path, monkeypatch):
    secret = "a-secret-of-32-letters-or-more-1"
    for name in ("UNDERSTUDY_API_KEYS", "UNDERSTUDY_SECRET_KEYS", "UNDERSTUDY_LLM_API_KEY", "UNDERSTUDY_DATABASE_URL"):
        monkeypatch.setenv(name, secret)
    known = set(readers_of_this_process())
    file = tmp_path / "latin.csv"
    file.write_bytes(b"name,n\n" + '"Jos\xe9"x,1\n'.encode("latin-1") * 500_000)
    with ThreadPoolExecutor() as threads:
        readers = limited(workspace)
        several = [threads.submit(readers.ingest, file, "l.csv", tmp_path / f"{i}.duckdb") for i in range(3)]
        assert waited_for(lambda: len(busy()) == 3)
        fresh = [one for one in busy() if one not in known]
        assert fresh
        for one in fresh:
            assert secret not in str(one.environ()) and "UNDERSTUDY" not in str(one.environ())
            written = [Path(opened.path) for opened in one.open_files() if opened.mode != "r"]
            assert all(path.is_relative_to(tmp_path) or path.is_relative_to(workspace.folder) for path in written)
        readers.close()
        assert all(one.exception(60) for one in several)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a09_no_row_lies_outside_the_workspace_after_20_kills_nor_anywhere_after_a_delete():
    assert leftovers.measured(20) == {"kills": 20, "with rows outside": 0, "files after delete": 0}


@pytest.mark.slow
@pytest.mark.parametrize("command", [(), ("streamlit", "run", "app.py", "--server.headless=true")])
def test_a_server_that_is_told_to_ends_within_10_s_whatever_it_reads(command, tmp_path):
    slow = tmp_path / "slow.csv"
    slow.write_bytes(SLOW)
    server = leftovers.Server(tmp_path, *command)
    with ThreadPoolExecutor() as threads:
        sent = threads.submit(
            httpx.post, server.api + "/datasets", files={"files": ("slow.csv", slow.read_bytes())}, timeout=120
        )
        assert waited_for(lambda: any(map(is_busy, psutil.Process(server.process.pid).children())))
        children = psutil.Process(server.process.pid).children()
        begun = time.monotonic()
        server.process.terminate()
        server.process.wait(60)
        assert time.monotonic() - begun < 10
        assert sent.result(20).status_code == 503 and "The server is ending" in sent.result().json()["detail"]
    assert waited_for(lambda: not any(one.is_running() for one in children), 5)
    assert not list((tmp_path / "workspace" / "datasets").iterdir())


@pytest.mark.slow
def test_a_reader_ends_with_the_process_that_started_it(tmp_path):
    slow = tmp_path / "slow.csv"
    slow.write_bytes(SLOW)
    code = f"""
from pathlib import Path
from workspace.settings import Settings
from workspace.workspace import Workspace
folder = Path({str(tmp_path)!r})
Workspace(Settings(workspace=folder / "w")).datasets.add(folder / "slow.csv", "slow.csv")
"""
    with subprocess.Popen([sys.executable, "-c", code]) as parent, ExitStack() as at_end:
        at_end.callback(parent.kill)
        assert waited_for(lambda: any(map(is_busy, psutil.Process(parent.pid).children())))
        [reader] = psutil.Process(parent.pid).children()
    assert waited_for(lambda: not reader.is_running() or reader.status() == psutil.STATUS_ZOMBIE, 3)
    # What it wrote is cleared away by the next start.
    assert list((tmp_path / "w" / "tmp").iterdir())
    workspace = Workspace(Settings(workspace=tmp_path / "w"))
    workspace.clean_up()
    workspace.close()
    assert not list((tmp_path / "w" / "tmp").iterdir())


def test_a09_what_a_server_writes_for_a_moment_lies_in_its_workspace(workspace, monkeypatch):
    monkeypatch.setattr("workspace.serving.FRESH_S", 0.05)
    before = tempfile.gettempdir()
    with temporary_files_in(workspace.files):
        # As the web server keeps an upload of more than a megabyte, and any library its scratch.
        with tempfile.NamedTemporaryFile() as spooled:
            folder = Path(spooled.name).parent
            assert folder.parent == workspace.folder / "tmp"
        os.utime(folder, (0, 0))
        assert waited_for(lambda: folder.stat().st_mtime > 0, 10)
    assert tempfile.gettempdir() == before and not folder.exists()

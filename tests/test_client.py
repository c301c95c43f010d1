"""The client and its command line against a live server: the common walk, cut lines, busy servers, errors in words."""

from __future__ import annotations

import ast
import asyncio
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from api.cli import main
from api.client import AsyncUnderstudy, Bar, Calls, JobFailed, Run, Understudy, UnderstudyError
from tests.chat_server import ChatServer
from tests.conftest import PLUGIN, write_people
from tests.live import Line, serving
from workspace.settings import Settings
from workspace.workspace import Workspace

ROOT = Path(__file__).parent.parent
SECRET = "Kp4vT7qLx2mBz9wd"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("workspace")
    workspace = Workspace(Settings(workspace=folder, plugins=[PLUGIN], slots=2, threads_per_job=1)).start()
    with serving(workspace) as url:
        yield url
    workspace.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_people(tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="module")
def run(address: str, file: Path) -> Run:
    """A synthetic table of some hundred kilobytes."""
    with Understudy(address) as understudy:
        job = understudy.train(understudy.upload(file), "bootstrap", rows=5000, metrics=["column_shapes"])
        return understudy.run(understudy.wait(job))


@pytest.fixture(scope="module")
def whole(address: str, run: Run, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    with Understudy(address) as understudy:
        return understudy.download(run, tmp_path_factory.mktemp("whole")).read_bytes()


def test_upload_train_wait_download_in_five_lines(address, file, tmp_path):
    with Understudy(address) as understudy:
        table = understudy.upload(file, holdout_share=0.1)
        job = understudy.train(table, model="bootstrap", rows=30, metrics=[])
        done = understudy.wait(job)
        target = understudy.download(done, tmp_path / "synthetic.csv")
    assert (table.name, table.rows, table.holdout_rows) == ("people.csv", 100, 10)
    assert list(pd.read_csv(target).columns) == ["city", "age", "income", "who"]
    assert len(pd.read_csv(target)) == 30
    assert [left.name for left in tmp_path.iterdir()] == ["synthetic.csv"]


def test_the_same_calls_can_be_awaited_side_by_side(address, file, tmp_path):
    async def walk(understudy: AsyncUnderstudy, seed: int) -> Path:
        table = await understudy.upload(file)
        job = await understudy.train(table, "bootstrap", rows=10, seed=seed, metrics=[])
        return await understudy.download(await understudy.wait(job), tmp_path / f"{seed}.jsonl", format="jsonl")

    async def walks() -> list[Path]:
        async with AsyncUnderstudy(address) as understudy:
            return await asyncio.gather(*(walk(understudy, seed) for seed in range(2)))

    assert [len(target.read_text().splitlines()) for target in asyncio.run(walks())] == [10, 10]


def test_both_clients_have_every_call():
    calls = {name for name, value in vars(Calls).items() if callable(value) and value.__doc__} - {"__init__"}
    calls -= {"answer_to", "request"}
    assert calls <= set(vars(Understudy)) and calls <= set(vars(AsyncUnderstudy))


def test_more_rows_are_drawn_and_listed(address, run):
    with Understudy(address) as understudy:
        job = understudy.wait(understudy.generate(run.job_id, 7, seed=1, metrics=["exact_copies"]))
        more = understudy.run(job)
        assert (more.rows, set(more.scores)) == (7, {"exact_copies"})
        assert more.id in [one.id for one in understudy.runs()]
        assert job.id in [one.id for one in understudy.jobs("done")]


@pytest.mark.parametrize("target", ["", "named.csv"])
def test_a_download_goes_on_where_the_line_was_cut(address, run, whole, tmp_path, target):
    line = Line(address, cuts=[10_000, 15_000])
    with line.open() as near, Understudy(near) as understudy:
        assert understudy.download(run, tmp_path / target).read_bytes() == whole
    assert not line.cuts
    assert line.brought < len(whole) + 10_000  # the file once, and headers
    assert [left.name for left in tmp_path.iterdir()] == [target or "people-synthetic-bootstrap.csv"]


def test_a_download_that_was_given_up_goes_on_in_the_next_call(address, run, whole, tmp_path):
    cut = Line(address, cuts=[20_000]).open()
    with cut as near, Understudy(near, patience_s=0) as hasty, pytest.raises(UnderstudyError, match="was lost"):
        hasty.download(run, tmp_path / "rows.csv")
    (part,) = tmp_path.iterdir()
    line = Line(address, cuts=[])
    with line.open() as near, Understudy(near) as understudy:
        assert understudy.download(run, tmp_path / "rows.csv").read_bytes() == whole
    assert line.brought < len(whole) - 10_000
    assert not part.exists()


def test_of_a_file_that_changed_meanwhile_nothing_old_is_kept(address, run, whole, tmp_path):
    (tmp_path / "rows.csv.0123-old.part").write_bytes(b"rows of an older file")
    with Understudy(address) as understudy:
        assert understudy.download(run, tmp_path / "rows.csv").read_bytes() == whole
    assert [left.name for left in tmp_path.iterdir()] == ["rows.csv"]


def test_a_busy_server_is_asked_again_after_the_pause_it_names(settings, open_workspace):
    keys = Settings(api_keys=f"{SECRET}:dora:read").api_keys
    limited = settings.model_copy(update={"api_keys": keys, "call_limit": "3/second"})
    with serving(open_workspace(limited)) as url:
        with Understudy(url, SECRET) as understudy:
            assert [understudy.jobs() for _ in range(8)] == [[]] * 8
        with Understudy(url, SECRET, patience_s=0) as understudy, pytest.raises(UnderstudyError) as refused:
            [understudy.jobs() for _ in range(8)]
        assert refused.value.status == 429
        with (
            Understudy(url, "wrong") as understudy,
            pytest.raises(UnderstudyError, match="UNDERSTUDY_API_KEY") as refused,
        ):
            understudy.jobs()
        assert refused.value.status == 401


def test_errors_are_said_in_words(address, file, tmp_path):
    with Understudy(address) as understudy:
        with pytest.raises(UnderstudyError, match="no file"):
            understudy.upload(tmp_path / "gone.csv")
        table = understudy.upload(file)
        with pytest.raises(UnderstudyError, match="no generator") as refused:
            understudy.train(table, "nonsense")
        assert refused.value.status == 422
        job = understudy.train(table, "slow", params={"manner": "failing"})
        with pytest.raises(JobFailed, match="failed") as failed:
            understudy.wait(job)
        assert failed.value.job.id == job.id and failed.value.job.error
        with pytest.raises(UnderstudyError, match="has made nothing yet"):
            understudy.download(job)
        slow = understudy.train(table, "slow", params={"epochs": 1000})
        with pytest.raises(TimeoutError, match="it goes on"):
            understudy.wait(slow, timeout_s=0.1)
        assert understudy.cancel(slow).id == slow.id
        with pytest.raises(JobFailed, match="cancelled"):
            understudy.wait(slow)
        with pytest.raises(UnderstudyError, match="There is no"):
            understudy.run("gone")
    with Understudy("http://127.0.0.1:9") as nobody, pytest.raises(UnderstudyError, match="No server answers"):
        nobody.jobs()


def test_it_is_one_file_that_needs_httpx_alone():
    tree = ast.parse((ROOT / "api" / "client.py").read_text(encoding="utf-8"))
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0]
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert imported - set(sys.stdlib_module_names) == {"httpx"}
    # Nor does it bring the server along where it lies beside it.
    code = "import sys, api.client; sys.exit(any(name in sys.modules for name in ('fastapi', 'pandas', 'workspace')))"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_the_bar_fills_on_a_terminal_and_stays_away_from_files():
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal, log = Terminal(), io.StringIO()
    for file in (terminal, log):
        Bar(file, width=4)("download", 0.5)
    assert terminal.getvalue().endswith("██░░  50% download")
    assert log.getvalue() == ""


# The command line --------------------------------------------------------------------------------------------------


@pytest.fixture
def command(address, capsys, monkeypatch):
    """Runs a command; gives its exit code, what it printed, and what it complained of."""
    monkeypatch.setenv("UNDERSTUDY_URL", address)

    def run(*words: object) -> tuple[int, str, str]:
        code = main([str(word) for word in words])
        printed = capsys.readouterr()
        return code, printed.out.strip(), printed.err.strip()

    return run


def test_one_command_goes_from_a_file_to_a_synthetic_one(command, file, tmp_path):
    target = tmp_path / "synthetic.parquet"
    asked = ("--model", "slow", "--epochs", 2, "--param", "nap_s=0", "--rows", 40, "--metrics", "column_shapes")
    assert command("train", file, *asked, "-o", target) == (0, str(target), "")
    assert len(pd.read_parquet(target)) == 40


def test_commands_for_each_step_pass_ids_on(command, file, tmp_path):
    table = command("upload", file)[1].split()[0]
    job = command("train", table, "--model", "bootstrap", "--metrics", "", "--no-wait")[1].split()[0]
    run = json.loads(command("--json", "wait", job)[1])["run_id"]
    assert command("jobs", job)[1].startswith(f"{job}  train     done         100%  run {run}")
    assert command("evaluate", run, "--metrics", "column_shapes")[1].startswith("column_shapes")
    assert command("download", run, "-o", tmp_path)[0] == 0
    assert [target.name for target in tmp_path.iterdir()] == ["people-synthetic-bootstrap.csv"]
    for listing, words in (
        ("datasets", table),
        ("runs", run),
        ("models", "trees"),
        ("metrics", "exact_copies"),
        ("kinds", "train"),
    ):
        assert words in command(listing)[1]


def test_conversations_are_written_from_a_description(command, tmp_path):
    target = tmp_path / "talks.csv"
    with ChatServer().running() as url:
        model = ("--llm-url", url, "--llm-model", "scripted", "--llm-key", "sk-1")
        assert command("converse", "--business", "A bakery.", "--dialogues", 2, *model, "-o", target)[0] == 0
    assert pd.read_csv(target).iloc[:, 0].nunique() == 2


def test_a_kind_of_job_that_is_not_there_is_refused(command, file):
    code, _, complaint = command("submit", "count_words", "--table", file, "--param", "column=city")
    assert code == 1 and "There is no kind of job 'count_words'" in complaint


def test_a_command_that_fails_says_why_and_returns_1(command, tmp_path):
    assert command("train", tmp_path / "gone.csv")[0] == 1
    code, printed, complaint = command("download", "gone")
    assert (code, printed) == (1, "") and "There is no" in complaint


@pytest.mark.parametrize("module", ["api", "api.client"])
def test_it_runs_as_a_module(address, module):
    words = [sys.executable, "-m", module, "--url", address, "health"]
    assert "status: ok" in subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout

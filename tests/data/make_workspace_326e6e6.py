"""Makes `workspace_326e6e6.tar.gz`: a workspace as the first release left it, with rows in every table.

Run it in a checkout of that revision, which had no version number and no migrations:

    git worktree add ../first 326e6e6 && cd ../first && make setup-dev
    PYTHONPATH=. .venv/bin/python PATH/TO/make_workspace_326e6e6.py PATH/TO/workspace_326e6e6.tar.gz
"""

import sys
import tarfile
import tempfile
from pathlib import Path

import pandas as pd
from sqlalchemy import func, select
from workspace.batches import Operation
from workspace.orders import Order

from synth.conversations import brief_from
from tests.chat_server import ChatServer
from workspace.catalog import Row
from workspace.settings import Settings
from workspace.workspace import Workspace

PEOPLE = 200
METRICS = ["column_shapes", "validity", "exact_copies"]


def people(folder: Path) -> Path:
    """Two cities, ages, incomes, days, names: made up by a rule."""
    rows = [
        (
            f"P{i:04}",
            ("Oslo", "Bergen", "")[i % 7 % 3],
            20 + i % 50,
            f"{1000 + 10 * i}.50",
            f"2023-0{1 + i % 9}-1{i % 9}",
        )
        for i in range(PEOPLE)
    ]
    file = folder / "people.csv"
    pd.DataFrame(rows, columns=["person_id", "city", "age", "income", "since"]).to_csv(file, index=False)
    return file


def dialogues(folder: Path) -> Path:
    """15 dialogues of four turns on three intents."""
    intents = {"delivery": "my parcel is late", "refund": "i want my money back", "account": "i cannot sign in"}
    rows = [
        (f"c{i}", turn, ("customer", "agent")[turn % 2], f"{intents[intent]} {word} number {i:03}", intent)
        for i in range(15)
        for intent in [list(intents)[i % 3]]
        for turn, word in enumerate(("please", "sorry", "thanks", "goodbye"))
    ]
    file = folder / "talks.csv"
    pd.DataFrame(rows, columns=["id", "turn", "role", "text", "intent"]).to_csv(file, index=False)
    return file


def fill(workspace: Workspace, folder: Path) -> None:
    """A trained, judged and released run, others beside it, a conversation set, and a row in every table."""
    dataset = workspace.add_dataset(people(folder), "people.csv", session="first-visit")
    trained = done(workspace, workspace.train(dataset.id, "trees", metrics=METRICS, format="csv").id)
    done(workspace, workspace.sample(trained.run_id, 50, seed=1, metrics=METRICS, conditions={"city": "Oslo"}).id)
    done(
        workspace,
        workspace.tune(
            dataset.id,
            "trees",
            {"min_leaf": 20},
            trials=2,
            search=["min_leaf"],
            objective="column_shapes",
            metrics=METRICS,
        ).id,
    )
    workspace.set_thresholds(dataset.id, workspace.thresholds(dataset.id)[:2])
    workspace.add_run(dataset.id, workspace.export(trained.run_id, "csv"), "elsewhere.csv")
    operations = [
        Operation("draw", "sample", lambda of: workspace.sample(trained.run_id, 40, metrics=METRICS)),
        Operation("judge", "evaluate", lambda of: workspace.evaluate(None, METRICS, of=of), of="draw"),
    ]
    batch = workspace.add_batch(operations, "local")
    for job_id in batch.operations.values():
        done(workspace, job_id)
    talks = workspace.add_dataset(dialogues(folder), "talks.csv")
    shape = workspace.find_shape(talks.id)
    with ChatServer().running() as url:
        server = workspace.server(base_url=url, model="scripted", api_key="sk-test", retries=1)
        brief = brief_from(workspace.dialogues(talks.id, shape), dialogues=4, seed=3)
        order = Order(brief=brief, server=server, shape=shape, intent="intent", metrics=["plan_coverage"])
        done(workspace, workspace.converse(talks.id, order).id)
    workspace.make_key("anna", ["write"])
    workspace.begin_answer("anna", "once", "a call")
    workspace.keep_answer("anna", "once", 200, "{}")
    workspace.report_bug("The chart of ages is empty.", "anna")


def done(workspace: Workspace, job_id: str):
    job = workspace.wait(job_id, 120)
    assert job.state == "done", workspace.log_tail(job_id)
    return job


def main(target: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "workspace"
        workspace = Workspace(Settings(workspace=home, calibrate=False)).start()
        fill(workspace, Path(folder))
        with workspace.catalog.session() as session:
            counted = {
                table.name: session.scalar(select(func.count()).select_from(table))
                for table in Row.metadata.sorted_tables
            }
        workspace.catalog.forget_deleted()
        workspace.close()
        assert all(counted.values()), counted
        print(counted)
        with tarfile.open(target, "w:gz", compresslevel=9) as archive:
            archive.add(home, "workspace")
    print(f"{target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())

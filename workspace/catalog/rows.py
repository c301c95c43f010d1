"""The rows of the catalog: datasets, runs, jobs and their events, conversation sets, keys."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from sqlalchemy import (
    JSON,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    LargeBinary,
    String,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from synth import Schema
from synth.conversations.order import ConversationRequest
from synth.errors import Damaged, Invalid, InWords
from synth.schema.rules import RuleReport
from workspace.ingest.rejected import Rejected
from workspace.storage.damage import read_whole
from workspace.storage.files import RunFiles, Stage

if TYPE_CHECKING:
    from metrics import Score

State = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
UNFINISHED: tuple[State, ...] = ("queued", "running")
ENDED: tuple[State, ...] = tuple(state for state in get_args(State) if state not in UNFINISHED)


class NotFound(InWords, LookupError):
    """Nothing in the workspace has this id; the message is a sentence for the person who asked."""


def new_id() -> str:
    return secrets.token_hex(8)


def now() -> datetime:
    return datetime.now(UTC)


class Split(BaseModel):
    """How a dataset's real rows are split into training rows and held-out rows, which no generator ever sees."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["share", "file", "none"] = Field(
        description="Held-out rows are drawn from the upload, come in a file of their own, or do not exist."
    )
    rows: int = Field(0, ge=0, description="Rows held out.")
    of: int = Field(0, ge=0, description="Rows of the upload.")
    share: float = Field(0.0, ge=0, lt=1, description="Share of the upload that was to be held out.")
    seed: int = 0
    file: str | None = Field(
        None, description="The file in the dataset's folder that holds the rows, or their positions."
    )

    @property
    def stored(self) -> str:
        """The name of that file. Raises Invalid when no rows are held out."""
        if self.file is None:
            raise Invalid("No rows are held out.")
        return self.file


class _Utc(TypeDecorator[datetime]):
    """A moment in UTC. SQLite stores no time zone, so it is added as a row is read."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


class _Typed(TypeDecorator[Any]):
    """A pydantic type, stored as JSON. Keys that a newer version stored are ignored."""

    impl = JSON(none_as_null=True)
    cache_ok = True

    def __init__(self, kind: Any):
        super().__init__()
        self.kind = kind
        self._adapter = TypeAdapter(kind)

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else self._adapter.dump_python(value, mode="json")

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else self._adapter.validate_python(value, extra="ignore")


class Row(DeclarativeBase):
    type_annotation_map = {
        datetime: _Utc,
        Schema: _Typed(Schema),
        Split: _Typed(Split),
        ConversationRequest: _Typed(ConversationRequest),
        list[Rejected]: _Typed(list[Rejected]),
        list[RuleReport]: _Typed(list[RuleReport]),
        list[str]: JSON,
        dict[str, Any]: JSON(none_as_null=True),
        dict[str, float]: JSON,
        dict[str, str]: JSON,
    }

    word: ClassVar[str]
    """What people call such a row."""

    def __init_subclass__(cls, **options: Any) -> None:
        cls.word = "".join(f" {c.lower()}" if c.isupper() else c for c in cls.__name__).strip()
        super().__init_subclass__(**options)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {getattr(self, 'id', '')}>"


class Entity(Row):
    """A row with an id of its own, which people and paths name it by."""

    __abstract__ = True

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    created: Mapped[datetime] = mapped_column(default=now)


T = TypeVar("T", bound=Row)
E = TypeVar("E", bound=Entity)


class Dataset(Entity):
    """An uploaded table: its schema, its split, and how its file was read."""

    __tablename__ = "datasets"

    name: Mapped[str]
    owner: Mapped[str] = mapped_column(String(200), index=True)
    rows: Mapped[int]
    columns: Mapped[int]
    schema: Mapped[Schema]
    split: Mapped[Split]
    summary: Mapped[str]
    """How the file was read, in one line."""
    lines: Mapped[int]
    rejected: Mapped[list[Rejected]]
    rejected_rows: Mapped[int]
    """How many lines could not be read; `rejected` names the first thousand."""
    source: Mapped[str]
    size_bytes: Mapped[int]
    session: Mapped[str | None] = mapped_column(String(64), index=True)
    """The session it was uploaded in, whose datasets are deleted together; None: it did not come through the API."""

    @property
    def holdout_rows(self) -> int:
        return self.split.rows

    @property
    def holdout_kind(self) -> str:
        return self.split.kind

    @property
    def train_rows(self) -> int:
        return self.rows - self.split.rows if self.split.kind == "share" else self.rows


class Job(Entity):
    """A unit of work: a row, and a process while it runs."""

    __tablename__ = "jobs"
    __table_args__ = (Index("jobs_by_state", "state", "created"),)

    kind: Mapped[str] = mapped_column(String(40))
    owner: Mapped[str] = mapped_column(String(200), index=True)
    dataset_id: Mapped[str | None] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"), index=True)
    run_id: Mapped[str | None] = mapped_column(String(32), index=True)
    """The run that it made or works on."""
    arguments: Mapped[dict[str, Any]] = mapped_column(default=dict)
    batch_id: Mapped[str | None] = mapped_column(String(32), index=True)

    state: Mapped[str] = mapped_column(String(20), default="queued")
    started: Mapped[datetime | None]
    finished: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    not_before: Mapped[datetime | None]
    """When a job that was interrupted is tried again by itself."""
    cancel_asked: Mapped[datetime | None]
    stop_early_asked: Mapped[bool] = mapped_column("enough_asked", default=False)

    progress: Mapped[float] = mapped_column(default=0.0)
    stage: Mapped[str] = mapped_column(default="")
    note: Mapped[str] = mapped_column(default="")
    error: Mapped[str] = mapped_column(default="")
    """Why it failed, in a sentence."""
    last_heard: Mapped[datetime | None] = mapped_column("heard")
    """When its worker last reported."""
    ends: Mapped[datetime | None]
    """When it is expected to end, judging by its pace so far."""
    cpu_seconds: Mapped[float | None]
    peak_mb: Mapped[float | None]

    host: Mapped[str | None]
    pid: Mapped[int | None]
    process_started: Mapped[float | None] = mapped_column("born")
    """When the process started: a process id alone may be used again."""

    @property
    def seconds_left(self) -> float | None:
        """Expected seconds until a running job ends; None before there is an estimate."""
        if self.state != "running" or self.ends is None:
            return None
        return max(0.0, (self.ends - now()).total_seconds())

    @property
    def seconds(self) -> float | None:
        """How long it has run so far, or ran in all."""
        return ((self.finished or now()) - self.started).total_seconds() if self.started else None

    @property
    def ended(self) -> bool:
        return self.state in ENDED


class Dependency(Row):
    """A job that waits for another to end."""

    __tablename__ = "dependencies"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    needs: Mapped[str] = mapped_column(String(32), primary_key=True)
    """The other job. No foreign key: when that job is deleted, this one must not start as if it had succeeded."""
    must_succeed: Mapped[bool] = mapped_column("well", default=True)
    """Whether the other job must succeed; otherwise it only has to end."""


class Batch(Entity):
    """Operations that were requested together; each is a job."""

    __tablename__ = "batches"

    owner: Mapped[str] = mapped_column(String(200), index=True)
    operations: Mapped[dict[str, str]]
    """The job of each operation, by the operation's name, in the order of the request."""


class Answer(Row):
    """The stored response to a call that carried an `Idempotency-Key`."""

    __tablename__ = "answers"

    owner: Mapped[str] = mapped_column(String(200), primary_key=True)
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    created: Mapped[datetime] = mapped_column(default=now)
    digest: Mapped[str] = mapped_column("asked", String(64))
    """Of the call: the same key with another call is a mistake."""
    status: Mapped[int | None]
    """HTTP status of the response; None while the first call is in progress."""
    body: Mapped[str] = mapped_column(default="")


class Bug(Entity):
    """A bug report, with personal data removed."""

    __tablename__ = "bugs"

    owner: Mapped[str] = mapped_column(String(200), index=True)
    text: Mapped[str]
    versions: Mapped[dict[str, str]]
    log: Mapped[list[str]]
    """The last lines of the API's log about the reporter's calls, and of the log of the job in question."""


class Event(Row):
    """A progress report of a job."""

    __tablename__ = "events"

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime] = mapped_column(default=now)
    progress: Mapped[float]
    stage: Mapped[str]
    note: Mapped[str] = mapped_column(default="")
    curve: Mapped[dict[str, float]] = mapped_column(default=dict)


class Run(Entity):
    """A synthetic table, the model it was sampled from, and its scores."""

    __tablename__ = "runs"

    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"), index=True)
    job_id: Mapped[str | None] = mapped_column(String(32))
    owner: Mapped[str] = mapped_column(String(200), index=True)
    model: Mapped[str] = mapped_column(String(80))
    params: Mapped[dict[str, Any]]
    seed: Mapped[int]
    rows: Mapped[int]
    schema: Mapped[Schema]
    """The columns of the synthetic table: those of the real table when the model was trained."""
    split: Mapped[Split]
    """The rows held out from its training, which it must be evaluated against."""
    conditions: Mapped[dict[str, Any] | None]
    """The conditions that its rows meet; None: it was sampled without any."""
    options: Mapped[dict[str, Any] | None]
    """The analyst's options for single metrics, as `metrics.OPTIONS` lists them."""
    rules: Mapped[list[RuleReport] | None]
    """How often the model itself broke each rule before the rules were enforced; the table breaks none."""
    parent_id: Mapped[str | None] = mapped_column(String(32))
    """The run whose model it was sampled from; None: its own job trained the model."""
    fit_seconds: Mapped[float | None]
    sample_seconds: Mapped[float | None]
    cpu_seconds: Mapped[float | None]
    peak_mb: Mapped[float | None]
    note: Mapped[str] = mapped_column(default="")
    """What the reader must know, such as a metric that failed."""
    size_bytes: Mapped[int] = mapped_column(default=0)

    folder = Path()
    """The folder of its files; the catalog sets it as the row is read."""

    @cached_property
    def stopped(self) -> list[Stage]:
        """What somebody stopped by hand: its training, whose model then is less than was asked for, or its evaluation."""
        return [stage for stage in get_args(Stage) if RunFiles(self.folder).stopped(stage).exists()]

    @property
    def scores(self) -> dict[str, Score]:
        """Its scores by metric; empty before it was evaluated, and when they cannot be read."""
        return self._scores[0]

    @property
    def broken(self) -> str:
        """What of it cannot be read, in a sentence; empty: all is well as far as was looked."""
        return self._scores[1]

    @cached_property
    def _scores(self) -> tuple[dict[str, Score], str]:
        # Imported here, since metrics bring pandas and scipy, and most readers of rows need no scores.
        from metrics import Score

        file = RunFiles(self.folder).scores
        if not file.is_file():
            return {}, ""
        try:
            with read_whole("Its scores"):
                found = json.loads(file.read_bytes())
                return {name: Score.model_validate(score, extra="ignore") for name, score in found.items()}, ""
        except Damaged as error:
            return {}, f"{error} Or evaluate it again."


class ConversationSet(Entity):
    """A set of synthetic conversations: the request, and its outcome."""

    __tablename__ = "talks"

    name: Mapped[str]
    owner: Mapped[str] = mapped_column(String(200), index=True)
    dataset_id: Mapped[str | None] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"), index=True)
    """The real conversations; None: the set was written from a description alone."""
    job_id: Mapped[str | None] = mapped_column(String(32))
    order: Mapped[ConversationRequest] = mapped_column("ordered")
    prompt_hash: Mapped[str] = mapped_column(String(64))
    outcome: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """`synth.conversations.Outcome` as JSON; empty before the first job ended."""
    note: Mapped[str] = mapped_column(default="")


class Key(Entity):
    """An API key: its owner, permissions and expiry. Only a hash of the key itself is kept."""

    __tablename__ = "keys"

    name: Mapped[str] = mapped_column(String(100))
    """Its owner: keys of one name have access to the same things."""
    digest: Mapped[bytes]
    permissions: Mapped[list[str]]
    expires: Mapped[datetime | None]
    revoked: Mapped[datetime | None]


class PageSession(Entity):
    """Somebody who signed in to the pages. Only a hash of what the browser's cookie holds is kept."""

    __tablename__ = "page_sessions"

    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    key_id: Mapped[str] = mapped_column(String(32), index=True)
    """The key they signed in with: one that was made, or one of the settings."""
    owner: Mapped[str] = mapped_column(String(200))
    seen: Mapped[datetime]
    """When they took a step, to the minute."""
    expires: Mapped[datetime]
    ended: Mapped[datetime | None]
    """When they signed out."""


class RevokedLink(Row):
    """A link that was revoked before it expired."""

    __tablename__ = "revoked_links"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    expires: Mapped[datetime]
    """When the row may go: the link has expired by itself."""


class MeasurementRow(Row):
    """The time and memory that one stage of a job took on one machine; estimates are computed from these."""

    __tablename__ = "measurements"
    __table_args__ = (Index("measurements_by_machine", "machine", "stage"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(default=now)
    machine: Mapped[str] = mapped_column(String(200))
    stage: Mapped[str] = mapped_column(String(100))
    """`start`, `judge`, or `fit:` and `draw:` with the generator's name."""
    quantities: Mapped[dict[str, float]]
    seconds: Mapped[float]
    taken_mb: Mapped[float]
    """Peak memory of the stage, beyond what was held before it."""
    kept_mb: Mapped[float]
    """Memory still held after the stage, beyond what was held before it."""

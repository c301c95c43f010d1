"""AWS Lambda behind a function URL: the calls that fit it, as `api.lambda_handler.handler`.

A function has no workers and no lasting disk. It offers its health, the generators and the metrics, and `POST /process`
answers with the conversations themselves where the server answers with jobs: from CSVs in the request, with an external
language model, within the function's time. Its address is public: without UNDERSTUDY_API_KEYS every call is refused.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from time import monotonic

from fastapi import APIRouter, FastAPI, Request, UploadFile
from mangum import Mangum
from pydantic import Field

from api.characters import Characters
from api.errors import ApiError, handle_errors
from api.form_route import Posting
from api.middleware import AuthMiddleware, Cors, Trace
from api.peers import RealPeer
from api.routes import system
from api.routes.work import order_of, with_form
from api.schemas.requests import ProcessRequest
from api.schemas.responses import ResponseBody
from api.schemas.rules import given
from api.security import Here, Writer
from api.table_source import take
from synth import Report
from synth.conversations import Dialogue, ServerError, read_written, write
from synth.conversations.order import ConversationRequest
from synth.errors import Invalid
from workspace.access.callers import Caller
from workspace.settings import Settings
from workspace.workspace import Workspace

MOST_DIALOGUES = 200
"""Of one call: an answer may have 6 MB."""
SPARE_S = 10
"""Kept of the function's time to answer in."""
LONGEST_S = 890
router = APIRouter(tags=["Work"], route_class=Posting)


class Conversations(ResponseBody):
    """The conversations written like those of one file."""

    file: str = Field(description="The file's name.", examples=["support.csv"])
    dialogues: list[Dialogue] = Field(description="The conversations.")
    stopped: str = Field(description="Why there are fewer than asked for, if there are.", examples=[""])
    input_tokens: int = Field(description="Tokens sent to the model.", examples=[4200])
    output_tokens: int = Field(description="Tokens it wrote.", examples=[2100])


class Processed(ResponseBody):
    """The conversations written, and the files that failed."""

    conversations: list[Conversations] = Field(description="One for each file that was read.")
    failed: dict[str, str] = Field(description="Files from which nothing came, and why.", examples=[{}])


class Deadline(Report):
    """Ends the writing while there is still time to answer."""

    def __init__(self, seconds: float):
        self.end = monotonic() + seconds

    @property
    def left_s(self) -> float:
        return self.end - monotonic()

    @property
    def stop_early(self) -> bool:
        return self.left_s <= 0


@router.post("/process", openapi_extra=with_form(ProcessRequest, given("files")))
def process(body: ProcessRequest, caller: Writer, workspace: Here, request: Request) -> Processed:
    """Write conversations like those of the files in the request, and answer with them."""
    files = request.state.files
    if body.dataset_ids or not files:
        raise ApiError(422, "A function keeps no tables between calls. Send files in the request.", "files")
    if body.order.local:
        raise ApiError(422, "A function carries no model of its own. Name a server in order.server.", "order.local")
    wanted = body.order.brief.dialogues * len(files)
    if wanted > MOST_DIALOGUES:
        raise ApiError(
            422, f"At most {MOST_DIALOGUES} dialogues are written in a call; {wanted} were asked for.", "order"
        )
    order = order_of(body, request, caller, workspace)
    context = request.scope.get("aws.context")
    deadline = Deadline((context.get_remaining_time_in_millis() / 1000 if context else LONGEST_S) - SPARE_S)
    done = Processed(conversations=[], failed={})
    for file in files:
        try:
            done.conversations.append(written_like(file, order, caller, workspace, deadline))
        except Invalid as problem:
            done.failed[file.filename or "table"] = str(problem)
    if not done.conversations:
        raise ApiError(422, " ".join(dict.fromkeys(done.failed.values())), "files")
    return done


def written_like(
    file: UploadFile, order: ConversationRequest, caller: Caller, workspace: Workspace, deadline: Deadline
) -> Conversations:
    """The conversations written like those of one file. Raises ReadError, ServerError or Invalid, in words."""
    dataset = take(file, caller, workspace, holdout_share=0.0)
    try:
        source = workspace.conversations.dialogues(
            dataset.id, order.shape or workspace.conversations.find_shape(dataset.id)
        )
    finally:
        workspace.datasets.delete(dataset.id)
    hurried = {"timeout_s": max(1.0, min(order.server.timeout_s, deadline.left_s))}
    server = order.server.model_copy(update=hurried)
    with workspace.files.incoming() as folder:
        lines, stopped = folder / "set.jsonl", ""
        try:
            options = {"intent": order.intent, "budget": order.budget, "report": deadline}
            egress = workspace.conversations.egress
            stopped = write(order.brief, source, server, lines, egress=egress, **options).stopped
        except ServerError as problem:
            # What was written before the error is kept, and returned with it.
            stopped = str(problem)
        found = read_written(lines)
    dialogues = [line.dialogue for line in found if line.dialogue is not None]
    if not dialogues:
        raise ServerError(stopped or "The model wrote nothing that could be used.")
    return Conversations(
        file=dataset.name,
        dialogues=dialogues,
        stopped=stopped,
        input_tokens=sum(line.input_tokens for line in found),
        output_tokens=sum(line.output_tokens for line in found),
    )


@cache
def _workspace() -> Workspace:
    """In the one folder that a function may write to, unless the settings name another."""
    given = "UNDERSTUDY_WORKSPACE" in os.environ
    return Workspace(Settings() if given else Settings(workspace=Path(tempfile.gettempdir()) / "understudy"))


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.workspace = _workspace()
    yield


app = FastAPI(title="Understudy", version="1", summary="The calls that fit a function.", lifespan=lifespan)
handle_errors(app)
for layer in (Characters, AuthMiddleware, Cors, Trace, RealPeer):
    app.add_middleware(layer)
for part in (system.router, router):
    app.include_router(part)
    app.include_router(part, prefix="/v1", include_in_schema=False)

handler = Mangum(app, lifespan="on", api_gateway_base_path="/api")

"""The one form of every error: {"error", "detail", "field", "timestamp"}, with the detail in words."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from synth.errors import Damaged, Invalid
from workspace.access.callers import Refused
from workspace.access.secrets import Unreadable
from workspace.catalog.outages import RETRY_S, CatalogAway
from workspace.ingest.process import ReadingEnded
from workspace.telemetry.failures import DISK_FULL, WithoutData, for_the_log, is_disk_full
from workspace.workspace import NotFound

log = logging.getLogger("understudy.api")


class Problem(BaseModel):
    """An error: what went wrong, and what to do about it."""

    error: str = Field(description="The kind of problem, as the status has it.", examples=["Not Found"])
    detail: str = Field(
        description="What was expected, what came, what to do.", examples=["There is no dataset 'x' here."]
    )
    field: str | None = Field(None, description="Which part of the request it is about.", examples=["params.epochs"])
    timestamp: datetime = Field(description="When, in UTC.", examples=["2026-01-01T08:00:00Z"])


class ApiError(Exception):
    """Raised in a route to answer with an error."""

    def __init__(self, status: int, detail: str, field: str | None = None, headers: dict[str, str] | None = None):
        super().__init__(detail)
        self.status, self.detail, self.field, self.headers = status, detail, field, headers


def answer(
    status: int, detail: str, field: str | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    problem = Problem(error=HTTPStatus(status).phrase, detail=detail, field=field, timestamp=datetime.now(UTC))
    return JSONResponse(problem.model_dump(mode="json"), status, headers)


def catalog_away(error: CatalogAway) -> JSONResponse:
    """The answer to a call that the catalog is needed for, while it is away."""
    return answer(503, str(error), headers={"Retry-After": str(RETRY_S)})


def first_problem(error: RequestValidationError) -> tuple[str | None, str]:
    """The field that the first problem is about, and the problem in words, without what was sent."""
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path")) or None
    return field, first["msg"].removeprefix("Value error, ")


def handle_errors(api: FastAPI) -> None:
    """Make every error of `api` one of these."""
    # The server logs what no handler expected, and an exception's message may quote a cell.
    logging.getLogger("uvicorn.error").addFilter(WithoutData())

    @api.exception_handler(ApiError)
    def _stop(request: Request, error: ApiError) -> JSONResponse:
        return answer(error.status, error.detail, error.field, error.headers)

    @api.exception_handler(CatalogAway)
    def _away(request: Request, error: CatalogAway) -> JSONResponse:
        return catalog_away(error)

    @api.exception_handler(NotFound)
    def _not_found(request: Request, error: NotFound) -> JSONResponse:
        return answer(404, str(error))

    @api.exception_handler(Refused)
    def _refused(request: Request, error: Refused) -> JSONResponse:
        return answer(401, str(error), headers={"WWW-Authenticate": "Bearer"})

    @api.exception_handler(RequestValidationError)
    def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        field, detail = first_problem(error)
        return answer(422, f"{field}: {detail}" if field else detail, field)

    @api.exception_handler(Unreadable)
    def _unreadable(request: Request, error: Unreadable) -> JSONResponse:
        return answer(401, str(error))

    @api.exception_handler(RecursionError)
    def _too_deep(request: Request, error: RecursionError) -> JSONResponse:
        return answer(422, "The JSON is nested too deeply. Send it with fewer lists within lists.")

    @api.exception_handler(Invalid)
    def _unfit(request: Request, error: Invalid) -> JSONResponse:
        return answer(422, str(error), error.field)

    @api.exception_handler(ReadingEnded)
    def _ended(request: Request, error: ReadingEnded) -> JSONResponse:
        return answer(400, str(error)) if error.unheard else answer(503, str(error), headers={"Retry-After": "60"})

    @api.exception_handler(Damaged)
    def _damaged(request: Request, error: Damaged) -> JSONResponse:
        return answer(410, str(error))

    @api.exception_handler(HTTPException)
    def _http(request: Request, error: HTTPException) -> JSONResponse:
        if is_disk_full(error):
            return answer(503, DISK_FULL)
        words = {413: "The body is too large. Split it, or raise UNDERSTUDY_MAX_UPLOAD_MB."}
        return answer(error.status_code, words.get(error.status_code, str(error.detail)), headers=error.headers)

    @api.exception_handler(Exception)
    def _unexpected(request: Request, error: Exception) -> JSONResponse:
        if is_disk_full(error):
            return answer(503, DISK_FULL)
        request_id = request.state.request_id
        # The place and the type, not the message: it may quote a row.
        log.error("%s: %s", request_id, for_the_log(error))
        detail = (
            f"Something unexpected happened ({type(error).__name__}). It is a fault of the server, not of the call. Its "
            f"log says where, under {request_id}."
        )
        return answer(500, detail)

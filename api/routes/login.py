"""Credentials for outside services: taken once, given back encrypted in a cookie, never stored and never logged."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field, PlainSerializer, SecretStr, ValidationError
from starlette.requests import HTTPConnection

from api.errors import ApiError
from api.schemas.requests import RequestBody
from api.security import Here, Reader
from workspace.access.callers import Caller
from workspace.access.secrets import Unreadable
from workspace.catalog.rows import now
from workspace.workspace import Workspace

router = APIRouter(tags=["Access"])
COOKIE = "understudy_credentials"
USED = ("openai",)
"""The services that some call needs credentials for."""
MOST_BYTES = 3800
"""Browsers drop a cookie of more than 4,096 bytes, its name and attributes among them."""

# Written out only into the encrypted cookie.
Hidden = Annotated[
    SecretStr, Field(min_length=1, max_length=1000), PlainSerializer(SecretStr.get_secret_value, when_used="json")
]


class S3(RequestBody):
    """Where objects lie, in Amazon's S3 or a service like it. They are kept in the cookie; no call uses them yet."""

    access_key_id: str = Field(max_length=200, description="The id of the key.", examples=["AKIA..."])
    secret_access_key: Hidden = Field(description="The key itself.", examples=["..."])
    region: str = Field("us-east-1", max_length=100, description="Where the bucket is.", examples=["eu-central-1"])
    endpoint_url: str | None = Field(
        None,
        max_length=500,
        description="Address of a service that is not Amazon's.",
        examples=["https://minio.example"],
    )


class MongoDB(RequestBody):
    """Where documents lie. It is kept in the cookie; no call uses it yet."""

    uri: Hidden = Field(
        description="The connection string, password included.", examples=["mongodb://user:...@host/db"]
    )


class OpenAI(RequestBody):
    """Who writes conversations."""

    api_key: Hidden = Field(description="The key for the language model.", examples=["sk-..."])


class Credentials(RequestBody):
    """What outside services want to see; each is optional."""

    s3: S3 | None = Field(None, description="For objects in S3: no call uses it yet.", examples=[None])
    mongodb: MongoDB | None = Field(None, description="For documents in MongoDB: no call uses it yet.", examples=[None])
    openai: OpenAI | None = Field(None, description="For `/converse` and `/process`.", examples=[{"api_key": "sk-..."}])


class LoginResponse(BaseModel):
    """What the cookie holds, in words, and until when."""

    services: list[str] = Field(description="The services the cookie has credentials for.", examples=[["openai"]])
    unused: list[str] = Field(description="Those among them that no call uses yet.", examples=[["s3"]])
    expires: datetime = Field(description="When the cookie is no longer read.", examples=["2026-01-01T08:00:00Z"])


class Sealed(BaseModel):
    """What the cookie holds."""

    owner: str
    credentials: Credentials


@router.post("/login")
def login(body: Credentials, caller: Reader, workspace: Here, response: Response) -> LoginResponse:
    """Take credentials for outside services, and give them back encrypted in a cookie that only we can read.

    They are in no file, no database and no log of the server: a later call brings them along in the cookie. The key of
    `openai` serves `/converse` and `/process`; those of `s3` and `mongodb` serve no call yet, and the answer says so.
    """
    hours = workspace.settings.login_hours
    sealed = workspace.access.secrets.hide(Sealed(owner=caller.owner, credentials=body).model_dump_json())
    if len(sealed) > MOST_BYTES:
        raise ApiError(
            422, f"Together these are {len(sealed):,} bytes; a cookie holds {MOST_BYTES:,}. Log in for fewer."
        )
    response.set_cookie(
        COOKIE, sealed, max_age=round(hours * 3600), path="/api", secure=True, httponly=True, samesite="strict"
    )
    services = [name for name in Credentials.model_fields if getattr(body, name) is not None]
    unused = [name for name in services if name not in USED]
    return LoginResponse(services=services, unused=unused, expires=now() + timedelta(hours=hours))


@router.get("/logout", status_code=204)
def logout(response: Response) -> None:
    """Delete the cookie of `POST /login`. Whoever calls may: it is their own cookie."""
    response.delete_cookie(COOKIE, path="/api", secure=True, httponly=True, samesite="strict")


def credentials_of(request: HTTPConnection, caller: Caller, workspace: Workspace) -> Credentials | None:
    """What the cookie of a request holds; None without one, or when it is another owner's. Raises Unreadable."""
    sealed = request.cookies.get(COOKIE)
    if not sealed:
        return None
    try:
        found = workspace.access.secrets.show(sealed, within_s=round(workspace.settings.login_hours * 3600))
        opened = Sealed.model_validate_json(found)
    except ValidationError as error:
        raise Unreadable("The login cookie is of another version. Log in again.") from error
    return opened.credentials if opened.owner == caller.owner else None

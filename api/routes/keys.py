"""API keys over HTTP: made, listed, revoked, and exchanged for a token that expires."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from api.errors import ApiError
from api.routes.parameters import KeyId
from api.schemas.requests import RequestBody
from api.schemas.responses import MOMENT, Limit, Offset
from api.security import Admin, Here, Reader
from workspace.settings import PERMISSIONS, RESERVED_NAMES, Permission

router = APIRouter(tags=["Access"])


NAMING: JsonDict = {"pattern": r"^[\w.@ -]{1,100}$", "not": {"enum": [*sorted(RESERVED_NAMES)]}}
"""What a name is, as JSON schema."""


class KeyRequest(RequestBody):
    """A key to make."""

    name: str = Field(
        description="Whose it is; keys of one name see the same things. 1 to 100 letters, digits, spaces or `. _ @ -`; "
        f"none of {', '.join(sorted(RESERVED_NAMES))}, which stand for who needs no key.",
        examples=["anna"],
        json_schema_extra=NAMING,
    )
    permissions: list[Permission] = Field(
        description=f"One or more of {', '.join(PERMISSIONS)}; admin includes write, write read.",
        examples=[["write"]],
        json_schema_extra={"minItems": 1, "uniqueItems": True},
    )
    days: float | None = Field(None, gt=0, le=36500, description="Days until it expires; unset: never.", examples=[90])


class KeyResponse(BaseModel):
    """A key, without the key."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(description="Names the key, to revoke it.", examples=["3d2f48605b1e7c9a"])
    name: str = Field(description="Whose it is.", examples=["anna"])
    permissions: list[Permission] = Field(description="What it allows.", examples=[["write"]])
    created: datetime = Field(description="When it was made.", examples=[MOMENT])
    expires: datetime | None = Field(description="When it expires; None: never.", examples=[None])


class MadeKeyResponse(KeyResponse):
    """A key, with the key."""

    key: str = Field(description="Shown this once.", examples=["us_..."])


class TokenResponse(BaseModel):
    """A token, to be shown as `Authorization: Bearer TOKEN`."""

    access_token: str = Field(description="The token (JWT).", examples=["eyJ..."])
    token_type: Literal["bearer"] = Field("bearer", description="How to show it.", examples=["bearer"])
    expires: datetime = Field(description="When it is no longer good.", examples=[MOMENT])


@router.post("/token")
def make_token(caller: Reader, workspace: Here) -> TokenResponse:
    """Exchange a key for a bearer token (JWT) that expires. A token buys no other."""
    if caller.shown not in ("key", "nothing"):
        raise ApiError(403, "A token is not exchanged for another one, which would never end. Show the key.")
    token, expires = workspace.access.token(caller)
    return TokenResponse(access_token=token, expires=expires)


@router.get("/keys")
def list_keys(caller: Admin, workspace: Here, limit: Limit = 100, offset: Offset = 0) -> list[KeyResponse]:
    """The keys made in the app; those of the settings are not listed."""
    return [KeyResponse.model_validate(key) for key in workspace.access.keys()[offset : offset + limit]]


@router.post("/keys", status_code=201)
def make_key(body: KeyRequest, caller: Admin, workspace: Here) -> MadeKeyResponse:
    """Make a key. From the first one on, every call must show one."""
    key, text = workspace.access.make_key(body.name, body.permissions, body.days)
    return MadeKeyResponse(**KeyResponse.model_validate(key).model_dump(), key=text)


@router.delete("/keys/{key_id}", status_code=204)
def revoke_key(key_id: KeyId, caller: Admin, workspace: Here) -> None:
    """Revoke a key, and the tokens made with it."""
    workspace.access.revoke(key_id)

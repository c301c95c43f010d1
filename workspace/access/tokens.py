"""Signed texts that expire: what bearer tokens and links are made of."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import jwt

from workspace.access.callers import Refused, WrongKey
from workspace.access.secrets import Secrets
from workspace.catalog.rows import now

ALGORITHM = "HS256"


class Signer:
    """Signs claims for one audience (JWT), with a key of its own: what is signed for one is nothing to another."""

    def __init__(self, secrets: Secrets, audience: str, word: str, claims: frozenset[str], where: str):
        self.secrets, self.audience, self.word, self.claims, self.where = secrets, audience, word, claims, where

    def sign(self, claims: Mapping[str, Any], minutes: float) -> tuple[str, datetime]:
        """The text, and when it expires."""
        issued = now()
        expires = issued + timedelta(minutes=minutes)
        whole = {**claims, "aud": self.audience, "iat": issued, "exp": expires}
        return jwt.encode(whole, self.secrets.signing_key(self.audience), ALGORITHM), expires

    def read(self, text: str) -> dict[str, Any]:
        """The claims of a text. Raises Refused when it has expired, and WrongKey when it was not signed here."""
        key = self.secrets.signing_key(self.audience)
        asked = {"require": ["exp", *sorted(self.claims)]}
        try:
            return jwt.decode(text, key, [ALGORITHM], audience=self.audience, options=asked)
        except jwt.ExpiredSignatureError as error:
            raise Refused(f"This {self.word} has expired. {self.where}") from error
        except jwt.InvalidTokenError as error:
            raise WrongKey(f"This {self.word} is not one of ours. {self.where}") from error

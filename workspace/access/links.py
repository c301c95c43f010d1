"""Links: addresses that open one thing for minutes, without a key.

A link stands for a purpose, one resource (a path below the API, with the parameters that decide what it answers), and
whoever made it. It depends on the maker's key, and on the session of the pages it was made in: it ends with either, or is
revoked by its id. Nothing is stored for a link that is made; a revoked one is remembered until it would have expired.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from sqlalchemy import delete

from synth.errors import Invalid
from workspace.access.callers import Caller, Purpose, Refused
from workspace.access.secrets import Secrets
from workspace.access.tokens import Signer
from workspace.catalog.catalog import Catalog
from workspace.catalog.rows import RevokedLink, new_id, now

LINK = "link"
"""The parameter of an address that holds the signed text."""
LONGEST_MINUTES = 24 * 60
# Where a follower goes on after a cut connection is its own affair.
IGNORED = {LINK, "after"}
AGAIN = "Reload the page it is on, or make a new one with POST /api/links."


class Link(NamedTuple):
    """A link, made."""

    id: str
    """Revokes it."""
    address: str
    """Below the API, with the signed text."""
    expires: datetime


def resource_of(path: str, query: str = "") -> str:
    """A path and its parameters in one spelling, whatever their order: what a link is bound to."""
    given = sorted(pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] not in IGNORED)
    return path + (f"?{urlencode(given)}" if given else "")


class Links:
    """Makes links, and knows what each is good for."""

    def __init__(self, catalog: Catalog, secrets: Secrets, standing: Callable[[str, str], Caller]):
        """`standing` says what a key, and a session of the pages, are worth now; it raises Refused."""
        self.catalog, self.standing = catalog, standing
        claims = frozenset({"jti", "purpose", "resource", "permissions", "key", "session"})
        self._signer = Signer(secrets, "understudy links", "link", claims, AGAIN)

    def make(self, caller: Caller, purpose: Purpose, address: str, minutes: float) -> Link:
        """A link to an address below the API (`/runs/ID/synthetic.csv?spreadsheet_safe=true`).

        Raises Invalid when it would be good for longer than a day.
        """
        if not 0 < minutes <= LONGEST_MINUTES:
            raise Invalid(f"A link is good for up to {LONGEST_MINUTES:,} minutes.")
        id, parts = new_id(), urlsplit(address)
        claims = {
            "jti": id,
            "purpose": purpose,
            "resource": resource_of(unquote(parts.path), parts.query),
            "permissions": sorted(caller.permissions),
            "key": caller.key_id,
            "session": caller.session_id,
        }
        text, expires = self._signer.sign(claims, minutes)
        query = f"{parts.query}&{LINK}={text}" if parts.query else f"{LINK}={text}"
        return Link(id, f"{parts.path}?{query}", expires)

    def bearer(self, text: str, resource: str) -> Caller:
        """For whom a link to this resource stands. Raises Refused."""
        claims = self._signer.read(text)
        if claims["resource"] != resource:
            raise Refused("This link opens another address, and nothing else.")
        with self.catalog.session() as session:
            if session.get(RevokedLink, claims["jti"]) is not None:
                raise Refused(f"This link was revoked. {AGAIN}")
        maker = self.standing(claims["key"], claims["session"])
        permissions = maker.shared_with(frozenset(claims["permissions"]))
        return replace(maker, permissions=permissions, shown="link", purpose=claims["purpose"])

    def revoke(self, link_id: str) -> None:
        """End a link; one that has ended stays so."""
        with self.catalog.session() as session:
            session.execute(delete(RevokedLink).where(RevokedLink.expires < now()))
            session.merge(RevokedLink(id=link_id, expires=now() + timedelta(minutes=LONGEST_MINUTES)))

"""What must not lie about in clear: encrypted with a key from the settings, or one made for this workspace.

Fernet (AES-128-CBC with HMAC-SHA256) from `cryptography`. Several keys rotate: the first encrypts, all decrypt.
"""

from __future__ import annotations

import hmac
import os
from base64 import urlsafe_b64encode
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from synth.atomic import write_atomic
from synth.errors import Invalid
from workspace.settings import Settings

LEAST_BYTES = 32
"""Of a key that was made here."""


class Unreadable(Invalid):
    """A secret was encrypted with a key that is no longer known, or was tampered with, or is too old."""


class Secrets:
    """Encrypts and decrypts short texts."""

    def __init__(self, settings: Settings):
        self.settings = settings

    def hide(self, text: str) -> str:
        return self._fernet.encrypt(text.encode()).decode()

    def show(self, hidden: str, *, within_s: int | None = None) -> str:
        """The text that `hide` was given. Raises Unreadable, also when it is older than `within_s` seconds."""
        try:
            return self._fernet.decrypt(hidden.encode(), ttl=within_s).decode()
        except InvalidToken as error:
            raise Unreadable(
                "These credentials can no longer be read: they expired, or the server's secret key changed. "
                "Enter them again."
            ) from error

    def signing_key(self, audience: str) -> bytes:
        """32 bytes for signing what is meant for one audience, derived from the first key."""
        return hmac.digest(self._keys[0], audience.encode(), "sha256")

    @cached_property
    def _keys(self) -> list[bytes]:
        given = [key.get_secret_value().encode() for key in self.settings.secret_keys]
        return given or [_made_once(self.settings.workspace / "secret.key")]

    @cached_property
    def _fernet(self) -> MultiFernet:
        # Keys of any length are taken: what Fernet needs is made of them.
        return MultiFernet([Fernet(urlsafe_b64encode(sha256(key).digest())) for key in self._keys])


def _made_once(file: Path) -> bytes:
    """A random key, readable by its owner only; of two processes that start together one writes it."""
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        found = file.read_bytes()
        if len(found) < LEAST_BYTES:
            # It was cut or emptied: what it once encrypted is lost, and a key that anybody can guess signs nothing.
            write_atomic(file, Fernet.generate_key())
            file.chmod(0o600)
        return file.read_bytes()
    with os.fdopen(handle, "wb") as output:
        output.write(Fernet.generate_key())
    return file.read_bytes()

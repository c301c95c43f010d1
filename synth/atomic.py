"""Writing a file whole or not at all."""

from __future__ import annotations

from pathlib import Path
from secrets import token_hex


def write_atomic(file: Path, content: bytes | str) -> None:
    """Write a file that is there whole or not at all: readers see the old content until the new one is complete."""
    partial = file.with_name(f"{file.name}.{token_hex(4)}.part")
    try:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)

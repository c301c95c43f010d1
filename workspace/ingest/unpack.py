"""An uploaded file as plain UTF-8 text on disk: unpacked, recognised, its encoding found, every byte looked at.

Nothing here trusts the file: archives that unpack without end are stopped, bytes that are no text are refused in
words, and lines that are not in the file's encoding are named by their number.
"""

from __future__ import annotations

import codecs
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, BinaryIO, Protocol, TypeVar

import numpy as np
from charset_normalizer import from_bytes
from zlib_ng import zlib_ng

from synth.linear import within
from workspace.ingest.limits import ReadError

CHUNK = 1 << 18
"""Bytes handled at a time: they stay in the processor's cache while they are unpacked, checked and counted."""
HEAD_BYTES = 1 << 19
MAX_BYTES = 8 << 30
"""Largest size of an unpacked file."""
MAX_RATIO, RATIO_FLOOR = 200, 64 << 20
"""An archive that unpacks to more than this many times its size, and beyond the floor, is refused."""

BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
MAGIC = (
    (b"<!DOCTYPE html", "a web page"),
    (b"<!doctype html", "a web page"),
    (b"<html", "a web page"),
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an XZ archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
)
GZIP, ZIP, PARQUET, OLE = b"\x1f\x8b", b"PK\x03\x04", b"PAR1", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


# Unpacking ---------------------------------------------------------------------------------------------------------


def is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == GZIP


def chunks(path: Path) -> Iterator[bytes]:
    """The bytes of a file, unpacked if it is gzip. Raises ReadError when the archive is damaged or a bomb."""
    if not is_gzip(path):
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk
        return
    packed = path.stat().st_size
    limit = min(MAX_BYTES, max(RATIO_FLOOR, MAX_RATIO * packed))
    unpacked = 0
    with path.open("rb") as file:
        for chunk in _gunzip(file):
            unpacked += len(chunk)
            if unpacked > limit:
                raise ReadError(
                    f"This .gz file of {size(packed)} unpacks to more than {size(limit)}, which no table of its size "
                    f"does. Unpack it yourself, look at it, and upload what is inside."
                )
            yield chunk


def _gunzip(file: BinaryIO) -> Iterator[bytes]:
    machine, started = zlib_ng.decompressobj(31), False
    try:
        while packed := file.read(CHUNK):
            while packed:
                started = True
                chunk = machine.decompress(packed, CHUNK)
                if chunk:
                    yield chunk
                packed = machine.unconsumed_tail
                if machine.eof:  # a further member, or padding, may follow
                    packed = machine.unused_data.lstrip(b"\x00") or file.read(CHUNK).lstrip(b"\x00")
                    machine, started = zlib_ng.decompressobj(31), False
    except (zlib_ng.error, zlib.error) as error:
        raise ReadError(
            "This .gz file is damaged: its contents cannot be unpacked. Compress the table again, or upload it "
            "without compression."
        ) from error
    if started and not machine.eof:
        raise ReadError(
            "This .gz file is cut off: it ends before its contents do, as after a broken download. Fetch it again, "
            "or upload the table without compression."
        )


def head_of(path: Path, limit: int = HEAD_BYTES) -> tuple[bytes, bool]:
    """The first bytes of a file, unpacked, and whether they are all of it."""
    head = bytearray()
    for chunk in chunks(path):
        head += chunk
        if len(head) > limit:
            return bytes(head[:limit]), False
    return bytes(head), True


def size(count: float) -> str:
    """A number of bytes as people write it."""
    for unit in ("bytes", "KB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


# Encodings ---------------------------------------------------------------------------------------------------------

NAMES = {
    "utf-8": "UTF-8",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16 (big-endian)",
    "utf-32-le": "UTF-32",
    "utf-32-be": "UTF-32 (big-endian)",
    "cp1252": "Windows-1252",
    "latin-1": "Latin-1",
    "cp932": "Shift-JIS",
}
COMMON_KANJI = within("[\u3040-\u30ff]|[\u4e00-\u9fff]{2,}")
LATIN_LETTERS = frozenset("äöüßÄÖÜéèêëáàâãåæçíìîïñóòôõøœúùûýÿÉÈÊËÁÀÂÃÅÆÇÍÌÎÏÑÓÒÔÕØŒÚÙÛÝ")
LATIN_SIGNS = frozenset("°²³µ€£§©®™·–—‘’“”„…«»¿¡ºª½¼¾±×÷\xa0¢¥†•‹›‰¬¦´¨¸")


def encoding_of(head: bytes, whole: bool = True) -> tuple[str, int]:
    """The encoding of a file that begins with `head`, and the length of its byte order mark.

    Raises ReadError when the bytes are no text.
    """
    for bom, name in BOMS:
        if head.startswith(bom) and not (name == "utf-16-le" and head.startswith(codecs.BOM_UTF32_LE)):
            return name, len(bom)
    wide = _wide_encoding(head)
    if wide:
        return wide, 0
    for magic, what in MAGIC:
        if head.lstrip().startswith(magic) and (magic[:1] == b"<" or _control_share(head) > 0.01):
            raise ReadError(f"This is {what}, not a table. Upload CSV, Excel, JSON or Parquet.")
    if _control_share(head) > 0.01:
        raise ReadError(
            "This file holds binary data, not text: it may be a picture, a program or a compressed file under a wrong "
            "name. Upload CSV, Excel, JSON or Parquet."
        )
    if _is_utf8(head, whole) or _is_mostly_utf8(head):
        return "utf-8", 0
    return _legacy_encoding(head), 0


def _control_share(head: bytes) -> float:
    """Share of the bytes that no text holds. A few NULs may be somebody's escape character."""
    codes = np.frombuffer(head[: 1 << 16], np.uint8)
    strange = ((codes < 9) | (codes == 11) | (codes > 13) & (codes < 26)) & (codes > 1)
    nuls = np.count_nonzero(codes == 0)
    return (np.count_nonzero(strange) + max(0, nuls - max(8, len(codes) // 50))) / max(len(codes), 100)


def _wide_encoding(head: bytes) -> str | None:
    """UTF-16 without a mark shows as NULs in every other byte."""
    codes = np.frombuffer(head[: (1 << 14)], np.uint8)
    if len(codes) < 4:
        return None
    even, odd = (codes[0::2] == 0).mean(), (codes[1::2] == 0).mean()
    if odd > 0.4 and even < 0.05:
        return "utf-16-le"
    if even > 0.4 and odd < 0.05:
        return "utf-16-be"
    return None


def _is_utf8(head: bytes, whole: bool) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head, final=whole)
    except UnicodeDecodeError:
        return False
    return True


def _is_mostly_utf8(head: bytes) -> bool:
    """Whether most lines beyond ASCII are UTF-8: then the others are in error, since chance makes no such lines."""
    lines = [line for line in head.split(b"\n")[:-1] if not line.isascii()]
    return sum(_is_utf8(line, True) for line in lines) > 0.5 * len(lines)


def _legacy_encoding(head: bytes) -> str:
    """Which of the encodings before Unicode, judged on the lines that are not plain ASCII."""
    lines = [line for line in head.split(b"\n") if not line.isascii()][:400]
    sample = b"\n".join(lines)[: 1 << 16]
    japanese = _japanese_share(sample)
    if japanese > 0.6:
        return "cp932"
    strange = [c for c in sample.decode("cp1252", "replace") if ord(c) > 127]
    letters = sum(c in LATIN_LETTERS for c in strange)
    signs = sum(c in LATIN_SIGNS for c in strange)
    if letters + signs >= 0.9 * len(strange) and _stands_alone(sample):
        return "cp1252" if "\ufffd" not in sample.decode("cp1252", "replace") else "latin-1"
    guess = from_bytes(sample, cp_isolation=[
        "cp1252", "latin_1", "cp1250", "cp1251", "cp1253", "cp1254", "koi8_r", "cp932", "euc_jp", "gb18030", "big5",
        "euc_kr", "mac_roman", "cp437", "cp850",
    ]).best()  # fmt: skip
    return codecs.lookup(guess.encoding).name if guess else "cp1252"


def _japanese_share(sample: bytes) -> float:
    """Share of the characters beyond ASCII that are kana or stand in runs of kanji, read as Shift-JIS."""
    text = sample.decode("cp932", "replace")
    beyond = sum(ord(c) > 127 for c in text)
    if not beyond or text.count("\ufffd") > 0.02 * beyond:
        return 0.0
    return sum(len(run) for run in COMMON_KANJI.findall(text)) / beyond


def _stands_alone(sample: bytes) -> bool:
    """Whether bytes beyond ASCII mostly stand alone, as accents and signs do in western texts."""
    codes = np.frombuffer(sample, np.uint8) > 127
    return bool((codes[1:] & codes[:-1]).sum() <= 0.3 * max(codes.sum(), 1))


# Plain text on disk ------------------------------------------------------------------------------------------------


@dataclass
class PlainText:
    """A file as UTF-8 text on disk, without byte order mark, and what its bytes showed."""

    path: Path
    encoding: str
    has_line_feeds: bool = False
    returns: int = 0
    pairs: int = 0
    """Carriage returns directly before a line feed."""
    has_nuls: bool = False
    last: bytes = b""
    undecodable: list[int] = field(default_factory=list)
    """Numbers of the lines that are not in the file's encoding; their strange bytes read as U+FFFD."""

    def look_at(self, chunk: bytes) -> None:
        if not chunk:
            return
        # Asking first is ten times as fast as counting what is not there.
        self.has_line_feeds = self.has_line_feeds or b"\n" in chunk
        if b"\r" in chunk:
            self.returns += chunk.count(b"\r")
            self.pairs += chunk.count(b"\r\n")
        if self.last == b"\r" and chunk[:1] == b"\n":
            self.pairs += 1
        self.has_nuls = self.has_nuls or b"\0" in chunk
        self.last = chunk[-1:]


class Watch(Protocol):
    """Looks at a text while it is unpacked."""

    def see(self, chunk: bytes) -> None: ...

    def end(self) -> None: ...


Watching = TypeVar("Watching", bound=Watch)


@contextmanager
def plain_text(
    path: Path, encoding: str, mark: int, *, settled: bool = False, watch: Callable[[], Watching] | None = None
) -> Iterator[tuple[PlainText, Watching | None]]:
    """The file as UTF-8 on disk: the file itself where it is that already, else a copy, removed afterwards.

    What the first bytes promised may not hold to the end. Then the encoding is decided anew on the part that broke
    it, unless it is `settled` or shown to be UTF-8 before: then the lines that break it are named. `watch` makes
    what sees the bytes pass, as UTF-8; None comes back when lines had to be named.
    """
    with tempfile.NamedTemporaryFile(suffix=".txt") as copy:
        try:
            text, watcher = _decoded(path, encoding, mark, copy, watch)
        except UnicodeDecodeError as error:
            other = encoding if settled or mark else _second_thought(encoding, error)
            try:
                if other == encoding:
                    raise
                text, watcher = _decoded(path, other, mark, copy, watch)
            except UnicodeDecodeError:
                text, watcher = _decoded_by_line(path, other, mark, copy), None
        copy.flush()
        yield text, watcher


def _decoded(
    path: Path, encoding: str, mark: int, copy: IO[bytes], watch: Callable[[], Watching] | None
) -> tuple[PlainText, Watching | None]:
    as_is = encoding == "utf-8" and not mark and not is_gzip(path)
    text, watcher = PlainText(path if as_is else Path(copy.name), encoding), watch() if watch else None
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    copy.seek(0)
    copy.truncate()

    def take(chunk: bytes) -> None:
        text.look_at(chunk)
        if watcher:
            watcher.see(chunk)
        if not as_is:
            copy.write(chunk)

    for chunk in chunks(path):
        if mark:
            chunk, mark = chunk[mark:], max(0, mark - len(chunk))
        if encoding != "utf-8":
            chunk = decoder.decode(chunk).encode("utf-8")
        elif not chunk.isascii() or decoder.getstate()[0]:
            decoder.decode(chunk)
        take(chunk)
    take(decoder.decode(b"", final=True).encode("utf-8"))
    if watcher:
        watcher.end()
    return text, watcher


def _second_thought(encoding: str, error: UnicodeDecodeError) -> str:
    """The encoding of a file that broke the one it seemed to have."""
    if encoding != "utf-8":
        return encoding
    broken = error.object[max(0, error.start - 2000) : error.start + (1 << 16)]
    before = error.object[: error.start]
    return encoding if not before.isascii() or _is_mostly_utf8(broken) else _legacy_encoding(broken)


def _decoded_by_line(path: Path, encoding: str, mark: int, copy: IO[bytes]) -> PlainText:
    """As `_decoded`, naming the lines that are not in the encoding. Only for encodings whose line ends are bytes."""
    text = PlainText(Path(copy.name), encoding)
    copy.seek(0)
    copy.truncate()
    number, pieces = 1, []  # of the line whose end has not come
    wide = encoding.startswith(("utf-16", "utf-32"))
    for chunk in chunks(path):
        if mark:
            chunk, mark = chunk[mark:], max(0, mark - len(chunk))
        first, *lines = [chunk] if wide else chunk.split(b"\n")
        pieces.append(first)
        for line in lines:
            _write_line(b"".join(pieces) + b"\n", encoding, number, text, copy)
            number, pieces = number + 1, [line]
    if not wide:
        _write_line(b"".join(pieces), encoding, number, text, copy)
    else:
        for number, line in enumerate(b"".join(pieces).decode(encoding, "replace").splitlines(keepends=True), 1):
            _write_line(line.encode(), "utf-8", number, text, copy)
    return text


def _write_line(line: bytes, encoding: str, number: int, text: PlainText, copy: IO[bytes]) -> None:
    try:
        decoded = line.decode(encoding)
    except UnicodeDecodeError:
        decoded = line.decode(encoding, "replace")
        text.undecodable.append(number)
    encoded = decoded.encode()
    text.look_at(encoded)
    copy.write(encoded)

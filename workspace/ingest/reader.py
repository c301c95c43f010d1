"""An uploaded file of any kind as columns of texts, with what was decided on the way, in words.

The kind of file is told by its first bytes, whatever its name says.
"""

from __future__ import annotations

from pathlib import Path

from workspace.ingest.delimited import Columns, RowOrder, coded, read_delimited
from workspace.ingest.excel import read_excel
from workspace.ingest.layout import Layout, layout_of, unique_names
from workspace.ingest.lenient import MARKS, read_lines
from workspace.ingest.limits import USUAL, Limits
from workspace.ingest.nested import is_json, read_json, read_parquet
from workspace.ingest.options import PREVIEW_ROWS, ReadOptions, Texts
from workspace.ingest.sniff import lines_of
from workspace.ingest.unpack import NAMES, OLE, PARQUET, ZIP, ReadError, encoding_of, head_of, is_gzip, plain_text

LONGEST_NAME = 10_000


def texts_of(
    path: Path, name: str, options: ReadOptions | None = None, *, head_only: bool = False, limits: Limits = USUAL
) -> Texts:
    """The texts of a file; with `head_only`, of its first rows. Raises ReadError when it cannot be read."""
    path, options = Path(path), options or ReadOptions()
    head, whole = head_of(path)
    if head.startswith((ZIP, OLE, PARQUET)) and is_gzip(path):
        raise ReadError("This .gz file holds an Excel or Parquet file. Unpack it and upload what is inside.")
    if head.startswith((ZIP, OLE)):
        return read_excel(path, options, head_only, limits)
    if head.startswith(PARQUET):
        return read_parquet(path, options, head_only, limits)
    encoding, mark = _encoding(head, whole, options)
    beginning = _decoded_head(head[mark:], encoding, whole)
    if whole and not beginning.strip():
        return Texts([], Columns([], 0), options, "nothing")
    if is_json(beginning, name):
        return read_json(path, encoding, mark, beginning, options, head_only, limits)
    if head_only:
        return _delimited_head(beginning, encoding, whole, options, limits)
    layout = _layout(beginning, options, limits)
    settled = options.encoding is not None
    with plain_text(path, encoding, mark, settled=settled, watch=lambda: RowOrder(layout.dialect)) as (text, order):
        if text.encoding != encoding:
            layout = _layout(_decoded_head(head[mark:], text.encoding, whole), options, limits)
        columns = read_delimited(text, layout, order, options.table, options.skip_footer, limits)
    return _told(layout, columns, text.encoding, options)


def _encoding(head: bytes, whole: bool, options: ReadOptions) -> tuple[str, int]:
    found, mark = encoding_of(head, whole)
    if options.encoding is None:
        return found, mark
    try:
        "".encode(options.encoding)
    except LookupError as error:
        raise ReadError(
            f"There is no encoding called {options.encoding!r}. Try utf-8, utf-16, cp1252 or shift_jis."
        ) from error
    wanted = options.encoding.lower().replace("_", "-")
    if wanted in ("utf-16", "utf-32", "utf-8-sig", "utf-8", "utf8"):
        return (found, mark) if mark else ({"utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(wanted, "utf-8"), 0)
    return options.encoding, mark


def _decoded_head(head: bytes, encoding: str, whole: bool) -> str:
    text = head.decode(encoding, "replace")
    if whole:
        return text
    cut = max(text.rfind("\n"), text.rfind("\r"))
    return text[: cut + 1] if cut >= 0 else text


def _layout(beginning: str, options: ReadOptions, limits: Limits) -> Layout:
    return layout_of(
        beginning,
        delimiter=options.delimiter,
        quote=options.quote,
        escape=options.escape,
        skip=options.skip_rows,
        header=options.header,
        limits=limits,
    )


def _delimited_head(beginning: str, encoding: str, whole: bool, options: ReadOptions, limits: Limits) -> Texts:
    layout = _layout(beginning, options, limits)
    lines = lines_of(beginning)[: layout.skip + layout.header_lines + 4 * PREVIEW_ROWS]
    careful = read_lines(lines, layout, skip_footer=0)
    last = len(lines)
    while not whole and careful.rejected and careful.rejected[-1].number == last:
        careful.rejected.pop()  # perhaps only cut short here
        last -= 1
    del careful.rows[PREVIEW_ROWS:]
    return _told(layout, coded(careful, layout.width), encoding, options)


def _told(layout: Layout, columns: Columns, encoding: str, options: ReadOptions) -> Texts:
    dialect = layout.dialect
    names, notes = unique_names(layout.names or [""] * layout.width)
    if not layout.header:
        notes = []
    longest = max(map(len, names), default=0)
    if longest > LONGEST_NAME:
        raise ReadError(
            f"A column's name would be {longest:,} characters long; expected a header of short names on line "
            f"{layout.skip + 1}. Check that this is a table, or say that it has no header."
        )
    if columns.repeated_headers:
        lines = ", ".join(map(str, columns.repeated_headers[:3])) + (
            " ..." if len(columns.repeated_headers) > 3 else ""
        )
        notes.append(f"The header is repeated on line {lines}: what follows is read as rows of the same table.")
    decided = options.model_copy(
        update={
            "encoding": encoding,
            "delimiter": dialect.delimiter,
            "quote": dialect.quote,
            "escape": dialect.escape,
            "header": layout.header,
            "skip_rows": layout.skip,
        }
    )
    return Texts(names, columns, decided, _summary(layout, encoding), notes, columns.lines)


def _summary(layout: Layout, encoding: str) -> str:
    dialect = layout.dialect
    mark = MARKS.get(dialect.delimiter, repr(dialect.delimiter))
    parts = [NAMES.get(encoding, encoding), f"{mark}-separated" if dialect.delimiter else "one column"]
    if dialect.quote and dialect.quote != '"':
        parts.append(f"quoted with {dialect.quote}")
    if dialect.escape:
        parts.append("quotes escaped with " + ("NUL" if dialect.escape == "\0" else dialect.escape))
    if not layout.header:
        parts.append("no header")
    elif layout.header == 1:
        parts.append(f"header on line {layout.skip + 1}")
    else:
        parts.append(f"header on lines {layout.skip + 1} to {layout.skip + layout.header_lines}")
    if not layout.header and layout.skip:
        parts.append(f"first row on line {layout.skip + 1}")
    return ", ".join(parts)

"""Texts that a spreadsheet would run as formulas when it opens a CSV file.

A cell that begins with =, +, - or @, their full-width forms, or a tab or line break is taken for a formula by Excel,
LibreOffice or Google Sheets. A number such as -5 or +3.2 is none, nor is a sign alone.
Source: OWASP, "CSV Injection".
"""

from __future__ import annotations

from synth.linear import DOTALL, whole, within

BEGINS = r"^[=+\-@\t\r\n\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}]"
"""Of what may be a formula, as DuckDB's RE2 writes it."""
HARMLESS = r"[+\-]?[.,]?([0-9][0-9., ]{0,60})?([eE][+\-]?[0-9]{1,3})? ?[%\x{20AC}$]?"
"""The whole of what is a number or a sign for all that."""
_CODES = within(r"\\x\{(\w{1,6})\}")
_BEGINS, _HARMLESS = within(_CODES.sub(r"\\u\1", BEGINS)), whole(_CODES.sub(r"\\u\1", HARMLESS), DOTALL)


def is_formula(text: object) -> bool:
    """Whether a spreadsheet would run the text."""
    return isinstance(text, str) and bool(_BEGINS.match(text)) and not _HARMLESS.fullmatch(text)


def defused(text: object) -> object:
    """The text with an apostrophe before it where a spreadsheet would run it; anything else as it is."""
    return f"'{text}" if is_formula(text) else text

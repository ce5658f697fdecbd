"""Preparation of external text for storage and display.

PostgreSQL stores neither NUL nor unpaired surrogates. Text that a user entered is rejected with the place of such a
character. In text from an upstream, it costs the character and not the record.
"""

from __future__ import annotations

import re

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def unstorable(text: str) -> re.Match[str] | None:
    """Return the first character that no database can store, or ``None``."""
    return _UNSTORABLE.search(text)


def storable(text: str) -> str:
    """Return ``text`` without NULs and with U+FFFD for each unpaired surrogate. Paired ones become one character."""
    text = text.replace("\x00", "")
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def one_line(text: str, length: int = 240) -> str:
    """Return ``text`` as one printable line of at most ``length`` characters, cut with an ellipsis."""
    line = "".join(char if char.isprintable() else " " for char in text[: length * 4]).strip()
    return line if len(line) <= length else line[: length - 1] + "…"

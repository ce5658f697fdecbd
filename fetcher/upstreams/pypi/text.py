"""Preparation of external text for storage or display."""

from __future__ import annotations

_SHOWN_BYTES = 60
_REASON_LENGTH = 240


def storable(text: str) -> str:
    """Return ``text`` as PostgreSQL accepts it: without NULs, and with U+FFFD for unpaired surrogates."""
    text = text.replace("\x00", "")
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def beginning(body: bytes) -> str:
    """Return the first characters of a body for an error reason: one line, control characters escaped."""
    if not body:
        return "an empty body"
    head = body[:_SHOWN_BYTES].decode("utf-8", "backslashreplace")
    return repr(head + ("…" if len(body) > _SHOWN_BYTES else ""))


def one_line(text: str) -> str:
    """Return ``text`` as one printable line of bounded length."""
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[:_REASON_LENGTH])
    return shown + ("…" if len(text) > _REASON_LENGTH else "")

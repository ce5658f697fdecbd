"""Text from outside, made fit to store or to show."""

from __future__ import annotations

_SHOWN_BYTES = 60
_REASON_LENGTH = 240


def storable(text: str) -> str:
    """``text`` verbatim but for what PostgreSQL refuses: NULs go, halves of surrogate pairs become U+FFFD."""
    text = text.replace("\x00", "")
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def beginning(body: bytes) -> str:
    """The first characters of a body, for a reason: one line, control characters escaped."""
    if not body:
        return "an empty body"
    head = body[:_SHOWN_BYTES].decode("utf-8", "backslashreplace")
    return repr(head + ("…" if len(body) > _SHOWN_BYTES else ""))


def one_line(text: str) -> str:
    """``text`` as one printable line of bounded length."""
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[:_REASON_LENGTH])
    return shown + ("…" if len(text) > _REASON_LENGTH else "")

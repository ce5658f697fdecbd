"""Text from git repositories and servers, as it may be shown: without e-mail addresses."""

from __future__ import annotations

import re

from fetcher.domain.text import one_line

_ADDRESS = re.compile(r"([^\s@<>(),;:]+)@[^\s@<>(),;:]+")


def without_addresses(text: str) -> str:
    """Return ``text`` with each e-mail address cut to the part before the ``@``."""
    return _ADDRESS.sub(r"\1", text).replace("@", "")


def reported(text: bytes) -> str:
    """Return a server's message as one line."""
    return one_line(without_addresses(text.decode("utf-8", "replace")))

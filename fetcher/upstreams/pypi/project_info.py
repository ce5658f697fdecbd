"""The metadata of a project that a directory shows. Sources: PEP 639, PEP 753."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from fetcher.domain.model import LICENCE_KEPT, ProjectInfo
from fetcher.upstreams.pypi.shapes import JsonInfo

_LABELS = ("documentation", "docs", "doc", "readthedocs", "rtd", "onlinedocumentation", "apidocs")
"""Labels of a link to the documentation, the best first: PEP 753's two, then others in use."""

_LONGEST_LICENCE = 100
_LONGEST_ADDRESS = 2000
_LICENCE = "License :: "
_GROUPS = frozenset({"OSI Approved", "DFSG approved"})
"""Licence classifiers that only name a group and no licence."""


def info_of(info: JsonInfo) -> ProjectInfo:
    classifiers = tuple(info.classifiers or ())
    return ProjectInfo(
        summary=info.summary,
        classifiers=classifiers,
        licence=_licence(info, classifiers),
        documentation_url=_documentation_url(info),
        licence_expression=(info.license_expression or "").strip() or None,
        licence_text=(info.license or "").strip()[:LICENCE_KEPT] or None,
    )


def _licence(info: JsonInfo, classifiers: Sequence[str]) -> str | None:
    """Return the licence expression, otherwise the free text if it is a short name, otherwise the classifiers."""
    expression = (info.license_expression or "").strip()
    if expression:
        return expression
    text = (info.license or "").strip()
    if text and text.upper() != "UNKNOWN" and len(text) <= _LONGEST_LICENCE and text.isprintable():
        return text
    named = (label.rpartition(" :: ")[2].strip() for label in classifiers if label.startswith(_LICENCE))
    return ", ".join(dict.fromkeys(name for name in named if name and name not in _GROUPS)) or None


def _documentation_url(info: JsonInfo) -> str | None:
    """Return the index's own field of the documentation, otherwise the link with the best label."""
    links = {_normalised(label): address for label, address in (info.project_urls or {}).items()}
    stated = [links.get(label) for label in _LABELS]
    return next((link for link in [info.docs_url, *stated] if link is not None and _is_web_address(link)), None)


def _normalised(label: str) -> str:
    """Return the label without punctuation and whitespace, in lower case (PEP 753)."""
    return re.sub(r"[\W_]+", "", label).lower()


def _is_web_address(text: str) -> bool:
    if len(text) > _LONGEST_ADDRESS or not text.isprintable() or " " in text:
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.username is None
    except ValueError:
        return False

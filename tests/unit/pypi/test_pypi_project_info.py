"""Licence and documentation link from authors' metadata."""

from __future__ import annotations

import pytest

from fetcher.upstreams.pypi.project_info import info_of
from fetcher.upstreams.pypi.shapes import JsonInfo

OSI = "License :: OSI Approved"
URL = "https://docs.example/x"


@pytest.mark.parametrize(
    ("expression", "text", "classifiers", "licence"),
    [
        ("MIT OR Apache-2.0", "MIT", [f"{OSI} :: BSD License"], "MIT OR Apache-2.0"),
        ("", "BSD-3-Clause", [f"{OSI} :: MIT License"], "BSD-3-Clause"),
        (None, "Permission is hereby granted\nfree of charge", [f"{OSI} :: MIT License"], "MIT License"),
        (None, "x" * 101, [f"{OSI} :: MIT License", "License :: Public Domain"], "MIT License, Public Domain"),
        (None, "UNKNOWN", [OSI], None),
        (None, None, ["Framework :: Django"], None),
    ],
)
def test_licence(expression: str | None, text: str | None, classifiers: list[str], licence: str | None) -> None:
    """The expression comes first, then a text that is a name and no licence text, then the classifiers."""
    info = JsonInfo(name="x", license_expression=expression, license=text, classifiers=classifiers)
    assert info_of(info).licence == licence


@pytest.mark.parametrize(
    "label", ["Documentation", "documentation", "Docs", "doc", " D-O-C-S! ", "Read the Docs", "ReadTheDocs"]
)
def test_a_label_of_documentation_is_known_in_any_dress(label: str) -> None:
    """Labels are compared without case, punctuation and spaces (PEP 753)."""
    assert info_of(JsonInfo(name="x", project_urls={"Homepage": "https://a", label: URL})).documentation_url == URL


@pytest.mark.parametrize(
    ("links", "docs_url", "found"),
    [
        ({"Docs": "https://b", "Documentation": URL}, None, URL),
        ({"Docs": "https://b", "Documentation": "https://c"}, URL, URL),
        ({"Documentation": URL}, "UNKNOWN", URL),
        ({"Documentation": "UNKNOWN", "Docs": URL}, None, URL),
        ({"Documentation": None}, URL, URL),
        ({"Source": URL}, None, None),
        (None, None, None),
        (None, "", None),
    ],
)
def test_the_best_link_that_is_an_address_wins(
    links: dict[str, str | None] | None, docs_url: str | None, found: str | None
) -> None:
    """The index's own field precedes ``Documentation`` and ``Docs``; entries that are no address are skipped."""
    assert info_of(JsonInfo(name="x", project_urls=links, docs_url=docs_url)).documentation_url == found


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "ftp://x/y",
        "https://",
        "docs/index",
        "https://[x",
        "https://a b",
        "https://u:p@x",
        "https://x/\x1b",
        "http:x",
        "https://x/" + "a" * 2000,
    ],
)
def test_only_a_web_address_with_a_host_is_a_link(address: str) -> None:
    """Only http and https addresses without credentials are links, because users follow them."""
    assert info_of(JsonInfo(name="x", project_urls={"Docs": address})).documentation_url is None

"""Removal of user information from editors' addresses."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fetcher.catalogue.credentials import without_credentials, without_credentials_in, without_secrets
from fetcher.domain.model import CatalogueEntry

CLEAN = "https://github.com/a/b"


@pytest.mark.parametrize(
    ("given_", "cleaned"),
    [
        ("https://user:pwSECRET@github.com/a/b", CLEAN),
        ("https://SECRET@github.com/a/b", CLEAN),
        ("https://:SECRET@github.com/a/b", CLEAN),
        ("https://@github.com/a/b", CLEAN),
        ("https://user:SE@CRET@github.com/a/b", CLEAN),
        ("https://user:SEC/RET@github.com/a/b", CLEAN),
        ("https://user:SEC?RET@github.com/a/b", CLEAN),
        ("https://user:SEC#RET@github.com/a/b", CLEAN),
        ("https://user:1/SECRET@github.com/a/b", CLEAN),
        ("https://SEC/RET@github.com/a/b", CLEAN),
        ("https://[:/SECRET@github.com/a/b", CLEAN),
        ("https://[SEC]:/RET@github.com/a/b", CLEAN),
        ("https://user:SEC\\RET@github.com/a/b", CLEAN),
        ("https://user:SEC RET@github.com/a/b", CLEAN),
        ("HTTPS://user:SECRET@GitHub.com/a/b", "HTTPS://GitHub.com/a/b"),
        ("git+https://user:SECRET@github.com/a/b@v1#egg=b", "git+https://github.com/a/b@v1#egg=b"),
        ("ssh://git:SECRET@github.com/a/b", "ssh://github.com/a/b"),
        ("user:SECRET@github.com/a/b", "github.com/a/b"),
        ("//user:SECRET@github.com/a/b", "github.com/a/b"),
        ("SECRET@github.com/a/b", "github.com/a/b"),
        ("https:/user:SECRET@github.com/a/b", "github.com/a/b"),
        ("https//user:SECRET@github.com/a/b", "github.com/a/b"),
        ("user:SEC/RET@github.com/a/b", "github.com/a/b"),
        ("SECRET@github.com:a/b.git", "git@github.com:a/b.git"),
        ("https://web.example/https://user:SECRET@github.com/a/b", "https://web.example/https://github.com/a/b"),
        ("https://user:SECRET@[::1]:8080/a/b", "https://[::1]:8080/a/b"),
    ],
)
def test_user_information_is_removed(given_: str, cleaned: str) -> None:
    assert without_credentials(given_) == cleaned


@pytest.mark.parametrize(
    "address",
    [
        CLEAN,
        "git@github.com:a/b.git",
        "ssh://git@github.com/a/b",
        "ssh://hg@forge.example/a/b",
        "git+ssh://git@github.com/a/b.git@v1.0",
        "git+https://github.com/a/b@v1.0#egg=b",
        "https://medium.example/@author/text",
        "https://registry.example/@scope/package?mail=me@example.com",
        "http://localhost:8000/@a/b",
        "requests@1.0",
        "github.com:a/b@v1.0",
        "mail@example.com",
        "",
    ],
)
def test_other_addresses_stay(address: str) -> None:
    """A service's user name, a revision, and an ``@`` in the path or query are no credentials."""
    assert without_credentials(address) == address


@example(user="[", password="", where="/")
@given(user=st.text(max_size=20), password=st.text(max_size=20), where=st.sampled_from(["/", "?", "#", "", ":"]))
def test_no_password_survives(user: str, password: str, where: str) -> None:
    """Any user name and password, also with characters that should be quoted, are removed; a second time no more."""
    cleaned = without_credentials(f"https://{user}:{where}SECRET{password}@github.com/a/b")
    assert "SECRET" not in cleaned or "." in user
    assert without_credentials(cleaned) == cleaned


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("https://user:SECRET@directory.example/api/", "https://directory.example/api/"),
        (
            "https://directory.example/api/?username=a&api_key=SECRET#x",
            "https://directory.example/api/?username=a&api_key=***#x",
        ),
        (
            "https://directory.example/api/?Access-Token=SECRET&page=2",
            "https://directory.example/api/?Access-Token=***&page=2",
        ),
        (
            "https://directory.example/api/?limit=0&category=apps",
            "https://directory.example/api/?limit=0&category=apps",
        ),
        ("/srv/monkeys=3/packages.json", "/srv/monkeys=3/packages.json"),
    ],
)
def test_the_address_of_a_source_has_no_secrets(source: str, shown: str) -> None:
    """Neither user information nor keys in the query are shown; a file and other parameters stay."""
    assert without_secrets(source) == shown


def test_all_addresses_of_an_entry() -> None:
    """The three addresses are cleaned and unknown keys keep their text; a clean entry is the same object."""
    secret = "https://u:SECRET@x.example/p"
    entry = CatalogueEntry(
        "a", "A", repo_url=secret, pypi_url=secret, documentation_url=secret, extra={"mirror": secret}
    )
    cleaned = without_credentials_in(entry)
    assert {cleaned.repo_url, cleaned.pypi_url, cleaned.documentation_url} == {"https://x.example/p"}
    assert cleaned.extra == {"mirror": secret}
    assert without_credentials_in(cleaned) is cleaned
    assert without_credentials_in(CatalogueEntry("a", "A", repo_url=CLEAN)).repo_url == CLEAN

"""The setting ``FETCHER_FORGES``."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fetcher.cli.settings import effective
from fetcher.domain.errors import ConfigError
from fetcher.domain.forges import ForgeKind
from fetcher.settings import read_settings

MARK = "s3cr3t-MARK"


def forges(value: Any) -> Any:
    return read_settings({"FETCHER_FORGES": value if isinstance(value, str) else json.dumps(value)}).forges


def test_an_entry() -> None:
    """Every key is read; the host is in lower case, and roots lose the API's path."""
    given = {
        "www.Git.Example.org:3000": {
            "kind": "gitlab",
            "root": "https://git.example.org/forge/api/v4/",
            "git": "https://clone.example.org",
            "token": MARK,
            "per_second": 2.5,
        }
    }
    (host, entry) = next(iter(forges(given).items()))
    assert host == "git.example.org:3000"
    assert (entry.kind, entry.root, entry.git) == (
        ForgeKind.GITLAB,
        "https://git.example.org/forge",
        "https://clone.example.org",
    )
    assert entry.token.get_secret_value() == MARK
    assert entry.per_second == 2.5


@pytest.mark.parametrize("suffix", ["", "/", "/api/v4", "/api/v1/", "/2.0"])
def test_a_root_with_or_without_the_path_of_the_api(suffix: str) -> None:
    entry = forges({"codeberg.org": {"root": f"https://codeberg.org{suffix}"}})["codeberg.org"]
    assert entry.root == "https://codeberg.org"


def test_every_key_is_optional() -> None:
    assert forges({"codeberg.org": {}})["codeberg.org"].kind is None
    assert read_settings({}).forges == {}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{", "expected a JSON object of hosts"),
        ("[]", "expected a JSON object of hosts"),
        ({"codeberg.org": 1}, "codeberg.org: expected an object with any of kind, root, git, token, per_second"),
        ({"https://codeberg.org": {}}, "https://codeberg.org: expected a host such as codeberg.org"),
        ({f"u:{MARK}@codeberg.org": {}}, "a host: expected a host such as codeberg.org"),
        ({"github.com": {}}, "github.com: set FETCHER_GITHUB_API_URL and FETCHER_GITHUB_TOKEN instead"),
        ({"a.org": {"kind": "svn"}}, "a.org: kind: expected one of bitbucket, forgejo, git, gitlab"),
        ({"a.org": {"kind": ["git"]}}, "a.org: kind: expected one of bitbucket, forgejo, git, gitlab"),
        ({"a.org": {"root": "ftp://a.org"}}, "a.org: root: expected an http(s) address"),
        (
            {"a.org": {"root": f"https://u:{MARK}@a.org"}},
            "a.org: root: expected an http(s) address without a user name",
        ),
        ({"a.org": {"git": 5}}, "a.org: git: expected a text"),
        ({"a.org": {"token": ""}}, "a.org: token: is sent in a header"),
        ({"a.org": {"token": f"{MARK}\n"}}, "a.org: token: is sent in a header"),
        ({"a.org": {"tokn": MARK}}, "a.org: tokn: unknown (known: kind, root, git, token, per_second)"),
        ({"a.org": {"per_second": 0}}, "a.org: per_second: expected a number above 0, at most 100"),
        ({"a.org": {"per_second": "many"}}, "a.org: per_second: expected a number above 0, at most 100"),
    ],
)
def test_a_wrong_entry_in_plain_words(value: Any, message: str) -> None:
    """The message names the host and the key, and never shows a value."""
    with pytest.raises(ConfigError) as caught:
        forges(value)
    assert caught.value.message.startswith(f"FETCHER_FORGES: {message}")
    assert MARK not in str(caught.value)


def test_tokens_are_masked() -> None:
    """`fetcher settings` shows hosts and kinds without any token, as does the ``repr``."""
    environment = {"FETCHER_FORGES": json.dumps({"codeberg.org": {"kind": "forgejo", "token": MARK}})}
    shown = next(one.value for one in effective(environment) if one.name == "FETCHER_FORGES")
    assert json.loads(shown or "") == {"codeberg.org": {"kind": "forgejo", "token": "***"}}
    assert MARK not in repr(read_settings(environment))

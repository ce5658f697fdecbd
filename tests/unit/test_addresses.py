"""Addresses of repositories and projects, as editors write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypi_simple import PYPI_SIMPLE_ENDPOINT

from fetcher.catalogue.addresses import parse_project, parse_repo_address, repository_name
from fetcher.domain.model import RepoRef, Unsupported
from fetcher.upstreams.github.addresses import parse

HOSTS = {"github.com": parse}
REPO = RepoRef("github.com", "o/r")


@pytest.mark.parametrize(
    "address",
    [
        "https://github.com/o/r",
        "http://github.com/o/r",
        "https://github.com/o/r/",
        "https://github.com/o/r.git",
        "https://github.com/o/r.git/",
        "https://www.github.com/o/r",
        "HTTPS://GitHub.COM./o/r",
        "https://github.com:443/o/r",
        "http://github.com:80/o/r",
        "  https://github.com/o/r\n",
        "https://github.com//o//r",
        "git://github.com/o/r.git",
        "ssh://git@github.com/o/r.git",
        "ssh://git@github.com:22/o/r",
        "git@github.com:o/r.git",
        "git@github.com:/o/r",
        "git+https://github.com/o/r.git",
        "git+https://github.com/o/r@v1.0#egg=r",
        "git+ssh://git@github.com/o/r.git@main",
        "https://user:secret@github.com/o/r",
        "https://github.com/o/r?tab=readme#usage",
        "https://github.com/o/r/tree/main/packages/part",
        "https://github.com/o/r/issues",
    ],
)
def test_every_spelling_of_one_repository(address: str) -> None:
    """Parse four schemes, scp's form and pip's, with all optional parts, to one repository."""
    assert parse_repo_address(address, HOSTS) == REPO


@pytest.mark.parametrize("blank", [None, "", " \n\t"])
def test_nothing_is_no_address(blank: str | None) -> None:
    """Distinguish an absent address from an unsupported one."""
    assert parse_repo_address(blank, HOSTS) is None
    assert parse_project(blank) is None


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("https://gitlab.com/o/r", "gitlab.com is not a supported host (supported: github.com)"),
        ("git@bitbucket.org:o/r", "bitbucket.org is not a supported host (supported: github.com)"),
        ("https://github.com.evil.example/o/r", "github.com.evil.example is not a supported host"),
        ("https://github.com@evil.example/o/r", "evil.example is not a supported host"),
        ("https://github.com:8443/o/r", "github.com:8443 is not a supported host"),
        ("https://gist.github.com/o/1a2b", "a gist is not a repository"),
        ("https://github.com/o", "it names the account o, not a repository"),
        ("https://github.com/o/.git", "it names the account o, not a repository"),
        ("https://github.com/", "got no owner"),
        ("https://github.com/orgs/o", "/orgs/… is a page of the host, not a repository"),
        ("https://github.com/Sponsors/o", "is a page of the host"),
        ("https://github.com/-o/r", "expected an owner"),
        ("https://github.com/" + "o" * 40 + "/r", "expected an owner"),
        ("https://github.com/o/..", "expected a repository name"),
        ("https://github.com/o/r%20x", "expected a repository name"),
        ("https://github.com/o/" + "r" * 101, "expected a repository name"),
        ("git@github.com:o/r/x", "nothing behind it"),
        ("ssh://git@github.com/o/r/tree/main", "nothing behind it"),
        ("github.com/o/r", "expected an https, http, git or ssh address"),
        ("o/r", "expected an https, http, git or ssh address"),
        ("ftp://github.com/o/r", "expected an https, http, git or ssh address"),
        ("file:///o/r", "expected an https, http, git or ssh address"),
        ("https://[github.com/o/r", "expected an https, http, git or ssh address"),
        ("https://github.com:port/o/r", "expected an https, http, git or ssh address"),
        ("https://github.com\\@evil.example/o/r", "expected an https, http, git or ssh address"),
        ("https://github.com/o/r x", "without spaces"),
        ("https://github.com/o/r\x00", "without spaces"),
        ("https://github.com/o/" + "r" * 5000, "at most 2000 characters"),
    ],
)
def test_an_unsupported_address_has_a_reason(address: str, reason: str) -> None:
    """Give the editor one line with the error or the expected form."""
    parsed = parse_repo_address(address, HOSTS)
    assert isinstance(parsed, Unsupported)
    assert reason in parsed.reason
    assert parsed.reason.isprintable()
    assert parsed.address.isprintable()


@pytest.mark.parametrize(
    "address",
    [
        "https://user:s3cret@gitlab.com/o/r",
        "https://s3cret@gitlab.com/o/r",
        "https://user:s3cret/x@github.com/o/r",
        "https://s3cret/x@github.com/o/r",
        "https://user:12/s3cret@github.com/o/r",
        "https://user:s3cret@[github.com/o/r",
        "user:s3cret@github.com:o/r",
        "ftp://user:s3cret@github.com/o/r",
    ],
)
def test_credentials_are_not_kept(address: str) -> None:
    """Remove a password from both the reason and the stored address."""
    parsed = parse_repo_address(address, HOSTS)
    assert isinstance(parsed, Unsupported)
    assert "s3cret" not in repr(parsed)


def test_other_hosts_are_a_matter_of_settings() -> None:
    """Support an Enterprise server listed in the settings, with its port if it has one."""
    hosts = dict.fromkeys(("github.com", "git.corp.example", "localhost:8000"), parse)
    assert parse_repo_address("git@git.corp.example:o_x/r", hosts) == RepoRef("git.corp.example", "o_x/r")
    assert parse_repo_address("http://localhost:8000/o/r", hosts) == RepoRef("localhost:8000", "o/r")
    assert isinstance(parse_repo_address("http://localhost:8001/o/r", hosts), Unsupported)


names = st.from_regex(r"[A-Za-z0-9._-]{1,100}", fullmatch=True).filter(
    lambda name: name not in {".", ".."} and not name.endswith(".git")
)
owners = st.from_regex(r"x[A-Za-z0-9-]{0,38}", fullmatch=True)


@given(owners, names)
def test_a_written_address_is_read_back(owner: str, name: str) -> None:
    """Parse a written address to the same repository with the same spelling."""
    repo = RepoRef("github.com", f"{owner}/{name}")
    assert parse_repo_address(f"https://{repo.host}/{repo.path}", HOSTS) == repo
    assert parse_repo_address(f"git@github.com:{repo.path}.git", HOSTS) == repo
    assert repository_name(f"https://{repo.host}/{repo.path}") == name


fragments = st.lists(
    st.sampled_from(
        [
            "https://",
            "git@",
            "github.com",
            ":",
            "/",
            "@",
            "o",
            ".git",
            "..",
            "[",
            "]",
            "%",
            "?",
            "#",
            "\\",
            "//",
            "pypi",
            "simple",
            "-",
        ]
    )
    | st.text(max_size=4),
    max_size=10,
).map("".join)


@given(st.text() | fragments)
def test_no_text_is_too_strange(text: str) -> None:
    """Parse any text to a valid repository or project, a reason, or ``None``."""
    repo = parse_repo_address(text, HOSTS)
    if isinstance(repo, RepoRef):
        assert parse_repo_address(f"https://{repo.host}/{repo.path}", HOSTS) == repo
    project = parse_project(text)
    if isinstance(project, str):
        assert parse_project(project) == project
    repository_name(text)
    for parsed in (repo, project):
        if isinstance(parsed, Unsupported):
            assert parsed.reason.isprintable()
            assert parsed.address.isprintable()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Django", "django"),
        (" Foo.Bar__baz ", "foo-bar-baz"),
        ("http://pypi.python.org/pypi/django-vies", "django-vies"),
        ("http://pypi.python.org/pypi/django-vies/", "django-vies"),
        ("https://pypi.python.org/pypi/Django/1.0/#downloads", "django"),
        ("https://pypi.python.org/pypi/pypi/json", "pypi"),
        ("https://pypi.python.org/project/simple/", "simple"),
        ("https://PyPI.example/project/Foo_Bar/2.0/?x=y", "foo-bar"),
        (PYPI_SIMPLE_ENDPOINT + "Foo/", "foo"),
        ("https://mirror.example/pypi/simple/foo/", "foo"),
        ("https://mirror.example/api/pypi/team/simple/foo/", "foo"),
        ("https://mirror.example/root/dev/+simple/foo", "foo"),
        ("https://pypi.python.org/pypi/foo%2Dbar", "foo-bar"),
    ],
)
def test_every_spelling_of_a_project(text: str, name: str) -> None:
    """Parse a bare name, and old and new addresses of the index and of configured mirrors."""
    assert parse_project(text, frozenset({"mirror.example"})) == name


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("-foo", "expected a project's name"),
        ("foo bar", "expected a project's name"),
        ("föö", "expected a project's name"),
        ("x" * 201, "expected a project's name"),
        ("https://github.com/o/r", "github.com is not a supported package index"),
        ("https://notpypi.example/project/x/", "notpypi.example is not a supported package index"),
        ("https://pypi.python.org/", "expected a project's name"),
        ("https://pypi.python.org/pypi", "expected a project's name"),
        ("https://pypi.python.org/user/x/", "expected a project's name"),
        ("pypi.python.org/pypi/foo", "expected a project's name"),
        ("git@pypi.python.org:pypi/foo", "expected a project's name"),
        ("https://[pypi", "expected a project's name"),
    ],
)
def test_an_unsupported_project_has_a_reason(text: str, reason: str) -> None:
    """Accept a PEP 508 name, or an address with one in a known place; guess nothing."""
    parsed = parse_project(text)
    assert isinstance(parsed, Unsupported)
    assert reason in parsed.reason


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("https://gitlab.com/group/sub/name.git", "name"),
        ("https://gitlab.com/group/sub/name/-/tree/main", "name"),
        ("https://github.com/o/r/tree/main/x", "r"),
        ("git@bitbucket.org:o/r.git", "r"),
        ("https://example.com", None),
        ("word", None),
    ],
)
def test_a_repository_on_any_host_has_a_name(text: str, name: str | None) -> None:
    """Return a name for unsupported repositories as well: they are stored and need a slug."""
    assert repository_name(text) == name

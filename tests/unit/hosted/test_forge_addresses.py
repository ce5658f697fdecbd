"""Addresses of repositories on other forges, as editors write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.catalogue.addresses import parse_repo_address
from fetcher.domain.forges import ForgeKind
from fetcher.domain.model import RepoRef, Unsupported
from fetcher.upstreams.hosted.addresses import MOST_SEGMENTS, parse

GITLAB, FORGEJO, BITBUCKET, GIT = ForgeKind.GITLAB, ForgeKind.FORGEJO, ForgeKind.BITBUCKET, ForgeKind.GIT


def read(address: str, kind: ForgeKind) -> RepoRef | Unsupported | None:
    return parse_repo_address(address, {}, lambda location: parse(location, kind))


@pytest.mark.parametrize(
    ("kind", "address", "path"),
    [
        (GITLAB, "https://gitlab.com/group/project", "group/project"),
        (GITLAB, "https://GitLab.com/Group/Project/", "Group/Project"),
        (GITLAB, "https://gitlab.com/group/project.git", "group/project"),
        (GITLAB, "git@gitlab.com:group/sub/project.git", "group/sub/project"),
        (GITLAB, "ssh://git@gitlab.com:2222/group/project.git", "group/project"),
        (GITLAB, "https://gitlab.com/group/sub/project/-/tree/main/src", "group/sub/project"),
        (GITLAB, "https://gitlab.com/group/sub/project/-/issues", "group/sub/project"),
        (GITLAB, "https://gitlab.com/group/project/tree/main", "group/project"),
        (GITLAB, "https://gitlab.com/group/project.git/info/refs", "group/project"),
        (GITLAB, "https://u:p@gitlab.com/group/project?ref_type=heads#readme", "group/project"),
        (GITLAB, "https://gitlab.com/" + "/".join("g" * MOST_SEGMENTS), "/".join("g" * MOST_SEGMENTS)),
        (FORGEJO, "https://codeberg.org/owner/name", "owner/name"),
        (FORGEJO, "https://codeberg.org/owner/name.git", "owner/name"),
        (FORGEJO, "https://codeberg.org/owner/name/src/branch/main/part", "owner/name"),
        (FORGEJO, "https://codeberg.org/owner/name/wiki", "owner/name"),
        (FORGEJO, "ssh://git@codeberg.org/owner/name.git", "owner/name"),
        (BITBUCKET, "https://bitbucket.org/workspace/slug/src/master/", "workspace/slug"),
        (BITBUCKET, "git@bitbucket.org:workspace/slug.git", "workspace/slug"),
        (GIT, "https://git.sr.ht/~user/repo", "~user/repo"),
        (GIT, "https://git.sr.ht/~user/repo/tree/master/item/setup.py", "~user/repo"),
        (GIT, "https://git.savannah.gnu.org/git/emacs.git", "git/emacs.git"),
        (GIT, "https://git.savannah.gnu.org/cgit/emacs.git/tree/lisp", "cgit/emacs.git"),
        (GIT, "https://git.kernel.org/pub/scm/git/git.git/", "pub/scm/git/git.git"),
        (GIT, "git://git.kernel.org/pub/scm/git/git.git", "pub/scm/git/git.git"),
        (GIT, "https://git.example.org/project", "project"),
        (GIT, "https://git.example.org/group/sub/project/-/tree/main", "group/sub/project"),
        (GIT, "https://git.example.org/owner/name/src/branch/main", "owner/name"),
    ],
)
def test_every_form_of_an_address(kind: ForgeKind, address: str, path: str) -> None:
    """Pages, suffixes, ports of ssh and user information are left out."""
    found = read(address, kind)
    assert isinstance(found, RepoRef)
    assert found.path == path


def test_a_port_of_the_web_belongs_to_the_host() -> None:
    """Another port for https is another host; one for ssh is not the web server's."""
    assert read("https://git.example.org:3000/o/r", FORGEJO) == RepoRef("git.example.org:3000", "o/r")
    assert read("ssh://git@git.example.org:2222/o/r", FORGEJO) == RepoRef("git.example.org", "o/r")


@pytest.mark.parametrize(
    ("kind", "address", "reason"),
    [
        (GITLAB, "https://gitlab.com/group", "it names the account 'group', not a repository"),
        (GITLAB, "https://gitlab.com/", "expected the path of a repository, got none"),
        (GITLAB, "https://gitlab.com/explore/projects", "/explore/… is a page of the host"),
        (GITLAB, "https://gitlab.com/-/snippets/1", "is a page of the host"),
        (GITLAB, "https://gitlab.com/" + "/".join("g" * 22), "expected at most 21 segments"),
        (GITLAB, "https://gitlab.com/group/../project", "expected names of letters"),
        (GITLAB, "https://gitlab.com/group/pro%2Fject", "expected names of letters"),
        (GITLAB, "https://gitlab.com/group/p%00", "expected names of letters"),
        (GITLAB, "https://gitlab.com/group/" + "p" * 256, "expected names of letters"),
        (FORGEJO, "https://codeberg.org/explore/repos", "is a page of the host"),
        (FORGEJO, "https://codeberg.org/owner", "it names the account"),
        (BITBUCKET, "https://bitbucket.org/account/settings", "is a page of the host"),
        (BITBUCKET, "git@bitbucket.org:workspace/slug/more", "nothing behind it"),
        (GIT, "https://git.sr.ht/~user/repo/../../x", "expected names of letters"),
        (GIT, "https://git.sr.ht/", "got none"),
    ],
)
def test_an_address_that_is_no_repository(kind: ForgeKind, address: str, reason: str) -> None:
    found = read(address, kind)
    assert isinstance(found, Unsupported)
    assert reason in found.reason


names = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,30}", fullmatch=True).filter(
    lambda name: not name.endswith(".git")
)


@given(st.sampled_from(ForgeKind), st.lists(names, min_size=2, max_size=MOST_SEGMENTS))
def test_a_written_address_is_read_back(kind: ForgeKind, segments: list[str]) -> None:
    """A path of plain names has one meaning in every spelling, and its written form has the same."""
    address = "https://git.example.org/" + "/".join(segments)
    found = read(address, kind)
    if not isinstance(found, RepoRef):
        return
    again = [f"https://{found.host}/{found.path}", f"https://git.example.org/{found.path}/", f"{address}#readme"]
    assert [read(spelling, kind) for spelling in again] == [found] * len(again)
    if kind is not GIT:
        assert read(f"https://{found.host}/{found.path}.git", kind) == found


@given(
    st.sampled_from(ForgeKind),
    st.text(alphabet=st.sampled_from("ab/.-_~%2F:@ \\\x00é"), max_size=40),
)
def test_no_path_leaves_its_host(kind: ForgeKind, path: str) -> None:
    """Any text is either a reason or a path without empty, dot or encoded segments."""
    found = read(f"https://git.example.org/{path}", kind)
    if isinstance(found, RepoRef):
        assert found.host == "git.example.org"
        assert not {"", ".", ".."} & set(found.path.split("/"))
        assert found.path.isascii()
        assert not set("%:@\\ ?#") & set(found.path)

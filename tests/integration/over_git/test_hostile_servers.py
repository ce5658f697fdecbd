"""Servers that are no git servers, or hostile ones: each gets a clear outcome, and nothing stored is lost."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.mark.structures import ParameterSet

from fetcher.domain.model import OutcomeKind, Source
from tests.harness.loopback import Reply
from tests.harness.over_git import over_git
from tests.harness.scripted_git import (
    ADVERTISEMENT,
    COMMIT,
    OFS_DELTA,
    RESULT,
    Script,
    ScriptedGit,
    capabilities,
    commit,
    entry,
    oid_of,
    pack_of,
    packet,
    packfile,
    references,
)

FIRST = commit("first")
SECOND = commit("second", [oid_of(FIRST)])
THIRD = commit("third", [oid_of(SECOND)])
FOURTH = commit("fourth", [oid_of(THIRD)])
HEAD = oid_of(SECOND)
HONEST = pack_of(entry(COMMIT, SECOND), entry(COMMIT, FIRST))
HTML = {"Content-Type": "text/html; charset=utf-8"}
PLAIN = {"Content-Type": "text/plain"}
A_PAGE = Reply(200, HTML, b"<!doctype html><title>Sign in</title>")


def serving(pack: bytes | Reply, head: str = HEAD) -> Script:
    """Return the script of a git server with this pack, or with this response in its place."""

    def script(method: str, path: str, body: bytes) -> Reply:
        if method == "GET":
            return Reply(200, ADVERTISEMENT, capabilities())
        if b"command=ls-refs" in body:
            return Reply(200, RESULT, references(head))
        return pack if isinstance(pack, Reply) else Reply(200, RESULT, packfile(pack))

    return script


def endless() -> Iterator[bytes]:
    """Yield a pack without an end."""
    yield packet(b"packfile\n")
    yield from itertools.repeat(packet(b"\x01" + b"\0" * 60_000))


def always(reply: Reply) -> Script:
    return lambda method, path, body: reply


def dumb(method: str, path: str, body: bytes) -> Reply:
    """Serve files only."""
    if method == "POST":
        return Reply(403, PLAIN, b"Forbidden")
    return Reply(200, PLAIN, f"{HEAD}\trefs/heads/main\n".encode())


def old_protocol(method: str, path: str, body: bytes) -> Reply:
    """Speak version 0 of the protocol only."""
    if method == "POST":
        return Reply(200, RESULT, b"")
    line = packet(f"{HEAD} HEAD\0multi_ack side-band-64k symref=HEAD:refs/heads/main\n".encode())
    return Reply(200, ADVERTISEMENT, packet(b"# service=git-upload-pack\n") + b"0000" + line + b"0000")


def elsewhere(method: str, path: str, body: bytes) -> Reply:
    """Redirect to another host."""
    return Reply(302, {"Location": f"http://127.0.0.2:9{path}"})


def chain(depth: int) -> bytes:
    """Return a pack with deltas upon each other."""
    entries, offset, content = [entry(COMMIT, FIRST)], 12, FIRST
    size = _number(len(content))
    copy = bytes([0x80 | 0x10 | 0x20, len(content) & 0xFF, len(content) >> 8])
    for _ in range(depth):
        back = len(entries[-1])
        base = bytes([back]) if back < 128 else bytes([(back >> 7) - 1 | 0x80, back & 0x7F])
        entries.append(entry(OFS_DELTA, size + size + copy, base=base))
        offset += back
    return pack_of(*entries)


def _number(value: int) -> bytes:
    return bytes([value & 0x7F | 0x80, value >> 7])


ZEROS = b"\0" * 40_000_000
Case = tuple[Script, OutcomeKind, str]
NO_GIT: dict[str, Case] = {
    "dumb HTTP": (dumb, OutcomeKind.BLOCKED, "serves files only"),
    "an old protocol": (old_protocol, OutcomeKind.BLOCKED, "only the old versions"),
}
MANY_BOMBS = "many bombs"
CASES: dict[str, Case] = {
    "a web page": (always(A_PAGE), OutcomeKind.MALFORMED, "a web page"),
    "a login": (always(Reply(401, HTML, b"")), OutcomeKind.GONE, "requests a login"),
    "missing": (always(Reply(404, HTML, b"")), OutcomeKind.GONE, "no repository at this address"),
    "refused": (always(Reply(403, HTML, b"")), OutcomeKind.BLOCKED, "refuses access"),
    "too fast": (always(Reply(429, {**PLAIN, "Retry-After": "60"}, b"Retry later")), OutcomeKind.THROTTLED, ""),
    "down": (always(Reply(502, HTML, b"")), OutcomeKind.TRANSIENT, "502"),
    "another host": (elsewhere, OutcomeKind.MALFORMED, "redirected away"),
    "an empty pack": (serving(b""), OutcomeKind.MALFORMED, "pack"),
    "half a pack": (serving(HONEST[: len(HONEST) // 2]), OutcomeKind.MALFORMED, "incomplete or damaged"),
    "half a response": (
        serving(Reply(200, RESULT, packfile(HONEST)[:-30])),
        OutcomeKind.MALFORMED,
        "broken packet lines",
    ),
    "an error": (
        serving(Reply(200, RESULT, packet(b"ERR denied, write to root@private.example"))),
        OutcomeKind.MALFORMED,
        "git reports: denied, write to root",
    ),
    "a lie about the size": (
        serving(pack_of(entry(COMMIT, SECOND, stated=10**12))),
        OutcomeKind.BLOCKED,
        "an object of",
    ),
    "a bomb": (serving(pack_of(entry(3, ZEROS))), OutcomeKind.BLOCKED, "an object of"),
    MANY_BOMBS: (
        serving(pack_of(*[entry(3, ZEROS[:30_000_000])] * 40)),
        OutcomeKind.BLOCKED,
        "when inflated",
    ),
    "too many objects": (serving(pack_of(count=900_000)), OutcomeKind.BLOCKED, "900000 objects"),
    "deep deltas": (serving(chain(300)), OutcomeKind.BLOCKED, "deltas upon each other"),
    "another head": (serving(HONEST, head="e" * 40), OutcomeKind.MALFORMED, "did not return the head"),
    "a missing parent": (
        serving(pack_of(entry(COMMIT, FOURTH), entry(COMMIT, SECOND), entry(COMMIT, FIRST)), head=oid_of(FOURTH)),
        OutcomeKind.MALFORMED,
        "incomplete history",
    ),
    "an endless pack": (serving(Reply(200, RESULT, endless())), OutcomeKind.BLOCKED, "larger than"),
}


def _marked(case: str) -> ParameterSet:
    """Return a case; the one that inflates a gigabyte is slow."""
    return pytest.param(case, marks=pytest.mark.slow if case == MANY_BOMBS else ())


@pytest.mark.parametrize("case", [_marked(case) for case in CASES])
async def test_a_clear_outcome(case: str, tmp_path: Path) -> None:
    """Every response gets one outcome with a reason, and the earlier values stay."""
    script, outcome, reason = CASES[case]
    with ScriptedGit(serving(HONEST)) as server:
        async with over_git(tmp_path, server.url) as git:
            git.add("alpha")
            await git.work()
            before = git.get("alpha").observed
            assert (before.participants, before.last_updated is None) == (("Ann",), False)
            server.script = _with_new_head(script)
            git.tomorrow()
            await git.work()
            after = git.get("alpha")
            found = {(state.outcome, state.message or "") for state in after.states.values()}
            assert any(kind is outcome and reason in message for kind, message in found), found
            assert not any("private.example" in (state.message or "") for state in after.states.values())
            assert after.observed.participants == ("Ann",)
            assert after.observed.last_updated is not None  # the date of the head that is known
            assert after.commit_days is not None
            assert after.commit_days.counts


@pytest.mark.parametrize("case", [_marked(case) for case in CASES | NO_GIT])
async def test_a_first_contact(case: str, tmp_path: Path) -> None:
    """A host that has never served a repository gets the same outcome, and nothing is stored of it."""
    script, outcome, reason = (CASES | NO_GIT)[case]
    with ScriptedGit(script) as server:
        async with over_git(tmp_path, server.url) as git:
            git.add("alpha")
            await git.work()
            package = git.get("alpha")
            found = {(state.outcome, state.message or "") for state in package.states.values()}
            assert any(kind is outcome and reason in message for kind, message in found), found
            assert package.observed.participants is None
            assert package.commit_days is None


def _with_new_head(script: Script) -> Script:
    """Return ``script`` with a head that was not seen before, so that commits are read."""

    def changed(method: str, path: str, body: bytes) -> Reply:
        reply = script(method, path, body)
        if isinstance(reply.body, bytes) and b"command=ls-refs" in body and HEAD.encode() in reply.body:
            return Reply(reply.status, reply.headers, references("d" * 40))
        return reply

    return changed


async def test_commits_that_do_not_lead_to_the_head_are_ignored(tmp_path: Path) -> None:
    """A server that sends more than was requested adds nothing to weeks and people."""
    stranger = commit("stranger").replace(b"Ann", b"Eve").replace(b"ann@", b"eve@")
    pack = pack_of(entry(COMMIT, THIRD), entry(COMMIT, stranger), entry(COMMIT, FIRST))
    with ScriptedGit(serving(HONEST)) as server:
        async with over_git(tmp_path, server.url) as git:
            git.add("alpha")
            await git.work()
            server.script = serving(pack, head=oid_of(THIRD))
            git.tomorrow()
            await git.work()
            package = git.get("alpha")
            assert package.observed.participants == ("Ann",)
            assert package.commit_days is not None
            assert package.commit_days.total == 3


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_moved_repository_is_followed(status: int, tmp_path: Path) -> None:
    """A redirect on the same host is followed, and the new path is stored and used from then on."""

    def script(method: str, path: str, body: bytes) -> Reply:
        if path.startswith("/old/"):
            return Reply(status, {"Location": path.replace("/old/", "/new/")})
        return serving(HONEST)(method, path, body)

    with ScriptedGit(script) as server:
        async with over_git(tmp_path, server.url) as git:
            git.add("old/alpha")
            await git.work()
            stats = git.get("alpha").stats
            assert stats is not None
            assert (stats.full_name, stats.head_oid) == ("new/alpha", HEAD)
            server.requests.clear()
            git.tomorrow()
            await git.work()
            assert {path for _, path in server.requests} == {"/new/alpha/git-upload-pack"}
            assert git.state("alpha", Source.REPOSITORY).outcome is OutcomeKind.FETCHED


async def test_a_host_that_insists_on_the_advertisement(tmp_path: Path) -> None:
    """A host that refuses a first POST is asked for its references first from then on."""
    advertised: set[str] = set()

    def script(method: str, path: str, body: bytes) -> Reply:
        repository = path.split("/")[1]
        if method == "GET":
            advertised.add(repository)
        elif repository not in advertised:
            return Reply(400, PLAIN, b"info/refs first")
        return serving(HONEST)(method, path, body)

    with ScriptedGit(script) as server:
        async with over_git(tmp_path, server.url) as git:
            git.add("alpha")
            await git.work()
            git.add("beta")
            server.requests.clear()
            await git.work()
            assert server.requests[0] == ("GET", "/beta/info/refs?service=git-upload-pack")
            assert git.get("beta").observed.participants == ("Ann",)


async def test_a_host_without_filters(tmp_path: Path) -> None:
    """A host that cannot leave out files serves the year alone: weeks, and the people of the year."""
    bodies: list[bytes] = []

    def script(method: str, path: str, body: bytes) -> Reply:
        bodies.append(body)
        if method == "GET":
            return Reply(200, ADVERTISEMENT, capabilities(features="shallow"))
        return serving(HONEST)(method, path, body)

    with ScriptedGit(script) as server:
        async with over_git(tmp_path, server.url) as git:
            git.add("alpha")
            await git.work()
            assert not any(b"filter" in body for body in bodies)
            assert any(b"deepen-since" in body for body in bodies)
            state = git.state("alpha", Source.CONTRIBUTORS)
            assert state.outcome is OutcomeKind.BLOCKED
            assert state.answered_at is not None
            assert "cannot leave out files" in (state.message or "")
            assert git.get("alpha").observed.participants == ("Ann",)
            assert git.get("alpha").observed.last_fetched is not None

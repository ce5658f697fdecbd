"""Git served by the simulator, compared with git's own ``upload-pack`` over the same commits."""

from __future__ import annotations

import os
import subprocess
import zlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from shutil import which
from typing import Any

import httpx
import pytest

from fetcher.simulator import changes
from fetcher.simulator.catalogue import seeds, synthetic
from fetcher.simulator.clock import Clock
from fetcher.simulator.git.objects import EMPTY_TREES, SHA256, sealed
from fetcher.simulator.git.packets import COMMIT, TREE, packet, packets
from fetcher.simulator.git.upload import FatalError, fetch, ls_refs
from fetcher.simulator.history import Author, WrittenHistory
from fetcher.simulator.repository import Repository
from fetcher.simulator.server import Service
from fetcher.simulator.upstreams.registry import Settings
from fetcher.simulator.world import World
from tests.harness.clock import NOW

BASE = "http://simulator.invalid"
LESSCPY = "lesscpy/lesscpy"
CLONE = f"{BASE}/github/{LESSCPY}.git"
ANN = Author("ann", "Ann", "ann@example.invalid")
GIT = {"git-protocol": "version=2"}
REQUEST = {**GIT, "content-type": "application/x-git-upload-pack-request"}
HEAD = ("peel", "symrefs", "unborn", "ref-prefix HEAD")

needs_git = pytest.mark.skipif(which("git") is None, reason="there is no git here to compare with")


def request_of(command: str, *arguments: str, object_format: str = "sha1") -> bytes:
    """Return the body of a request."""
    head = packet(f"command={command}") + packet(f"object-format={object_format}")
    return head + b"0001" + b"".join(packet(one) for one in arguments) + b"0000"


def repository_of(history: WrittenHistory, object_format: str = "sha1") -> Repository:
    return Repository(
        database_id=1,
        owner="ann",
        name="alpha",
        created_at=NOW,
        pushed_at=NOW,
        history=history,
        object_format=object_format,
    )


def graph(object_format: str = "sha1", size: int = 120) -> WrittenHistory:
    """Return commits of two years with merges, a branch merged late, and clocks set back."""
    rng = Random(11)  # noqa: S311 - invented commits
    commits = []
    for at in range(size):
        moment = NOW - timedelta(days=730) + timedelta(days=6 * at, hours=rng.randrange(-400, 24))
        chosen = sorted(rng.sample(range(max(0, at - 5), at), min(at, rng.choice((1, 1, 1, 2, 3)))), reverse=True)
        if at and at - 1 not in chosen:
            chosen.insert(0, at - 1)
        parents = tuple(commits[one].oid for one in chosen)
        commits.append(sealed(ANN, moment - timedelta(hours=3), moment, parents, f"Commit {at}", object_format))
    return WrittenHistory(commits)


def objects_of(pack: bytes, trailer: int) -> Iterator[tuple[int, bytes]]:
    """Yield the kinds and contents of the objects in a pack without deltas."""
    at, end = 12, len(pack) - trailer
    while at < end:
        kind = pack[at] >> 4 & 7
        while pack[at] & 0x80:
            at += 1
        inflater = zlib.decompressobj()
        content = inflater.decompress(pack[at + 1 :])
        yield kind, content
        at = len(pack) - len(inflater.unused_data)


def read(response: bytes, trailer: int = 20) -> tuple[set[bytes], set[tuple[int, bytes]]]:
    """Return the lines outside the pack, and the pack's objects."""
    lines, pack = set(), b""
    for line in packets(response):
        if line is not None and line.startswith(b"\x01"):
            pack += line[1:]
        elif line is not None and not line.startswith(b"\x02"):
            lines.add(line)
    return lines, set(objects_of(pack, trailer)) if pack else set()


@pytest.fixture(params=["sha1", "sha256"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Repository, Path]:
    """Return a repository, and the same commits in a real one."""
    object_format: str = request.param
    repository = repository_of(graph(object_format), object_format)
    tip = repository.history.tip
    assert tip is not None
    pack = b"".join(
        line[1:]
        for line in packets(fetch(repository, [f"want {tip.oid}", "done"]))
        if line and line.startswith(b"\x01")
    )
    git = ["git", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "-q", "--bare", "-b", "main", f"--object-format={object_format}"], check=True)
    subprocess.run([*git, "unpack-objects", "-q", "--strict"], input=pack, check=True)
    subprocess.run([*git, "update-ref", "refs/heads/main", tip.oid], check=True)
    for setting in ("uploadpack.allowFilter=true", "pack.window=0", "uploadpack.allowAnySHA1InWant=true"):
        subprocess.run([*git, "config", *setting.split("=")], check=True)
    return repository, tmp_path


def real(folder: Path, body: bytes) -> bytes:
    """Return the response of git's own server."""
    command = ["git", "upload-pack", "--stateless-rpc", str(folder)]
    environment = {**os.environ, "GIT_PROTOCOL": "version=2"}
    return subprocess.run(command, input=body, capture_output=True, env=environment, check=False).stdout


@needs_git
def test_it_sends_the_objects_that_git_sends(served: tuple[Repository, Path]) -> None:
    """For many wants, haves, dates and filters, the commits sent and their shallow edge equal those of git."""
    repository, folder = served
    trailer = 32 if repository.object_format == SHA256 else 20
    commits, rng = repository.history.commits(), Random(3)  # noqa: S311 - chooses requests
    absent = "1" * len(commits[0].oid)
    seen = set()
    for number in range(60):
        arguments = ["no-progress", f"want {commits[-1 - number // 4].oid}"]
        arguments += ["filter tree:0"] * rng.choice((0, 1, 1))
        arguments += [f"have {rng.choice(commits).oid}" for _ in range(rng.choice((0, 0, 1, 2)))]
        arguments += [f"have {absent}"] * rng.choice((0, 0, 1))
        if number % 5 == 4:
            arguments.append(f"deepen {rng.randrange(1, 9)}")
        elif rng.random() < 0.6:
            moment = NOW - timedelta(days=rng.randrange(1, 800))
            arguments.append(f"deepen-since {int(moment.timestamp())}")
        arguments += ["done"] * (rng.random() < 0.8)
        body = request_of("fetch", *arguments, object_format=repository.object_format)
        try:
            ours = fetch(repository, arguments)
        except FatalError as error:
            ours = error.sent
        expected = read(real(folder, body), trailer)

        mine = read(ours, trailer)
        differing = mine[1] ^ expected[1]
        if any(one.startswith("have") for one in arguments):
            differing.discard((TREE, b""))  # git sends a tree that the client has if no commit on the edge has it
        assert (mine[0] ^ expected[0], differing) == (set(), set()), arguments
        seen |= {line.split()[0] for line in expected[0]}

    assert {b"shallow", b"ACK", b"NAK", b"ready", b"packfile", b"shallow-info"} <= seen


@needs_git
def test_it_lists_the_references_that_git_lists(served: tuple[Repository, Path]) -> None:
    """HEAD with its branch, all references, and those of a prefix."""
    repository, folder = served
    for arguments in (HEAD, ("symrefs",), (), ("ref-prefix refs/heads/",), ("ref-prefix refs/tags/", *HEAD)):
        body = request_of("ls-refs", *arguments, object_format=repository.object_format)
        assert ls_refs(repository, arguments) == real(folder, body)


@needs_git
def test_an_empty_repository_names_its_branch(tmp_path: Path) -> None:
    """With ``unborn`` the branch is named; without it nothing is."""
    subprocess.run(["git", "-C", str(tmp_path), "init", "-q", "--bare", "-b", "main"], check=True)
    for arguments in (HEAD, ("symrefs", "ref-prefix HEAD")):
        body = request_of("ls-refs", *arguments)
        assert ls_refs(repository_of(WrittenHistory()), arguments) == real(tmp_path, body)


@needs_git
def test_git_says_nothing_after_a_date_without_commits(served: tuple[Repository, Path]) -> None:
    """The response ends after ``shallow-info``, without a pack and without a flush."""
    repository, folder = served
    tip = repository.history.tip
    assert tip is not None
    arguments = (f"want {tip.oid}", f"deepen-since {int((NOW + timedelta(days=99)).timestamp())}", "done")
    with pytest.raises(FatalError) as caught:
        fetch(repository, arguments)

    assert caught.value.sent == real(folder, request_of("fetch", *arguments, object_format=repository.object_format))


def test_a_shallow_merge_hides_its_young_branch() -> None:
    """A merge with an old parent is a shallow edge: the young commits of its other parent are not sent.

    Git's own server does so too. A client that counts a year's commits must request such a branch by itself.
    """
    year = timedelta(days=365)
    old = sealed(ANN, NOW - 2 * year, NOW - 2 * year, (), "old")
    side = sealed(ANN, NOW - timedelta(days=3), NOW - timedelta(days=3), (old.oid,), "side")
    merge = sealed(ANN, NOW - timedelta(days=2), NOW - timedelta(days=2), (old.oid, side.oid), "merge")
    repository = repository_of(WrittenHistory([old, side, merge]))
    since = f"deepen-since {int((NOW - year).timestamp())}"
    lines, sent = read(fetch(repository, [f"want {merge.oid}", since, "filter tree:0", "done"]))
    _, branch = read(fetch(repository, [f"want {side.oid}", since, "filter tree:0", "done"]))

    assert f"shallow {merge.oid}".encode() in lines
    assert [content.endswith(b"\nmerge\n") for _, content in sent] == [True]
    assert [content.endswith(b"\nside\n") for _, content in branch] == [True]


@pytest.fixture
def world() -> World:
    return seeds(Clock(NOW))


@pytest.fixture
def service(world: World) -> Service:
    return Service(world, Settings())


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=service.app)) as client:
        yield client


async def ask(client: httpx.AsyncClient, command: str, *arguments: str, clone: str = CLONE) -> httpx.Response:
    """Send one request of the protocol."""
    return await client.post(f"{clone}/git-upload-pack", content=request_of(command, *arguments), headers=REQUEST)


async def act(client: httpx.AsyncClient, target: str = "github", **details: Any) -> httpx.Response:
    """Change details of a mount's git server."""
    return await client.post(f"{BASE}/_simulator/actions", json={"action": "git", "target": target, **details})


async def test_its_head_is_that_of_the_api(client: httpx.AsyncClient, world: World) -> None:
    """The reference, the pack and the API state the same commits, before and after a forced push."""
    before = changes.repository_of(world, LESSCPY)
    old = before.history.tip
    changes.force_push(world, LESSCPY, dropped=2, commits=3)
    after = changes.repository_of(world, LESSCPY)
    head = await ask(client, "ls-refs", *HEAD)
    assert old is not None
    assert after.history.tip is not None
    oid = after.history.tip.oid
    delta = await ask(client, "fetch", "no-progress", "filter tree:0", f"want {oid}", f"have {old.oid}", "done")
    listed = await client.get(f"{BASE}/github/repos/{LESSCPY}/commits", headers={"authorization": "Bearer x"})

    assert head.content == packet(f"{oid} HEAD symref-target:refs/heads/main\n") + b"0000"
    assert head.headers["content-type"] == "application/x-git-upload-pack-result"
    assert listed.status_code == 401  # the git requests needed no token
    assert len(read(delta.content)[1]) == 3  # the abandoned head is still known


@pytest.mark.parametrize("known", ["1" * 40, None])
async def test_every_commit_is_an_object(client: httpx.AsyncClient, world: World, known: str | None) -> None:
    """An unknown ``have`` is ignored: everything is sent, with the tree unless a filter leaves it out."""
    repository = changes.repository_of(world, LESSCPY)
    assert repository.history.tip is not None
    wanted = [f"want {repository.history.tip.oid}", *([f"have {known}"] if known else []), "done"]
    _, whole = read((await ask(client, "fetch", *wanted)).content)
    _, commits = read((await ask(client, "fetch", "filter tree:0", *wanted)).content)

    assert whole - commits == {(TREE, b"")}
    assert {kind for kind, _ in commits} == {COMMIT}
    assert len(commits) == repository.history.count


async def test_the_advertisement_states_the_features(client: httpx.AsyncClient, service: Service) -> None:
    """``info/refs`` advertises filters unless the server has none, and is never cached."""
    address = f"{CLONE}/info/refs?service=git-upload-pack"
    first = await client.get(address, headers=GIT)
    service.upstream("github").git.options.filters = False
    second = await client.get(address, headers=GIT)
    refused = await ask(client, "fetch", "filter tree:0", f"want {'1' * 40}", "done")
    oldest = await client.get(address)

    assert packet("fetch=shallow wait-for-done filter\n") in first.content
    assert packet("fetch=shallow wait-for-done\n") in second.content
    assert "etag" not in first.headers
    assert "no-cache" in first.headers["cache-control"]
    assert refused.content == b""
    assert oldest.content.startswith(b"001e# service=git-upload-pack\n0000")


async def test_a_host_may_insist_on_the_advertisement(client: httpx.AsyncClient, service: Service) -> None:
    """With ``refs_first`` a request is refused until its sender has read ``info/refs``."""
    done = await act(client, refs_first=True)
    first = await ask(client, "ls-refs", *HEAD)
    await client.get(f"{CLONE}/info/refs?service=git-upload-pack", headers=GIT)
    second = await ask(client, "ls-refs", *HEAD)

    assert done.json()["refs_first"] is True
    assert (first.status_code, second.status_code) == (403, 200)


async def test_the_action_refuses_unknown_details(client: httpx.AsyncClient) -> None:
    """The error names the wrong detail, or the upstreams that serve git."""
    wrong = await act(client, speed=3)
    other = await act(client, target="pypi")

    assert (wrong.status_code, "speed" in wrong.json()["error"]) == (400, True)
    assert (other.status_code, "one of github" in other.json()["error"]) == (400, True)


async def test_a_server_may_be_dumb(client: httpx.AsyncClient) -> None:
    """Then ``info/refs`` is a plain list, and no request of the protocol succeeds."""
    await act(client, dumb=True)
    listed = await client.get(f"{CLONE}/info/refs?service=git-upload-pack", headers=GIT)
    refused = await ask(client, "ls-refs", *HEAD)

    assert (listed.headers["content-type"].startswith("text/plain"), refused.status_code) == (True, 403)
    assert listed.text.endswith("\trefs/heads/main\n")


async def test_missing_moved_and_refused_repositories(client: httpx.AsyncClient, world: World) -> None:
    """A missing or private one asks for a password, a former path redirects to the new one, a disabled one is 403."""
    changes.rename(world, LESSCPY, "morecpy")
    moved = await client.get(f"{CLONE}/info/refs?service=git-upload-pack", headers=GIT)
    posted = await ask(client, "ls-refs", *HEAD)
    changes.set_facts(world, "lesscpy/morecpy", changes.Facts(disabled=True))
    disabled = await ask(client, "ls-refs", clone=f"{BASE}/github/lesscpy/morecpy")
    changes.set_facts(world, "lesscpy/morecpy", changes.Facts(disabled=False, private=True))
    private = await ask(client, "ls-refs", clone=f"{BASE}/github/lesscpy/morecpy")
    missing = await ask(client, "ls-refs", clone=f"{BASE}/github/lesscpy/nothing")

    new = f"{BASE}/github/lesscpy/morecpy.git"
    assert (moved.status_code, moved.headers["location"]) == (301, f"{new}/info/refs?service=git-upload-pack")
    assert (posted.status_code, posted.headers["location"]) == (301, f"{new}/git-upload-pack")
    assert [disabled.status_code, private.status_code, missing.status_code] == [403, 401, 401]
    assert "www-authenticate" in missing.headers


async def test_its_requests_are_logged_and_cost_no_points(client: httpx.AsyncClient) -> None:
    """The log has route, command and package; the quota is git's own."""
    await ask(client, "ls-refs", *HEAD)
    summary = (await client.get(f"{BASE}/_simulator/summary")).json()
    (entry,) = (await client.get(f"{BASE}/_simulator/log")).json()

    assert summary["points"] == {"git": 1}
    assert [entry[name] for name in ("upstream", "route", "operation", "packages")] == [
        "github",
        "git",
        "ls-refs",
        [LESSCPY],
    ]


async def test_faults_hit_git(client: httpx.AsyncClient) -> None:
    """A rule names the route; the error is plain text, as git's servers send it."""
    rule = {"kind": "status", "status": 429, "retry_after": 9, "route": "git", "times": 1}
    await client.post(f"{BASE}/_simulator/faults", json=rule)
    await client.post(f"{BASE}/_simulator/faults", json={"kind": "html", "route": "git", "times": 1})
    struck, page, good = [await ask(client, "ls-refs", *HEAD) for _ in range(3)]

    assert (struck.status_code, struck.text, struck.headers["retry-after"]) == (429, "Too Many Requests\n", "9")
    assert (page.status_code, page.text.startswith("<!DOCTYPE")) == (200, True)
    assert good.content.endswith(b"0000")


@pytest.mark.parametrize("body", [b"garbage", b"0014command=nonsense0000", request_of("ls-refs", object_format=SHA256)])
async def test_a_malformed_request_has_an_empty_response(client: httpx.AsyncClient, body: bytes) -> None:
    """Git's own server ends without a word as well."""
    answered = await client.post(f"{CLONE}/git-upload-pack", content=body, headers=REQUEST)

    assert (answered.status_code, answered.content) == (200, b"")


async def test_invented_ids_are_refused() -> None:
    """A world without real ids says how to get them, rather than send objects that no client accepts."""
    world = synthetic(3, 0, Clock(NOW), hosts=("github.com", "git.example"), real_ids=False)
    spread = [one.host for known in world.repository_ids() if (one := world.repository_by_id(known)) is not None]
    transport = httpx.ASGITransport(app=Service(world, Settings()).app)
    async with httpx.AsyncClient(transport=transport) as client:
        refused = await ask(client, "ls-refs", clone=f"{BASE}/github/studio-0/sim-forms-0")

    assert spread == ["github.com", "git.example", "github.com"]
    assert (refused.status_code, "--no-git" in refused.text) == (500, True)


def test_an_id_is_the_hash_that_git_computes(tmp_path: Path) -> None:
    """The empty tree's ids are the well-known ones, and a commit's id is git's."""
    commit = sealed(ANN, NOW, NOW, (), "first")
    repository = replace(repository_of(WrittenHistory([commit])))
    ((_, content),) = read(fetch(repository, [f"want {commit.oid}", "filter tree:0", "done"]))[1]

    assert EMPTY_TREES["sha1"] == "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
    if which("git") is not None:
        command = ["git", "hash-object", "-t", "commit", "--stdin"]
        hashed = subprocess.run(command, input=content, capture_output=True, check=True, cwd=tmp_path)
        assert hashed.stdout.decode().strip() == commit.oid

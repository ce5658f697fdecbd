"""The inbox of hints in a real Redis: replays, floods, limits and lost versions."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis

from fetcher.domain.hints import Hint
from fetcher.domain.model import Source
from fetcher.hooks.inbox import A_MINUTE, REMEMBERED, Inbox, Placed
from fetcher.hooks.signatures import Forge
from tests.harness.clock import NOW

HINT = Hint("github.com", ("octo/a",), "7", (Source.REPOSITORY,))


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        yield client


def put(inbox: Inbox, delivery: str, hint: Hint = HINT) -> Placed:
    return inbox.put(Forge.GITHUB, (delivery, f"digest of {delivery}"), hint, NOW)


def test_a_hint_is_taken_once(redis: Redis) -> None:
    """It survives the way through Redis unchanged; the first one needs a message, the next one joins it."""
    inbox = Inbox(redis)
    other = Hint("git.example", ("a/b/c", "a/b/d"), None, (Source.REPOSITORY, Source.INDEX))
    assert put(inbox, "1") is Placed.FIRST
    assert put(inbox, "2", other) is Placed.JOINED
    assert inbox.waiting() == 2
    assert set(inbox.take(10)) == {HINT, other}
    assert (inbox.take(10), inbox.waiting()) == ([], 0)
    assert put(inbox, "3") is Placed.FIRST, "taking ended the message"


def test_a_replay_is_ignored(redis: Redis) -> None:
    """The same delivery, also after it was taken, and the same event under another id. The memory ends by itself."""
    inbox = Inbox(redis)
    put(inbox, "1")
    inbox.take(10)
    assert put(inbox, "1") is Placed.REPLAYED
    assert inbox.put(Forge.GITHUB, ("another id", "digest of 1"), HINT, NOW) is Placed.REPLAYED
    assert inbox.put(Forge.FORGEJO, ("1", "digest of 1"), HINT, NOW) is Placed.FIRST, "ids belong to a forge"
    ends = [redis.ttl(key) for key in redis.keys("fetcher:hooks:delivery:*")]
    assert all(0 < end <= REMEMBERED.total_seconds() for end in ends)
    assert all(redis.ttl(key) > 0 for key in redis.keys("fetcher:hooks:*") if key != b"fetcher:hooks:waiting")


def test_a_flood_for_one_repository_is_one_hint(redis: Redis, redis_url: str) -> None:
    """Of 800 concurrent deliveries one needs a message, and one hint waits."""

    def work(number: int) -> list[Placed]:
        with Redis.from_url(redis_url) as client:
            return [put(Inbox(client), f"{number}-{one}") for one in range(100)]

    with ThreadPoolExecutor(8) as pool:
        placed = [one for some in pool.map(work, range(8)) for one in some]
    assert (placed.count(Placed.FIRST), placed.count(Placed.JOINED)) == (1, 799)
    assert Inbox(redis).take(10) == [HINT]


def test_a_flood_of_repositories_is_limited(redis: Redis) -> None:
    """Beyond the limit of a minute deliveries are refused and not remembered; the next minute accepts them."""
    inbox = Inbox(redis)
    placed = [put(inbox, str(one), Hint("h", (f"o/{one}",), None, ())) for one in range(A_MINUTE + 5)]
    assert placed.count(Placed.REFUSED) == 5
    assert inbox.waiting() == A_MINUTE
    assert len(inbox.take(500)) == 500
    later = NOW.replace(minute=NOW.minute + 1)
    assert inbox.put(Forge.GITHUB, (str(A_MINUTE + 4), "x"), HINT, later) is not Placed.REPLAYED


def test_a_hint_of_another_version_is_dropped(redis: Redis) -> None:
    """During an update, a field that cannot be read is removed and hides no other."""
    inbox = Inbox(redis)
    put(inbox, "1")
    redis.hset("fetcher:hooks:waiting", "not json", "x")
    redis.hset("fetcher:hooks:waiting", '["h", ["a/b"], null, ["unknown"]]', "x")
    assert inbox.take(10) == [HINT]
    assert inbox.waiting() == 0


def test_one_plan_in_five_seconds(redis: Redis) -> None:
    """However many hints are taken, beat's plans are joined by few others."""
    inbox = Inbox(redis)
    assert [inbox.may_plan() for _ in range(3)] == [True, False, False]

"""Many workers on one store: no row is claimed twice, nothing deadlocks, nothing is lost."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from random import Random
from threading import Barrier

from sqlalchemy import Engine

from fetcher.domain.model import REPOSITORY_SOURCES, Record, Source
from fetcher.store import SqlStore
from fetcher.upstreams.github.limits import GITHUB
from tests.harness.clock import DAY
from tests.harness.stores import LEASE, NOW, Catalogue, answered, failed, stats, store_on, versions

THREADS = 20


def test_no_row_is_given_twice(catalogue: Catalogue, engine: Engine) -> None:
    """Twenty threads claim until nothing is left: every package is claimed exactly once."""
    ids = catalogue.add(*(f"p{n}" for n in range(600)))
    barrier = Barrier(THREADS)

    def claim_all(_: int) -> list[int]:
        store = store_on(engine)
        barrier.wait()
        taken: list[int] = []
        while (claim := store.claims.claim(GITHUB, [Source.REPOSITORY], 7, NOW, LEASE)) is not None:
            taken += claim.package_ids
        return taken

    with ThreadPoolExecutor(THREADS) as pool:
        taken = [package_id for ids in pool.map(claim_all, range(THREADS)) for package_id in ids]
    taken += _rest(catalogue.store)
    assert Counter(taken) == Counter(ids)


def test_everything_at_once(catalogue: Catalogue, engine: Engine) -> None:
    """Concurrent claims, take-overs, records, imports and expiry raise no error and leave every source fetched."""
    slugs = [f"p{n}" for n in range(40)]
    ids = catalogue.add(*slugs, project=True)

    def work(seed: int) -> None:
        rng, store = Random(seed), store_on(engine)  # noqa: S311  (a test's choices)
        for step in range(12):
            at = NOW + timedelta(seconds=rng.randrange(1000))
            some = rng.sample(ids, 15)
            match rng.randrange(5):
                case 0:
                    store.claims.claim(GITHUB, REPOSITORY_SOURCES, 10, at, LEASE)
                case 1:
                    store.claims.claim_packages(some, list(Source), at, LEASE)
                case 2:
                    store.claims.expire(at)
                case 3:
                    store.index_serials.confirm([(f"p{n}", step) for n in range(40)], at, DAY)
                case _:
                    store.claims.record(_records(rng, some, at))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    end = NOW + DAY
    catalogue.store.claims.record([answered(i, source, observed_at=end) for i in ids for source in Source])
    assert {catalogue.get(slug).observed.last_fetched for slug in slugs} == {end}


def test_sources_of_one_package_answered_at_once(catalogue: Catalogue, engine: Engine) -> None:
    """Two workers that record the last two sources at the same time advance ``last_fetched``."""
    for round_ in range(10):
        (a,) = catalogue.add(f"a{round_}", project=True, repo_url=f"https://github.com/o/a{round_}")
        catalogue.store.claims.record([answered(a, source) for source in (Source.CONTRIBUTORS, Source.COMMITS)])
        barrier = Barrier(2)

        def finish(source: Source, package_id: int = a, barrier: Barrier = barrier) -> None:
            store = store_on(engine)
            barrier.wait()
            store.claims.record(
                [answered(package_id, source, stats() if source is Source.REPOSITORY else versions("1.0"))]
            )

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(finish, (Source.REPOSITORY, Source.INDEX)))
        assert catalogue.get(f"a{round_}").observed.last_fetched == NOW


def _rest(store: SqlStore) -> list[int]:
    """Claim the remaining rows, which were skipped while another claim had them locked."""
    taken: list[int] = []
    while (claim := store.claims.claim(GITHUB, [Source.REPOSITORY], 100, NOW, LEASE)) is not None:
        taken += claim.package_ids
    return taken


def _records(rng: Random, ids: list[int], at: object) -> list[Record]:
    make = rng.choice((answered, failed))
    return [make(i, rng.choice(list(Source)), observed_at=at) for i in rng.sample(ids, len(ids))]

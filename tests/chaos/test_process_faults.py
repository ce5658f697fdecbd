"""Faults of processes, Redis and the database in the middle of a pass: nothing is lost or wrong afterwards."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chaos.injection.cluster import Cluster, cluster
from tests.chaos.injection.findings import CannotHappenError
from tests.chaos.injection.process_faults import ProcessFault, run_fault
from tests.chaos.injection.scenarios import SHORT_ON_POSTGRES, SHORT_ON_SQLITE

pytestmark = [pytest.mark.chaos, pytest.mark.slow]

PACKAGES = 80
SEED = 4


@pytest.fixture(scope="module")
def on_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Start workers, beat, Redis and PostgreSQL, which the tests of this module share."""
    with cluster(tmp_path_factory.mktemp("postgres"), count=PACKAGES, seed=SEED, postgres=True) as made:
        yield made


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Start the same processes with SQLite."""
    with cluster(tmp_path_factory.mktemp("sqlite"), count=PACKAGES, seed=SEED, postgres=False) as made:
        yield made


@pytest.mark.parametrize("fault", SHORT_ON_POSTGRES, ids=lambda one: one.name)
def test_a_fault_in_the_middle_of_a_pass(on_postgres: Cluster, fault: ProcessFault) -> None:
    """Show that every package is refreshed, has the upstream's values, and that no limit was exceeded."""
    try:
        finding = run_fault(on_postgres, fault)
    except CannotHappenError as error:
        pytest.skip(str(error))

    assert finding.ok, f"{finding}\n{on_postgres.stack.logs()}"


@pytest.mark.parametrize("fault", SHORT_ON_SQLITE, ids=lambda one: one.name)
def test_a_fault_on_sqlite(on_sqlite: Cluster, fault: ProcessFault) -> None:
    """Show the same with SQLite."""
    finding = run_fault(on_sqlite, fault)

    assert finding.ok, f"{finding}\n{on_sqlite.stack.logs()}"

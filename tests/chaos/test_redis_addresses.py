"""Redis with a password and TLS: the ledger, the queue and the worker read both from one address."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fetcher.broker import broker_address
from fetcher.settings import read_settings
from fetcher.simulator.catalogue import from_documents
from fetcher.simulator.server import Simulator
from tests.chaos.injection.deployment import invented
from tests.harness.redis_server import RedisProcess
from tests.harness.stack import simulated, stack
from tests.harness.tls import Certificate, new_certificate, tls_in_front_of

pytestmark = [pytest.mark.chaos, pytest.mark.slow]

PASSWORD = "p@ss/word:%42"
QUOTED = "p%40ss%2Fword%3A%2542"
SLUGS = ("alpha", "beta")


@pytest.fixture
def redis() -> Iterator[RedisProcess]:
    """Start a server with a password that contains every special character of an address."""
    server = RedisProcess(password=PASSWORD)
    server.start()
    yield server
    server.end()


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return new_certificate(tmp_path)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(from_documents([invented(slug, number) for number, slug in enumerate(SLUGS)])) as running:
        yield running


def test_a_pass_over_tls_with_a_password(
    redis: RedisProcess, certificate: Certificate, simulator: Simulator, tmp_path: Path
) -> None:
    """Show that beat, a worker and a command can share a Redis whose address names its certificate."""
    with tls_in_front_of(redis.port, certificate) as port:
        url = f"rediss://:{QUOTED}@127.0.0.1:{port}/0?ssl_ca_certs={certificate.certificate}"
        with stack(tmp_path / "stack", **simulated(simulator), redis_url=url, plan_interval=1) as ours:
            slugs = ours.import_world(simulator.world)
            ours.worker(queues="background,maintenance,manual", concurrency=1)
            ours.beat()
            ours.until(lambda: ours.answered(len(slugs)), "every source of every package answers")
            doctor, queues = ours.fetcher("doctor"), ours.fetcher("queues")

    assert "fail" not in doctor.stdout, doctor.stdout
    assert (queues.returncode, queues.stderr) == (0, "")


def test_an_unknown_certificate_is_refused(redis: RedisProcess, certificate: Certificate, tmp_path: Path) -> None:
    """Show that the ledger's client and Celery refuse it. Celery does not verify certificates by default."""
    with tls_in_front_of(redis.port, certificate) as port:
        url = f"rediss://:{QUOTED}@127.0.0.1:{port}/0"
        with stack(tmp_path / "stack", redis_url=url) as ours:
            doctor = ours.fetcher("doctor")
            worker = ours.worker(concurrency=1)
            ours.until(lambda: "Cannot connect" in worker.output() or not worker.runs(), "the worker is turned away")
            text = worker.output()

    assert "Redis cannot be reached" in doctor.stdout
    assert "certificate verify failed" in text
    assert "ready" not in text


@pytest.mark.parametrize(
    ("given", "broker"),
    [
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("rediss://host/0", "rediss://host/0?ssl_cert_reqs=required"),
        ("rediss://host/0?ssl_ca_certs=/ca.pem", "rediss://host/0?ssl_ca_certs=/ca.pem&ssl_cert_reqs=required"),
        ("rediss://host/0?ssl_cert_reqs=none", "rediss://host/0?ssl_cert_reqs=none"),
        ("unix:///run/redis.sock", "redis+socket:///run/redis.sock"),
        ("unix:///run/redis.sock?db=3", "redis+socket:///run/redis.sock?virtual_host=3"),
        ("unix://:p@/r.sock?db=3", "redis+socket://:p@/r.sock?virtual_host=3"),
    ],
)
def test_the_brokers_address(given: str, broker: str) -> None:
    """Show that Celery's address requires verification unless the setting disables it."""
    assert broker_address(read_settings({"FETCHER_REDIS_URL": given})) == broker

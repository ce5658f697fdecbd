"""Fixtures of every test: real servers, started once a session on free ports or sockets and stopped at its end."""

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.harness.postgres", "tests.harness.redis_server", "tests.harness.prometheus"]

# Neither a deadline nor "data generation is slow": both measure the machine, and fail on a busy one.
settings.register_profile("fetcher", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("fetcher")

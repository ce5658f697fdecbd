"""Fixtures of every test: real servers, started once a session on free ports or sockets and stopped at its end."""

from tests.harness.examples import register_profiles

pytest_plugins = [
    "tests.harness.postgres",
    "tests.harness.redis_server",
    "tests.harness.prometheus",
    "tests.harness.selection",
]

register_profiles()

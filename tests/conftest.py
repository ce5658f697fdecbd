"""Fixtures of every test: real servers, started once a session on free ports or sockets and stopped at its end."""

import signal

from tests.harness.examples import register_profiles

pytest_plugins = [
    "tests.harness.postgres",
    "tests.harness.redis_server",
    "tests.harness.prometheus",
    "tests.harness.selection",
]

register_profiles()

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A run in the background of a shell ignores Ctrl-C, and so would every process that a test starts and interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)

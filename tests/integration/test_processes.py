"""The harness's view of processes and ports, on which other tests rely."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

from tests.harness.processes import children_of, free_port, is_alive

SLEEP = (sys.executable, "-c", "import sys; sys.stdin.read()")


def test_children_of_every_thread_are_found() -> None:
    """A child that another thread started, and its own child, are found; ended ones are not, reaped or not."""
    shell = ("sh", "-c", '"$@"; true', "sh", *SLEEP)
    started: list[subprocess.Popen[bytes]] = []
    began, ends = threading.Event(), threading.Event()

    def start() -> None:
        started.append(subprocess.Popen(shell, stdin=subprocess.PIPE))
        began.set()
        ends.wait()

    thread = threading.Thread(target=start)
    thread.start()
    began.wait()
    (child,) = started
    try:
        while len(children_of(child.pid)) < 1:
            assert child.poll() is None
        (grandchild,) = children_of(child.pid)
        assert {child.pid, grandchild} <= set(children_of(os.getpid()))
    finally:
        child.communicate()
        ends.set()
        thread.join()
    assert not {child.pid, grandchild} & set(children_of(os.getpid()))
    assert not is_alive(grandchild)


def test_a_free_port_is_not_one_of_outgoing_connections() -> None:
    """No outgoing connection of this machine can take the port before the server does."""
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split()[0])
    assert free_port() < first

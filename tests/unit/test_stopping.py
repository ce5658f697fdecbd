"""A signal at any moment of a wait stops the supervisor, and never blocks it."""

from __future__ import annotations

import subprocess
import sys

ROUNDS = """
import os, signal, threading, time
from fetcher.ops.stopping import StopSignal

def send():
    time.sleep(0.0005)
    os.kill(os.getpid(), signal.SIGTERM)

for _ in range(300):
    stopping = StopSignal()
    assert not stopping.is_set()
    sender = threading.Thread(target=send)
    sender.start()
    while not stopping.wait(0):
        pass
    sender.join()
    assert stopping.is_set() and stopping.wait(0.001)
print("stopped")
"""


def test_signals_at_any_moment() -> None:
    """Hundreds of signals that interrupt waits set the object. An event's lock would block some of them."""
    done = subprocess.run([sys.executable, "-c", ROUNDS], capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout == "stopped\n", done.stderr

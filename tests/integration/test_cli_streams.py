"""Output that cannot be written, and locales that lack characters: one line or plain text, never a traceback."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.processes import BIN
from tests.harness.stack import Stack, stack


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack(tmp_path_factory.mktemp("streams")) as made:
        made.import_seeds()
        yield made


def _run(ours: Stack, line: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["bash", "-c", line],
        env={**ours.environment, **variables, "PATH": f"{BIN}:{ours.environment['PATH']}"},
        capture_output=True,
        timeout=60,
        check=False,
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("command", ["export", "show lesscpy", "status --json"])
def test_a_full_disk(ours: Stack, command: str) -> None:
    done = _run(ours, f"fetcher {command} > /dev/full")
    assert (done.returncode, done.stderr.decode()) == (
        1,
        "error: the output cannot be written: No space left on device. Free space, or write elsewhere\n",
    )


def test_a_closed_pipe(ours: Stack) -> None:
    """The reader of a pipe has left: the command ends, and prints no error."""
    done = _run(ours, "fetcher show lesscpy | true")
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("command", ["show lesscpy", "status"])
def test_a_locale_without_the_characters(ours: Stack, command: str) -> None:
    """Characters that the encoding lacks are escaped."""
    done = _run(ours, f"fetcher {command}", PYTHONIOENCODING="ascii", LC_ALL="C")
    assert (done.returncode, done.stderr) == (0, b"")
    assert "\\u2013" in done.stdout.decode("ascii")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_json_in_a_locale_without_the_characters(ours: Stack, encoding: str) -> None:
    """Escapes are those of JSON, so the documents are the same."""
    done, plain = (_run(ours, "fetcher export", **more) for more in ({"PYTHONIOENCODING": encoding}, {}))
    assert done.returncode == 0, done.stderr
    documents = [
        list(map(json.loads, lines))
        for lines in (done.stdout.decode(encoding).splitlines(), plain.stdout.decode().splitlines())
    ]
    assert documents[0] == documents[1]

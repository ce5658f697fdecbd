"""First contact: help with examples that parse, the version, and completion in the shell."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from fetcher import __version__
from fetcher.cli.app import app
from fetcher.cli.examples import parted
from tests.harness.processes import PATIENCE
from tests.harness.seeds import SEEDS
from tests.harness.stack import Stack, stack
from tests.integration.conftest import Fetcher


def _commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every command by its words, and the groups that do something by themselves."""
    inner = getattr(command, "commands", {})
    if path and (not inner or command.invoke_without_command):
        yield path, command
    for name, one in inner.items():
        yield from _commands(one, (*path, name))


BIN = Path(sys.executable).parent
ROOT = typer.main.get_command(app)
COMMANDS = dict(_commands(ROOT))


def _examples(command: Any) -> list[str]:
    return re.findall(r"^\$ (.*)$", (command.epilog or "").replace("\\[", "["), re.MULTILINE)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_examples_that_parse(path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each example fits a terminal, calls its own command, and every word of it is parsed."""
    examples = _examples(COMMANDS[path])
    called: list[tuple[str, ...]] = []
    for name, command in COMMANDS.items():
        monkeypatch.setattr(command, "callback", lambda name=name, **_: called.append(name))

    assert 1 <= len(examples) <= 5
    for example in examples:
        assert len(example) <= 76
        called.clear()
        for words in _piped(example):
            ROOT.main(words, "fetcher", standalone_mode=False)
        assert path in called


def _piped(line: str) -> Iterator[list[str]]:
    """Yield the arguments of each ``fetcher`` in a line of shell."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|>")
    lexer.whitespace_split = True
    words = list(lexer)
    for part in " ".join("\0" if word == "|" else shlex.quote(word) for word in words).split("\0"):
        command = [word for word in shlex.split(part) if not re.match(r"[A-Z_]+=", word)]
        assert command[0] == "fetcher"
        yield command[1 : command.index(">") if ">" in command else None]


def test_a_line_each_for_any_layout_of_the_source() -> None:
    """Prose is joined, examples are separated, and markup in them stays text."""
    prose, examples = parted("One\n    two.\n\n    Three. Examples: fetcher a · fetcher b\n    · fetcher c [x]\n    ")
    assert (prose, examples) == ("One two.\n\nThree.", ["fetcher a", "fetcher b", "fetcher c [x]"])


def test_help_prints_them(bare: Fetcher) -> None:
    """Help prints each example on a line of its own, at the end."""
    done = bare("refresh", "--help")
    assert done.status == 0
    lines = [line.strip() for line in done.out.splitlines()]
    first, second = lines[lines.index("Examples") + 1 :][:2]
    assert (first, second) == ("$ fetcher refresh django-vies", "$ fetcher refresh django-vies --queue")


def test_version(bare: Fetcher) -> None:
    assert bare("--version").out == f"fetcher {__version__}\n"


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Stack]:
    with stack(tmp_path / "stack") as ours:
        yield ours


def _completed(shell: Stack, line: str, **settings: str) -> list[str]:
    words = line.split(" ")
    done = subprocess.run(
        [str(BIN / "fetcher")],
        env={
            **shell.environment,
            **settings,
            "_FETCHER_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) - 1),
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_slugs_are_completed(shell: Stack) -> None:
    """Slugs of the catalogue are completed for every command that takes one, and so are commands."""
    assert shell.fetcher("import", str(SEEDS)).returncode == 0
    assert _completed(shell, "fetcher show django-v") == ["django-vies"]
    many = _completed(shell, "fetcher refresh lesscpy django-")
    assert many == ["django-flatblocks", "django-loci", "django-organizations", "django-vies"]
    assert _completed(shell, "fetcher failures retry less") == ["lesscpy"]
    assert _completed(shell, "fetcher ret") == ["retire"]


def test_without_a_catalogue_nothing_is_completed(shell: Stack) -> None:
    """Without a database, with an unreachable one or with a wrong setting, completion prints and creates nothing."""
    assert _completed(shell, "fetcher show a") == []
    assert list(shell.folder.rglob("*.db")) == []
    assert _completed(shell, "fetcher show a", FETCHER_DATABASE_URL="postgresql://u:p@127.0.0.1:9/none") == []
    assert _completed(shell, "fetcher show a", FETCHER_TIME_ZONE="Nowhere/Land") == []


def test_completion_is_installed_for_a_shell(shell: Stack, tmp_path: Path) -> None:
    """Bash's completion is written into the user's home, and it calls this command."""
    done = subprocess.run(
        ["bash", "-c", f"{BIN / 'fetcher'} --install-completion; true"],
        env={**shell.environment, "HOME": str(tmp_path), "SHELL": "/bin/bash"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert "bash completion installed in" in done.stdout
    assert "_FETCHER_COMPLETE=complete_bash" in (tmp_path / ".bash_completions" / "fetcher.sh").read_text("utf-8")

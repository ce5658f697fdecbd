"""The commands in the documents, as a shell script that a test runs.

A fenced block that begins with ``sh`` is run, from the top of its document to its end, in one shell of its own folder.
A block that cannot be run in a test follows ``<!-- not run: REASON -->``; its syntax is still checked. Three changes
are made to a block's lines. A setting whose value holds ``…`` gets the test's own, from ``HERE_`` and its name. A
command that serves until Ctrl-C is started in the background and waited for, as in a reader's second terminal. Ports
are replaced by free ones. For a block after ``<!-- beside a running Fetcher -->`` a Fetcher is running.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_PREAMBLE = Path(__file__).with_name("documents.sh")
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

_BLOCK = re.compile(
    r"(?:<!-- (?:not run: (?P<reason>[^>]+?)|(?P<beside>beside a running Fetcher)) -->\n)?^```sh\n(?P<text>.*?)^```",
    re.MULTILINE | re.DOTALL,
)
_PLACEHOLDER = re.compile(r"^(?:export )?(?P<name>\w+)=\S*…")
_ENDED = "# The other terminals have ended."
"""A comment in a block, at which the test ends the servers that it started."""
_SERVERS = re.compile(r"(?:fetcher (?:up|web|simulate)|honcho start|celery (?:--quiet )?-A tasks)\b")
_PORTS = {"fetcher simulate": "8990", "celery -A tasks flower": "5555"}


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block of shell commands. ``reason``: why it is not run; ``beside``: it needs a running Fetcher."""

    text: str
    reason: str | None
    beside: bool = False

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


def blocks_of(path: Path) -> list[Block]:
    """Return the document's blocks, from its top to its end."""
    return [
        Block(found["text"], found["reason"], found["beside"] is not None)
        for found in _BLOCK.finditer(path.read_text("utf-8"))
    ]


def script_of(blocks: list[Block], ports: Mapping[str, str]) -> str:
    """Return a reader's input as one script that stops at the first command that fails."""
    lines = [
        _PREAMBLE.read_text("utf-8"),
        *(line for block in blocks if block.reason is None for line in _typed(block)),
    ]
    return _elsewhere("\n".join(lines) + "\n", ports)


def _typed(block: Block) -> Iterator[str]:
    if block.beside:
        yield "serve fetcher up"
    for line in block.lines:
        bare = line.partition("  #")[0].strip()
        if line == _ENDED:
            yield "end_servers"
        elif placeholder := _PLACEHOLDER.match(bare):
            name = placeholder["name"]
            yield f'export {name}="${{HERE_{name}:-${{{name}-}}}}"'
        elif _SERVERS.match(bare) and not _ends_by_itself(bare):
            usual = next((port for name, port in _PORTS.items() if bare.startswith(name) and "--port" not in bare), "")
            port = f" --port={usual}" if usual else ""
            yield f"serve {bare.rstrip('&')}{port}"
        else:
            yield line


def _ends_by_itself(command: str) -> bool:
    """Return True if a command that can serve ends by itself here."""
    return bool({"--help", "--plan", "--write-catalogue", "inspect", "status", "control"} & set(shlex.split(command)))


def _elsewhere(text: str, ports: Mapping[str, str]) -> str:
    for usual, free in ports.items():
        text = re.sub(rf"\b{usual}\b", free, text)
    return text

"""Packages as plain text: a repository's address a line, and perhaps the project's name behind it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from fetcher.catalogue.addresses import REPOSITORY_EXPECTED, repository_name
from fetcher.catalogue.intake.items import Item, Rejected
from fetcher.catalogue.intake.lines import Line
from fetcher.catalogue.intake.partial import partial_item


def words_of(line: str) -> list[str]:
    """A line's words without its comment: a ``#`` at its beginning or behind a space (within an address it is none)."""
    return re.split(r"(?:^|\s)#", line, maxsplit=1)[0].split()


def address_lines(lines: Iterable[Line | Rejected], where: str) -> Iterator[Item]:
    """The packages of a text file, streamed. A host that is not supported is the store's to report, not an error."""
    for line in lines:
        if isinstance(line, Rejected):
            yield line
        elif words := words_of(line.text):
            yield _item(f"{where}, line {line.number}", words)


def _item(where: str, words: list[str]) -> Item:
    if len(words) > 2:
        return Rejected(where, "line", "an address and perhaps a project's name", f"{len(words)} words")
    if repository_name(words[0]) is None:
        return Rejected(where, "repo_url", REPOSITORY_EXPECTED, _shape(words[0]))
    return partial_item(where, dict(zip(("repo_url", "pypi_url"), words, strict=False)))


def _shape(word: str) -> str:
    """What stands there, but nothing of a word that may hold a password."""
    return "another" if "@" in word else ascii(word[:60])

"""Packages as plain text: one repository address a line, optionally followed by a project's name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from fetcher.catalogue.addresses import REPOSITORY_EXPECTED, repository_name
from fetcher.catalogue.credentials import without_credentials
from fetcher.catalogue.intake.items import Item, Rejected
from fetcher.catalogue.intake.lines import Line
from fetcher.catalogue.intake.partial import partial_item


def words_of(line: str) -> list[str]:
    """Split a line into words without its comment: a ``#`` at the beginning or after a space."""
    return re.split(r"(?:^|\s)#", line, maxsplit=1)[0].split()


def address_lines(lines: Iterable[Line | Rejected], where: str) -> Iterator[Item]:
    """Yield the packages of a text file, streamed. The store reports unsupported hosts; they are no error here."""
    for line in lines:
        if isinstance(line, Rejected):
            yield line
        elif words := words_of(line.text):
            yield _item(f"{where}, line {line.number}", words)


def _item(where: str, words: list[str]) -> Item:
    if len(words) > 2:
        return Rejected(where, "line", "an address and an optional project name", f"{len(words)} words")
    if repository_name(without_credentials(words[0])) is None:
        return Rejected(where, "repo_url", REPOSITORY_EXPECTED, _shape(words[0]))
    return partial_item(where, dict(zip(("repo_url", "pypi_url"), words, strict=False)))


def _shape(word: str) -> str:
    """Describe a word for an error message; hide one that may hold a password."""
    return "another" if "@" in word else ascii(word[:60])

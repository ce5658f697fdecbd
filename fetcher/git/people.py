"""Contributors of a history: authors, merged by e-mail address in memory, counted and named.

A person is shown by login where it is known: by the forge's account of a commit, or by an address that a forge gives
out in place of a private one. All others are shown by the name in their commits. No address leaves this module.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from fetcher.domain.model import Contribution, Contributors
from fetcher.domain.text import storable
from fetcher.git.commits import Author, GitCommit
from fetcher.git.text import without_addresses

LONGEST_NAME = 100
"""Most characters of a name. A longer one is cut."""

_PRIVATE = (
    re.compile(r"(?:\d+\+)?(?P<login>[^@+]+)@users\.noreply\.github\.com"),
    re.compile(r"(?P<login>[^@]+)@noreply\.codeberg\.org"),
    re.compile(r"\d+-(?P<login>[^@]+)@users\.noreply\.gitlab\.com"),
)
"""Addresses that forges give out in place of private ones. They carry the login."""

_SEPARATORS = re.compile(r"[\s,;<>()\"]+")
"""Characters that separate names in documents, or that surround an address in a name."""


def contributors(commits: Iterable[GitCommit], accounts: Mapping[str, str]) -> Contributors:
    """Count the authors of a full history, most commits first; ``accounts`` maps oids to logins.

    An author without a name is left out, as GitHub leaves out anonymous ones.
    """
    counted: Counter[str] = Counter()
    names: dict[str, Counter[str]] = defaultdict(Counter)
    logins: dict[str, str] = {}
    for commit in commits:
        key = _key(commit.author)
        counted[key] += 1
        names[key][commit.author.name] += 1
        if (login := accounts.get(commit.oid)) is not None:
            logins.setdefault(key, login)
    people: Counter[str] = Counter()
    for key, number in counted.items():
        label = _shown(logins.get(key) or _login(key) or min(names[key], key=lambda name: (-names[key][name], name)))
        people[label] += number
    return _ordered(people)


def with_new(known: Contributors, commits: Iterable[GitCommit], accounts: Mapping[str, str]) -> Contributors | None:
    """Add the authors of new commits to ``known``; ``None`` if one of them is not in it.

    That author may be new, or be known by another name. Only the full history can tell.
    """
    people = Counter({person.login: person.commits for person in known.people})
    for commit in commits:
        label = _shown(accounts.get(commit.oid) or _login(commit.author.address) or commit.author.name)
        if label and label not in people:
            return None
        people[label] += 1
    return _ordered(people)


def _ordered(people: Counter[str]) -> Contributors:
    """Return the named people, most commits first, then by name."""
    named = [Contribution(label, number) for label, number in people.items() if label]
    return Contributors(
        tuple(sorted(named, key=lambda person: (-person.commits, person.login.casefold(), person.login)))
    )


def _key(author: Author) -> str:
    """Return the text by which commits belong to one person: the address, or the name of one without an address."""
    return author.address or author.name


def _login(address: str) -> str | None:
    """Return the login in an address that a forge gave out, or ``None``."""
    found = next((match for pattern in _PRIVATE if (match := pattern.fullmatch(address))), None)
    return found["login"] if found else None


def _shown(name: str) -> str:
    """Return ``name`` on one line, without separators, and with each address in it cut to the part before the ``@``."""
    text = _SEPARATORS.sub(" ", without_addresses(storable(name[: 4 * LONGEST_NAME])))
    printable = "".join(char for char in text if char.isprintable())
    return " ".join(printable.split())[:LONGEST_NAME].strip()

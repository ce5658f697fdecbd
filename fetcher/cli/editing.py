"""``fetcher add``, ``set-address`` and ``remove``: edits of single packages by their addresses and slugs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.markup import escape

from fetcher.catalogue.addresses import location_of, repository_name
from fetcher.catalogue.credentials import without_credentials
from fetcher.catalogue.intake import slugified
from fetcher.cli.audit import log_slugs
from fetcher.cli.importing import say_cleaned
from fetcher.cli.named import complete, named, unknown
from fetcher.cli.screen import Json, err, fail, out, print_json
from fetcher.domain.audit import Action
from fetcher.domain.forges import WITHDRAWN, WORDS, ForgeKind, StoredForge, is_stated, stated
from fetcher.domain.formatting import counted
from fetcher.domain.model import CatalogueEntry, RepoRef, StoredPackage, Unsupported
from fetcher.settings import read_settings
from fetcher.upstreams.registry import Upstreams, upstreams_of
from fetcher.wiring import open_store, upstreams_in

_NAMED = 10

FORGES = ", ".join(sorted(WORDS))
"""The words for a kind that --forge takes."""

UnsupportedOk = Annotated[
    bool, typer.Option("--unsupported-ok", help="Store an address that cannot be fetched as well.")
]


@dataclass(frozen=True, slots=True)
class Added:
    """The result of ``fetcher add``."""

    slug: str
    result: str
    """``added``, ``updated`` or ``unchanged``."""
    unsupported: tuple[str, ...]
    """Reasons why an address will not be fetched."""


def add(
    repo_url: Annotated[str, typer.Argument(help="Repository address.", show_default=False)],
    pypi: Annotated[str | None, typer.Option("--pypi", metavar="NAME", help="PyPI project.")] = None,
    forge: Annotated[
        str | None,
        typer.Option("--forge", metavar="KIND", help=f"Software of the host: {FORGES}. {WITHDRAWN}: as detected."),
    ] = None,
    unsupported_ok: UnsupportedOk = False,
    json: Json = False,
) -> None:
    """Add one package by its repository address, and print its slug.

    An address that cannot be fetched is refused with status 1 and nothing is stored. With --unsupported-ok the
    package is stored, to be listed only. --forge holds for every package on the host, and takes precedence over
    settings and detection. --forge auto withdraws an earlier word, also one of an imported document.

    Examples: fetcher add https://github.com/lesscpy/lesscpy --pypi lesscpy
    · fetcher add https://codeberg.org/forgejo/forgejo --forge forgejo
    """
    settings, now = read_settings(), datetime.now(UTC)
    cleaned = without_credentials(repo_url.strip())
    with open_store(settings) as store:
        stored = {one.host: one for one in store.forges.all()}
        kinds = _stated_kind(upstreams_of(settings, stored.values()), cleaned, forge)
        before = {host: stored.get(host, StoredForge(host)) for host in kinds}
        stored |= {host: stated(before[host], kind, now) for host, kind in kinds.items()}
        upstreams = upstreams_of(settings, stored.values())
        name = _checked_repository(upstreams, cleaned, unsupported_ok=unsupported_ok)
        project = _checked_project(upstreams, pypi)
        entry = CatalogueEntry(
            slugified(name), name, repo_url=cleaned, pypi_url=project, complete=False, slug_derived=True
        )
        result = store.packages.import_entries([entry], now, kinds)
    if result.rejected:
        fail(f"{cleaned}: {result.rejected[0][1]}")
    say_cleaned(int(cleaned != repo_url.strip()))
    done = "added" if result.added else "updated" if result.updated else "unchanged"
    added = Added(result.slugs[0], done, tuple(reason for _, reason in result.unsupported))
    _print_kinds({host: kind for host, kind in kinds.items() if not is_stated(before[host], kind)})
    err.print("already stored, nothing changed" if done == "unchanged" else done)
    for reason in added.unsupported:
        err.print(f"[yellow]not fetched[/] {escape(added.slug)}: {escape(reason)}")
    if json:
        print_json(added)
    else:
        out.print(escape(added.slug))


def set_address(
    slug: Annotated[str, typer.Argument(help="The package.", show_default=False, autocompletion=complete)],
    repo: Annotated[str | None, typer.Option("--repo", metavar="URL", help="Repository; '' removes it.")] = None,
    pypi: Annotated[str | None, typer.Option("--pypi", metavar="NAME", help="PyPI project; '' removes it.")] = None,
    unsupported_ok: UnsupportedOk = False,
    json: Json = False,
) -> None:
    """Correct a package's addresses. Sources of a changed address are fetched again now, as after an import.

    A later import of a document with the former address restores it. Correct the directory as well.

    Examples: fetcher set-address lesscpy --repo https://github.com/lesscpy/lesscpy
    · fetcher set-address lesscpy --pypi lesscpy
    """
    if repo is None and pypi is None:
        raise typer.BadParameter("give --repo, --pypi or both")
    settings = read_settings()
    cleaned = None if repo is None else without_credentials(repo.strip())
    with open_store(settings) as store:
        upstreams = upstreams_in(settings, store)
        if cleaned:
            _checked_repository(upstreams, cleaned, unsupported_ok=unsupported_ok)
        project = _checked_project(upstreams, pypi)
        before = store.packages.get(slug)
        if before is None:
            raise unknown(store.packages, [slug])
        entry = replace(
            before.entry,
            repo_url=before.entry.repo_url if cleaned is None else cleaned or None,
            pypi_url=before.entry.pypi_url if pypi is None else project or None,
        )
        now = datetime.now(UTC)
        result = store.packages.import_entries([entry], now)
        if result.rejected:
            fail(f"{slug}: {result.rejected[0][1]}")
        if entry != before.entry:
            given = {"--repo": cleaned, "--pypi": None if pypi is None else project or ""}
            detail = " ".join(f"{option} {value or repr('')}" for option, value in given.items() if value is not None)
            log_slugs(store, Action.SET_ADDRESS, [slug], now, detail=detail)
        after = store.packages.get(slug)
    say_cleaned(int(cleaned is not None and cleaned != (repo or "").strip()))
    if after is not None and json:
        print_json({"slug": slug, "changed": _changes(before, after), "fetched_again": _again(before, after)})
    elif after is not None:
        _print_changes(before, after)
    for _, reason in result.unsupported:
        err.print(f"[yellow]not fetched[/] {escape(slug)}: {escape(reason)}")


def remove(
    slugs: Annotated[list[str], typer.Argument(help="The packages.", show_default=False, autocompletion=complete)],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; required without a terminal.")] = False,
    json: Json = False,
) -> None:
    """Delete packages with everything stored of them: values, releases, history, timeline and refresh requests.

    This cannot be undone, and a later import of the same package adds it again. `fetcher retire` only stops fetching.

    Examples: fetcher remove old-one older-one · fetcher remove old-one --yes
    """
    with open_store(read_settings()) as store:
        package_ids = named(store.packages, slugs)
        if not yes:
            _confirm(list(dict.fromkeys(slugs)))
        now = datetime.now(UTC)
        removed = store.packages.remove(package_ids, now)
        detail = f"{counted(removed.releases, 'release')}, {counted(removed.days, 'day')} of history, in one command"
        log_slugs(store, Action.REMOVE, sorted(set(slugs)), now, detail=detail)
    if json:
        print_json(removed)
        return
    err.print(
        f"removed {counted(removed.packages, 'package')} with {counted(removed.releases, 'release')}, "
        f"{counted(removed.days, 'day')} of history and {counted(removed.events, 'event')}"
    )


def _confirm(slugs: list[str]) -> None:
    """Return if the user confirms the deletion; exit with status 1 otherwise."""
    names = ", ".join(slugs[:_NAMED]) + (f" and {len(slugs) - _NAMED:,} more" if len(slugs) > _NAMED else "")
    if not sys.stdin.isatty():
        fail(f"removing {names} deletes all stored data of {'it' if len(slugs) == 1 else 'them'}: confirm it by --yes")
    question = f"Delete {names} with all values, releases, history and events?"
    typer.confirm(question, abort=True, err=True)


def _print_kinds(changed: Mapping[str, ForgeKind | None]) -> None:
    """Print the hosts whose kind was stated or withdrawn."""
    for host, kind in changed.items():
        err.print(f"{escape(host)}: " + ("no kind is stated any more" if kind is None else f"the kind is {kind}"))


def _stated_kind(upstreams: Upstreams, address: str, word: str | None) -> Mapping[str, ForgeKind | None]:
    """Return the kind that ``word`` states for the host of ``address``, or end the command if it can state none."""
    if word is None:
        return {}
    lower, location = word.strip().lower(), location_of(address)
    kind = WORDS.get(lower)
    if kind is None and lower != WITHDRAWN:
        fail(f"--forge {word!r}: expected one of {FORGES} or {WITHDRAWN}")
    if location is not None and not upstreams.lists(location.host):
        reason = upstreams.hosts.refusal(location.host)
        fail(f"--forge: {location.host} is {reason or 'configured by the settings of GitHub'}")
    return {} if location is None else {location.host: kind}


def _checked_repository(upstreams: Upstreams, address: str, *, unsupported_ok: bool) -> str:
    """Return the repository's name, or end the command with the reason why the address is refused."""
    repo = upstreams.repository(address)
    name = repo.name.removesuffix(".git") if isinstance(repo, RepoRef) else repository_name(address)
    if name is None:
        reason = repo.reason if isinstance(repo, Unsupported) else "it is empty"
        fail(f"{address!r} is not a repository URL: {reason}")
    if isinstance(repo, Unsupported) and not unsupported_ok:
        fail(f"{address} cannot be fetched: {repo.reason}. To store it nevertheless, add --unsupported-ok")
    return name


def _checked_project(upstreams: Upstreams, given: str | None) -> str | None:
    """Return the project's canonical name, or end the command if ``given`` is not one."""
    cleaned = given and without_credentials(given)
    project = upstreams.project(cleaned)
    if isinstance(project, Unsupported):
        fail(f"--pypi {cleaned!r}: {project.reason}")
    return project


def _print_changes(before: StoredPackage, after: StoredPackage) -> None:
    """Print each changed address, and the sources that are fetched again."""
    changed = _changes(before, after)
    for name, of in changed.items():
        out.print(escape(f"{name}: {of['before'] or 'none'} → {of['after'] or 'none'}"))
    if not changed:
        err.print("nothing changed")
        return
    if again := _again(before, after):
        err.print(f"fetched again now: {', '.join(again)}")
    elif after.retired_at is not None:
        err.print(f"{after.entry.slug} is retired: nothing is fetched until `fetcher revive {after.entry.slug}`")


def _changes(before: StoredPackage, after: StoredPackage) -> dict[str, dict[str, str | None]]:
    """Return the changed addresses by field, each before and after."""
    pairs = {
        "repo_url": (before.entry.repo_url, after.entry.repo_url),
        "pypi_url": (before.entry.pypi_url, after.entry.pypi_url),
    }
    return {name: {"before": old, "after": new} for name, (old, new) in pairs.items() if old != new}


def _again(before: StoredPackage, after: StoredPackage) -> list[str]:
    """Return the sources that are fetched again."""
    return sorted(source for source, state in after.states.items() if before.states.get(source) != state)

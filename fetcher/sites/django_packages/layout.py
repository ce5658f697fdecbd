"""Forms of the site's tables, recognised by their columns, and the columns that Fetcher reads and writes. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property

from fetcher.domain.errors import SiteError, UnsupportedSite
from fetcher.sites.base import SiteFinding

PACKAGE, VERSION = "package_package", "package_version"

CORE = (
    "id",
    "slug",
    "title",
    "repo_url",
    "pypi_url",
    "repo_watchers",
    "repo_forks",
    "repo_description",
    "participants",
    "last_fetched",
    "documentation_url",
)
"""Columns that every supported form has. Without one of them, nothing is read or written."""

EDITORS = ("id", "slug", "title", "category_id", "repo_url", "pypi_url", "created", "modified", "date_deprecated")
"""Columns that are only read. ``repo_host`` and ``deprecates_package_id`` are not needed."""

WRITTEN = (
    "repo_description",
    "repo_watchers",
    "repo_forks",
    "participants",
    "commits_over_52w",
    "last_commit_date",
    "commit_count",
    "pypi_classifiers",
    "pypi_requires_python",
    "supports_python3",
    "pypi_license",
    "pypi_licenses",
    "latest_version_id",
    "documentation_url",
    "score",
    "last_fetched",
    "date_repo_archived",
)
"""Columns that Fetcher writes where the form has them."""

DEPRECATION = "date_deprecated"
"""Written only with the policy ``date_deprecated``."""

VERSION_READ = (
    "id",
    "package_id",
    "number",
    "license",
    "licenses",
    "upload_time",
    "development_status",
    "supports_python3",
)
VERSION_UPDATED = ("license", "licenses", "upload_time", "development_status", "supports_python3", "modified")
VERSION_INSERTED = ("created", "modified", "downloads", "hidden", *VERSION_READ[1:])

FORBIDDEN = ("title", "slug", "repo_url", "pypi_url", "category_id", "modified")
"""Columns that a role of Fetcher's should not be able to change."""

GRANT = "Run the SQL that `fetcher site grants` prints, as the owner of the tables"
"""Remedy for a right that is missing."""

_WIDTH = re.compile(r"character varying\((\d+)\)")
_OLDEST = "the site's tables are too old: they have no {}"
_UPDATE = "Update the site to a version of 2021-09 or later"

F4, F3, F2 = "F4", "F3", "F2"
FORMS = {F4: "current (since 2026-02-17)", F3: "of 2026-01-29 to 2026-02-17", F2: "of 2021-09 to 2026-01"}


@cache
def _width(declared: str) -> int | None:
    found = _WIDTH.match(declared)
    return None if found is None else int(found[1])


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """A column as the database declares it, and the role's rights on it."""

    type: str
    select: bool = True
    update: bool = True
    insert: bool = True

    @property
    def width(self) -> int | None:
        """Most characters of a text, or of each element of a list; ``None`` without a limit."""
        return _width(self.type)


@dataclass(frozen=True, slots=True)
class TableFacts:
    """A table as the database declares it."""

    columns: Mapping[str, ColumnFacts]
    unique: frozenset[tuple[str, ...]] = frozenset()
    """Columns of each unique key, sorted."""
    sequence: str | None = None
    """The sequence of a serial id. ``None`` for an identity, which needs no right of its own."""
    sequence_usable: bool = True


@dataclass(frozen=True)
class Layout:
    """The form of a site's tables, and the columns that can be used in it."""

    form: str
    package: TableFacts
    version: TableFacts
    others: frozenset[str] = frozenset()
    """Further tables of the site that exist."""

    @cached_property
    def read(self) -> tuple[str, ...]:
        """Columns of a package that are read."""
        wanted = dict.fromkeys((*EDITORS, *WRITTEN))
        return tuple(name for name in wanted if self._usable(name, "select"))

    @cached_property
    def written(self) -> frozenset[str]:
        """Columns of a package that may be written."""
        allowed = (*WRITTEN, DEPRECATION)
        return frozenset(name for name in allowed if self._usable(name, "select") and self._usable(name, "update"))

    @cached_property
    def has_versions(self) -> bool:
        """Return whether rows of versions can be read and added."""
        columns = self.version.columns
        read = all(name in columns and columns[name].select for name in self.version_read)
        added = all(columns[name].insert for name in VERSION_INSERTED if name in columns)
        return bool(columns) and read and added and self.version.sequence_usable

    @cached_property
    def version_read(self) -> tuple[str, ...]:
        return tuple(name for name in VERSION_READ if name in self.version.columns)

    @cached_property
    def version_updated(self) -> frozenset[str]:
        columns = self.version.columns
        return frozenset(name for name in VERSION_UPDATED if name in columns and columns[name].update)

    @cached_property
    def one_version_a_number(self) -> bool:
        """Return whether the database prevents two versions of a package with one number."""
        return ("number", "package_id") in self.version.unique

    def width(self, column: str, *, version: bool = False) -> int | None:
        """Return the width of a column, or of a list's elements; ``None`` without a limit."""
        facts = (self.version if version else self.package).columns.get(column)
        return None if facts is None else facts.width

    def _usable(self, column: str, right: str) -> bool:
        facts = self.package.columns.get(column)
        return facts is not None and bool(getattr(facts, right))


def layout_of(tables: Mapping[str, TableFacts]) -> Layout:
    """Return the form of these tables; raise ``UnsupportedSite`` for an older one, with the columns missing."""
    package = tables.get(PACKAGE)
    if package is None:
        raise UnsupportedSite(
            f"the site's database has no table {PACKAGE}",
            "Check the database's name in FETCHER_SITE_URL, and that the role may use the schema of the site's tables",
        )
    missing = [name for name in CORE if name not in package.columns]
    if missing:
        raise UnsupportedSite(f"{PACKAGE} lacks the columns {', '.join(missing)}", _UPDATE)
    if "score" not in package.columns:
        raise UnsupportedSite(_OLDEST.format("column score"), _UPDATE)
    version = tables.get(VERSION, TableFacts({}))
    others = frozenset(tables) - {PACKAGE, VERSION}
    return Layout(_form(package, others), package, version, others)


def readable(layout: Layout) -> Layout:
    """Return the layout if the role may read the core columns; otherwise raise ``SiteError`` with those it may not."""
    denied = [name for name in CORE if not layout.package.columns[name].select]
    if denied:
        raise SiteError(f"the role may not read {', '.join(denied)} of {PACKAGE}", GRANT)
    return layout


def _form(package: TableFacts, others: frozenset[str]) -> str:
    if "commits_over_52w" not in package.columns:
        return F2
    return F3 if "package_commit" in others else F4


def findings(layout: Layout, *, deprecates: bool) -> list[SiteFinding]:
    """Return findings about the form, missing columns, and rights that are missing or too many."""
    found = [SiteFinding(True, f"tables of the form {layout.form}, {FORMS[layout.form]}")]
    absent = [name for name in WRITTEN if name not in layout.package.columns]
    if absent:
        found.append(SiteFinding(True, f"columns that this form lacks, and that are not written: {', '.join(absent)}"))
    wanted = [name for name in (*WRITTEN, *([DEPRECATION] if deprecates else [])) if name in layout.package.columns]
    denied = [name for name in wanted if name not in layout.written]
    if denied:
        found.append(SiteFinding(False, f"the role may not write {', '.join(denied)} of {PACKAGE}", GRANT))
    if not layout.has_versions:
        found.append(SiteFinding(False, f"the role may not read and add rows of {VERSION}", GRANT))
    elif missing := [n for n in VERSION_UPDATED if n in layout.version.columns and n not in layout.version_updated]:
        found.append(SiteFinding(False, f"the role may not write {', '.join(missing)} of {VERSION}", GRANT))
    excess = [n for n in FORBIDDEN if n in layout.package.columns and layout.package.columns[n].update]
    if excess:
        message = f"the role may change editors' columns of {PACKAGE}: {', '.join(excess)}"
        found.append(SiteFinding(False, message, "Use a role with the rights that `fetcher site grants` prints"))
    if layout.version.columns and not layout.one_version_a_number:
        message = f"{VERSION} has no unique key of package and number; the lock of the package's row replaces it"
        found.append(SiteFinding(True, message))
    return found

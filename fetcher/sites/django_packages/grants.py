"""The SQL of a role with the least rights. Pure."""

from __future__ import annotations

from fetcher.sites.django_packages.layout import (
    DEPRECATION,
    EDITORS,
    PACKAGE,
    VERSION,
    VERSION_INSERTED,
    VERSION_READ,
    VERSION_UPDATED,
    WRITTEN,
    Layout,
)

ROLE = "fetcher_site"


def grants(layout: Layout, *, deprecates: bool) -> str:
    """Return the statements for the columns that this form has. An operator replaces the password."""
    columns = layout.package.columns
    written = [name for name in (*WRITTEN, *([DEPRECATION] if deprecates else [])) if name in columns]
    read = [name for name in dict.fromkeys((*EDITORS, *WRITTEN)) if name in columns]
    version = layout.version.columns
    lines = [
        "-- Run as the owner of the tables. Replace the password.",
        f"CREATE ROLE {ROLE} LOGIN PASSWORD 'change me' CONNECTION LIMIT 10;",
        f"ALTER ROLE {ROLE} SET lock_timeout = '2s';",
        f"ALTER ROLE {ROLE} SET statement_timeout = '15s';",
        f"ALTER ROLE {ROLE} SET idle_in_transaction_session_timeout = '15s';",
        f"GRANT USAGE ON SCHEMA public TO {ROLE};",
        f"GRANT SELECT ({', '.join(read)}) ON {PACKAGE} TO {ROLE};",
        f"GRANT UPDATE ({', '.join(written)}) ON {PACKAGE} TO {ROLE};",
    ]
    if version:
        rights = {"SELECT": VERSION_READ, "INSERT": VERSION_INSERTED, "UPDATE": VERSION_UPDATED}
        for right, names in rights.items():
            listed = ", ".join(name for name in names if name in version)
            lines.append(f"GRANT {right} ({listed}) ON {VERSION} TO {ROLE};")
    if layout.version.sequence is not None:
        lines.append(f"GRANT USAGE ON SEQUENCE {layout.version.sequence} TO {ROLE};")
    return "\n".join(lines)

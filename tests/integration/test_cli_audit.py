"""`fetcher audit`: each action of a command with the user of the operating system."""

from __future__ import annotations

import json

import pytest

from fetcher.cli.users import system_user
from tests.harness.seeds import SEEDS
from tests.integration.conftest import Fetcher


def test_each_action_is_listed(fetcher: Fetcher) -> None:
    """Refreshes, retirements and pauses are listed in their order, in words and as JSON; LOGNAME is not believed."""
    fetcher("import", str(SEEDS))
    fetcher("retire", "lesscpy")
    fetcher("revive", "lesscpy")
    fetcher("refresh", "lesscpy", "django-vies", "--source", "pypi")
    fetcher("pause", "--why", "upgrade")
    fetcher("resume")
    fetcher("set-address", "lesscpy", "--pypi", "")
    removed = fetcher("remove", "lesscpy", "--yes").err
    values = removed.removeprefix("removed 1 package with ").partition(" and ")[0]

    done = fetcher("audit", "--json")
    entries = json.loads(done.out)
    assert [(one["action"], one["package"], one["detail"]) for one in entries] == [
        ("retire", "lesscpy", None),
        ("revive", "lesscpy", None),
        ("refresh", "django-vies", "--source pypi"),
        ("refresh", "lesscpy", "--source pypi"),
        ("pause", None, "background, until resumed: upgrade"),
        ("resume", None, "background: upgrade"),
        ("set_address", "lesscpy", "--pypi ''"),
        ("remove", "lesscpy", f"{values}, in one command"),
    ]
    assert {one["actor"] for one in entries} == {system_user()}
    lines = fetcher("audit", "--since", "1h").out.splitlines()
    assert len(lines) == 8
    assert lines[0].endswith(f"  {system_user()}  retire  lesscpy")
    assert fetcher("audit", "--since", "2999-01-01").err == "no action since 2999-01-01 00:00 UTC\n"


@pytest.mark.parametrize("since", ["soon", "2026-13-01", ""])
def test_a_wrong_time(bare: Fetcher, since: str) -> None:
    """Another form is refused with the expected ones."""
    assert bare("audit", "--since", since).status == 2

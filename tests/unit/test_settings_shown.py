"""The effective settings with their origins, misspelt variables, and messages in plain words."""

from __future__ import annotations

import pytest

from fetcher.cli.settings import effective
from fetcher.domain.errors import ConfigError
from fetcher.misspelt import spelling_warnings
from fetcher.settings import Settings, read_settings, unknown_variables

MARK = "s3cr3t-MARK"


def test_each_setting_has_a_value_and_an_origin() -> None:
    """Name the default, the variable, or GitHub's own variable as the origin."""
    found = {one.name: one for one in effective({"FETCHER_WORKERS": "4", "GITHUB_TOKEN": MARK, "FETCHER_CONTACT": " "})}
    assert set(found) == {f"FETCHER_{name.upper()}" for name in Settings.model_fields}
    assert (found["FETCHER_WORKERS"].value, found["FETCHER_WORKERS"].origin) == ("4", "FETCHER_WORKERS")
    assert (found["FETCHER_GITHUB_TOKEN"].value, found["FETCHER_GITHUB_TOKEN"].origin) == ("***", "GITHUB_TOKEN")
    assert (found["FETCHER_CONTACT"].value, found["FETCHER_CONTACT"].origin) == (None, "default")
    assert all(one.meaning for one in found.values())


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("DATABASE_URL", f"postgresql://u:{MARK}@h:5432/d?password={MARK}", "postgresql://u:***@h:5432/d?***"),
        ("SITE_URL", f"postgresql://u:{MARK}@h:5432/d", "postgresql://u:***@h:5432/d"),
        ("DATABASE_URL", "sqlite:////srv/fetcher.db", "sqlite:////srv/fetcher.db"),
        ("REDIS_URL", f"redis://:{MARK}@h/0", "redis://:***@h/0"),
        ("PYPI_URL", f"https://{MARK}@mirror.example/root", "https://***:***@mirror.example/root"),
        ("SYNC_SOURCE", f"https://u:{MARK}@directory.example/api", "https://u:***@directory.example/api"),
        ("SYNC_SOURCE", "/srv/packages.json", "/srv/packages.json"),
        ("DATABASE_URL", MARK, "***"),
        ("DATABASE_URL", f"x://[{MARK}", "***"),
        ("GITHUB_TOKEN", MARK, "***"),
        ("GITHUB_APP_PRIVATE_KEY", MARK, "***"),
        ("WEB_TOKEN", MARK, "***"),
    ],
)
def test_secrets_are_masked(name: str, value: str, shown: str) -> None:
    """Keep the parts of an address that identify it, and nothing of a token or a key."""
    found = {one.name: one.value for one in effective({f"FETCHER_{name}": value})}
    assert found[f"FETCHER_{name}"] == shown
    assert MARK not in str(found)


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("FETCHER_REFESH_INTERVAL", "FETCHER_REFRESH_INTERVAL"),
        ("FETCHER_GITHUB_TOKENS", "FETCHER_GITHUB_TOKEN"),
        ("FETCHER_DATABASE", "FETCHER_DATABASE_URL"),
        ("fetcher_workers", "FETCHER_WORKERS"),
        ("FETCHER_XYZZY", None),
    ],
)
def test_a_misspelt_variable(variable: str, nearest: str | None) -> None:
    """Name the variable and the nearest setting, if one is similar."""
    assert unknown_variables({variable: "5", "PATH": "/bin", "FETCHER_LEASE": "5"}) == {variable: nearest}
    (line,) = spelling_warnings({variable: "5"})
    assert line.startswith(f"{variable} is not a setting: ")
    assert (nearest or "`fetcher settings`") in line


def test_variables_without_a_mistake() -> None:
    assert list(spelling_warnings({f"FETCHER_{name.upper()}": "" for name in Settings.model_fields})) == []


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("FETCHER_REFRESH_INTERVAL", "0", "must be longer than 0 seconds"),
        ("FETCHER_LEASE", "P4000D", "must be at most 3650 days"),
        ("FETCHER_WORKERS", "0", "must be at least 1"),
        ("FETCHER_WORKERS", "65", "must be at most 64"),
        ("FETCHER_WORKERS", "many", "expected a whole number"),
        ("FETCHER_WINDOW_SCALE", "0", "must be more than 0"),
        ("FETCHER_WINDOW_SCALE", "x", "expected a number"),
        ("FETCHER_LOG_LEVEL", "loud", "expected DEBUG, INFO, WARNING or ERROR"),
        ("FETCHER_LOG_FORMAT", "xml", "expected auto, json or text"),
    ],
)
def test_a_wrong_value_in_plain_words(variable: str, value: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_settings({variable: value})
    assert caught.value.message == f"{variable}: {message}"


@pytest.mark.parametrize("value", ["info", "Info", "INFO"])
def test_the_log_level_in_any_case(value: str) -> None:
    assert read_settings({"FETCHER_LOG_LEVEL": value}).log_level == "INFO"

"""The environment, read once: every mistake names its variable and hides its value."""

from __future__ import annotations

import pickle
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.domain.errors import ConfigError
from fetcher.settings import PUBLIC_API, Settings, default_index_root, read_settings

MARK = "s3cr3t-MARK"


def test_defaults() -> None:
    """Without settings there is an embedded database, the public upstreams, no credential, and a daily refresh."""
    settings = read_settings({})
    assert settings.embedded_database
    assert settings.database == f"sqlite:///{settings.data_dir / 'fetcher.db'}"
    assert (settings.github_api_url, settings.pypi_url) == (PUBLIC_API, default_index_root())
    assert (settings.github_token, settings.github_app_id, settings.redis_url, settings.contact) == (None,) * 4
    assert (settings.refresh_interval, settings.fixed_interval, settings.quota_share) == ("auto", None, 0.25)
    assert settings.recheck_interval == timedelta(days=30)
    assert settings.time_zone.key == "UTC"


def test_every_setting_is_read_from_its_variable() -> None:
    """Each field has a variable that is coerced to its type; unknown variables are ignored."""
    settings = read_settings(
        {
            "FETCHER_DATA_DIR": "/srv/data",
            "FETCHER_DATABASE_URL": "postgresql://u:p@h/d",
            "FETCHER_TIME_ZONE": "America/New_York",
            "FETCHER_WORKERS": "8",
            "FETCHER_GITHUB_API_URL": "https://git.example/api/v3/",
            "FETCHER_WINDOW_SCALE": "0.5",
            "FETCHER_UNHEARD_OF": "x",
            "PATH": "/bin",
        }
    )
    assert settings.data_dir == Path("/srv/data")
    assert (settings.database, settings.embedded_database) == ("postgresql://u:p@h/d", False)
    assert settings.time_zone.key == "America/New_York"
    assert (settings.workers, settings.window_scale) == (8, 0.5)
    assert settings.github_api_url == "https://git.example/api/v3"


def test_an_empty_variable_counts_as_unset() -> None:
    """Blanks around a value are removed, and blanks alone are no value."""
    settings = read_settings({"FETCHER_WORKERS": "  ", "FETCHER_CONTACT": " ops@example.org \n", "GITHUB_TOKEN": ""})
    assert (settings.workers, settings.contact, settings.github_token) == (2, "ops@example.org", None)


def test_githubs_own_variable_is_second() -> None:
    """``GITHUB_TOKEN`` is read if Fetcher's own variable is unset."""

    def token(environment: dict[str, str]) -> str | None:
        found = read_settings(environment).github_token
        return found.get_secret_value() if found else None

    assert token({"GITHUB_TOKEN": "theirs"}) == "theirs"
    assert token({"GITHUB_TOKEN": "theirs", "FETCHER_GITHUB_TOKEN": "ours"}) == "ours"
    assert token({"GITHUB_TOKEN": "theirs", "FETCHER_GITHUB_TOKEN": " "}) == "theirs"


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("90", timedelta(seconds=90)),
        ("0.5", timedelta(seconds=0.5)),
        ("90s", timedelta(seconds=90)),
        ("10m", timedelta(minutes=10)),
        ("24h", timedelta(days=1)),
        ("30d", timedelta(days=30)),
        ("1:30:00", timedelta(hours=1.5)),
        ("P1D", timedelta(days=1)),
    ],
)
def test_spans(text: str, span: timedelta) -> None:
    """A span is written in seconds, with a unit, as on a clock, or in ISO 8601."""
    assert read_settings({"FETCHER_REFRESH_INTERVAL": text}).refresh_interval == span


def test_the_error_of_a_wrong_span_shows_the_format() -> None:
    with pytest.raises(ConfigError, match=r"FETCHER_LEASE: expected seconds such as 86400, or a span such as"):
        read_settings({"FETCHER_LEASE": "a while"})


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("FETCHER_GITHUB_COMMITS", "soap", "expected api or git"),
        ("FETCHER_SITE_GONE", "soap", "expected tell or date_deprecated"),
        ("FETCHER_LOG_FORMAT", "soap", "expected auto, json or text"),
        ("FETCHER_WEB_PORT", "soap", "expected a whole number"),
        ("FETCHER_WEB_PORT", "9" * 5_000, "expected a smaller number"),
        ("FETCHER_WEB_PORT", "65536", "must be at most 65535"),
        ("FETCHER_QUOTA_SHARE", "soap", "expected a number"),
        ("FETCHER_GITHUB_APP_INSTALLATION_ID", "\ud800", "expected text in UTF-8"),
        ("FETCHER_FORGES", "9" * 5_000, 'expected a JSON object of hosts such as {"codeberg.org": '),
        ("FETCHER_FORGES", "[" * 100_000, 'expected a JSON object of hosts such as {"codeberg.org": '),
    ],
)
def test_the_error_states_what_is_expected(variable: str, value: str, expected: str) -> None:
    """Each kind of mistake has the project's own words, not those of a library for programmers."""
    with pytest.raises(ConfigError) as caught:
        read_settings({variable: value})
    assert str(caught.value).startswith(f"{variable}: {expected}")


WRONG = [
    ("FETCHER_WORKERS", MARK),
    ("FETCHER_WORKERS", "0"),
    ("FETCHER_WORKERS", "65"),
    ("FETCHER_WINDOW_SCALE", "1.5"),
    ("FETCHER_HISTORY_DAYS", "0"),
    ("FETCHER_CHANGES_DAYS", "0"),
    ("FETCHER_SERIAL_THRESHOLD", "-1"),
    ("FETCHER_REFRESH_INTERVAL", MARK),
    ("FETCHER_REFRESH_INTERVAL", "0"),
    ("FETCHER_REFRESH_INTERVAL", "-5"),
    ("FETCHER_REFRESH_INTERVAL", "inf"),
    ("FETCHER_REFRESH_INTERVAL", "nan"),
    ("FETCHER_PLAN_INTERVAL", "1e300"),
    ("FETCHER_LEASE", "P4000D"),
    ("FETCHER_TIME_ZONE", MARK),
    ("FETCHER_TIME_ZONE", "../../etc/passwd"),
    ("FETCHER_TIME_ZONE", "America"),
    ("FETCHER_GITHUB_API_URL", MARK),
    ("FETCHER_GITHUB_API_URL", "https://"),
    ("FETCHER_GITHUB_API_URL", f"ftp://{MARK}"),
    ("FETCHER_PYPI_URL", f"//{MARK}/simple"),
    ("FETCHER_PYPI_URL", f"https://[{MARK}"),
    ("FETCHER_PYPI_URL", f"https://host:{MARK}/"),
    ("FETCHER_GITHUB_APP_INSTALLATION_ID", MARK),
    ("FETCHER_LOG_LEVEL", MARK),
    ("FETCHER_REDIS_URL", MARK),
    ("FETCHER_REDIS_URL", f"http://{MARK}"),
    ("FETCHER_REDIS_URL", f"redis://:{MARK}/{MARK}@host:port"),
    ("FETCHER_REDIS_URL", f"redis://host/0?{MARK}"),
    ("FETCHER_REDIS_URL", f"redis://host/0?db={MARK}"),
    ("FETCHER_REDIS_URL", f"rediss://host/0?password={MARK}"),
    ("FETCHER_REDIS_URL", f"unix:///redis.sock?password={MARK}"),
    ("FETCHER_REDIS_URL", f"redis://host/0?ssl_cert_reqs={MARK}"),
    ("FETCHER_REDIS_URL", f"rediss://host/0?socket_timeout={MARK}"),
    ("FETCHER_REDIS_URL", f"unix:///{MARK}?virtual_host=1"),
    ("FETCHER_GITHUB_TOKEN", f"{MARK}…"),
    ("FETCHER_GITHUB_TOKEN", f"{MARK}\n{MARK}"),
    ("GITHUB_TOKEN", f"{MARK}…"),
    ("FETCHER_CONTACT", f"Jörg {MARK}"),
]


@pytest.mark.parametrize(("variable", "value"), WRONG)
def test_a_mistake_names_the_variable_and_hides_the_value(variable: str, value: str) -> None:
    """The error is one line with the variable and the fault, without the value."""
    with pytest.raises(ConfigError) as caught:
        read_settings({variable: value})
    message = str(caught.value)
    assert message.startswith(f"{variable}: ")
    assert "\n" not in message
    assert MARK not in message + repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@given(
    st.sampled_from(sorted(Settings.model_fields)),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30),
)
def test_no_value_crashes(name: str, value: str) -> None:
    """Any text in a variable is a setting or a clear error about this variable."""
    variable = f"FETCHER_{name.upper()}"
    message = None
    try:
        read_settings({variable: value})
    except ConfigError as error:
        message = str(error)
    assert message is None or message.startswith(f"{variable}: ")


def test_secrets_are_hidden() -> None:
    """Passwords, tokens and keys appear in no repr, no str and no pickle's repr."""
    settings = read_settings(
        {
            "FETCHER_DATABASE_URL": f"postgresql://u:{MARK}@h/d",
            "FETCHER_SITE_URL": f"postgresql://u:{MARK}@h/site",
            "FETCHER_REDIS_URL": f"redis://:{MARK}@h",
            "FETCHER_GITHUB_TOKEN": MARK,
            "FETCHER_GITHUB_APP_PRIVATE_KEY": MARK,
            "FETCHER_PYPI_URL": f"https://u:{MARK}@mirror.example/",
        }
    )
    assert MARK not in repr(settings) + str(settings) + repr(pickle.loads(pickle.dumps(settings)))  # noqa: S301
    assert MARK in settings.database


def test_the_policy_for_gone_packages() -> None:
    """The two words are accepted in any case; another one is refused with both."""
    assert read_settings({"FETCHER_SITE_GONE": "Date_Deprecated"}).site_gone == "date_deprecated"
    with pytest.raises(ConfigError, match="FETCHER_SITE_GONE: expected tell or date_deprecated"):
        read_settings({"FETCHER_SITE_GONE": "delete"})


def test_the_apps_key(tmp_path: Path) -> None:
    """The key comes from the setting itself, otherwise from the named file, otherwise there is none."""
    path = tmp_path / "key.pem"
    path.write_text("from the file")
    from_file = {"FETCHER_GITHUB_APP_PRIVATE_KEY_FILE": str(path)}
    assert read_settings({}).app_private_key() is None
    assert read_settings(from_file).app_private_key() == "from the file"
    assert read_settings({**from_file, "FETCHER_GITHUB_APP_PRIVATE_KEY": "itself"}).app_private_key() == "itself"


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_key_file_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    """If the file is missing or no text, the variable is named and the path is not shown."""
    path = tmp_path / MARK
    if content is not None:
        path.write_bytes(content)
    settings = read_settings({"FETCHER_GITHUB_APP_PRIVATE_KEY_FILE": str(path)})
    with pytest.raises(ConfigError, match="FETCHER_GITHUB_APP_PRIVATE_KEY_FILE") as caught:
        settings.app_private_key()
    assert MARK not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["redis://:p%40w@h:6379/0", "rediss://h", "rediss://h/1?ssl_cert_reqs=none", "unix://:p@/redis.sock?db=3"]
)
def test_addresses_of_redis(url: str) -> None:
    """Plain addresses are accepted, addresses with TLS and a password, and sockets."""
    found = read_settings({"FETCHER_REDIS_URL": url}).redis_url
    assert found is not None
    assert found.get_secret_value() == url


def test_settings_do_not_change() -> None:
    """Settings are frozen once they are read."""
    with pytest.raises(ValueError, match="frozen"):
        read_settings({}).workers = 3

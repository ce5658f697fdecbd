"""The error of a Redis that does not respond names its place, the reason and a remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from fetcher.broker import redis_unavailable
from fetcher.settings import read_settings

REFUSED = ConnectionRefusedError(111, "Connection refused")
SECRET = "kept-private"


def _lost() -> ConnectionError:
    """Return an error as a client library raises it, after the operating system's."""
    lost = ConnectionError("Error 111 connecting")
    lost.__context__ = REFUSED
    return lost


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("redis://127.0.0.1:18999/0", "redis://127.0.0.1:18999/0"),
        (f"redis://user:{SECRET}@cache.example/2", "redis://cache.example/2"),
        (f"rediss://:{SECRET}@cache.example:6380?ssl_certfile={SECRET}", "rediss://cache.example:6380"),
        (f"unix://:{SECRET}@/run/redis.sock?db={SECRET}", "unix:///run/redis.sock"),
        (f"redis://user:1/{SECRET}@cache.example/0", "the address in FETCHER_REDIS_URL"),
        (f"redis://cache.example/{SECRET}", "the address in FETCHER_REDIS_URL"),
    ],
)
def test_a_server_of_the_operators(url: str, place: str) -> None:
    """The address is shown without its password, and the remedy is to start the server or to correct the setting."""
    error = redis_unavailable(_lost(), read_settings({"FETCHER_REDIS_URL": url}))

    assert error.message == f"Redis cannot be reached at {place} (connection refused)"
    assert error.remedy.startswith("Start it, or correct or unset FETCHER_REDIS_URL")
    assert SECRET not in str(error)


def test_the_embedded_one(tmp_path: Path) -> None:
    """Without an address, the data folder is named, because another folder has another server."""
    error = redis_unavailable(_lost(), read_settings({"FETCHER_DATA_DIR": str(tmp_path)}))

    assert error.message == f"Redis cannot be reached: the embedded one of {tmp_path} (connection refused)"
    assert error.remedy.startswith("Start `fetcher up` with this FETCHER_DATA_DIR")


def test_an_error_of_the_server() -> None:
    """An error without an operating system's reason is named by its kind, because its text may quote a password."""
    error = redis_unavailable(ValueError(SECRET), read_settings({"FETCHER_REDIS_URL": "redis://127.0.0.1/0"}))

    assert error.message == "Redis cannot be reached at redis://127.0.0.1/0 (ValueError)"

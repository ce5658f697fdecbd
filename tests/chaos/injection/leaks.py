"""Recognisable secrets, and functions that collect the places to search for them."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import MetaData, create_engine, select

ISSUED = "ghs_simulated"
"""The prefix of every installation token that the simulator issues."""


@dataclass(frozen=True, slots=True)
class Marked:
    """One recognisable secret for every setting that holds a secret."""

    token: str = "ghp_MarkedTokenThatNobodyMayEverSee42"
    database: str = "MarkedDatabasePassword42"
    redis: str = "MarkedRedisPassword42"
    index: str = "MarkedMirrorPassword42"
    operator: str = "MarkedOperatorsWord42"
    forge: str = "glpat-MarkedForgeToken42"
    app_key: str = ""

    def words(self) -> Mapping[str, str]:
        """Return the texts to search for by their names. For the key it is one line from its middle."""
        named = {"token": self.token, "database": self.database, "redis": self.redis, "index": self.index}
        named |= {"operator": self.operator, "forge": self.forge}
        key = {"app key": self.app_key.splitlines()[5]} if self.app_key else {}
        return {**named, **key, "installation token": ISSUED}

    def found_in(self, text: str) -> list[str]:
        """Return the names of the secrets in ``text``: unchanged, percent-encoded or in base64."""
        return [
            name
            for name, word in self.words().items()
            if word in text or quote(word) in text or base64.b64encode(word.encode()).decode().rstrip("=") in text
        ]


def new_app_key() -> str:
    """Return a private key in the format of GitHub's keys."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


@contextmanager
def monitored(url: str) -> Iterator[list[str]]:
    """Yield a list that collects every command sent to Redis, with its arguments, including messages."""
    commands: list[str] = []
    client = Redis.from_url(url)

    def listen() -> None:
        try:
            with client.monitor() as monitor:  # type: ignore[no-untyped-call]
                commands.extend(str(command) for command in monitor.listen())
        except (RedisError, OSError, ValueError, AttributeError):
            """The connection was closed, which is the regular end of the monitor."""

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield commands
    finally:
        for one in Redis.from_url(url).client_list():
            if one["cmd"] == "monitor":
                Redis.from_url(url).client_kill_filter(_id=one["id"])
        thread.join(5)
        client.close()


def everything_in_redis(url: str) -> str:
    """Return all keys and their values, in the format that Redis writes to disk."""
    with Redis.from_url(url) as client:
        return "\n".join(f"{key!r} {client.dump(key)!r}" for key in client.scan_iter())


def everything_in_database(url: str) -> str:
    """Return every row of every table as text."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    tables = MetaData()
    try:
        tables.reflect(engine)
        with engine.connect() as connection:
            rows: list[Any] = [row for table in tables.sorted_tables for row in connection.execute(select(table))]
        return "\n".join(map(repr, rows))
    finally:
        engine.dispose()


def everything_written_to(folder: Path) -> str:
    """Return the bytes of every file below ``folder`` as text: logs, standard streams, databases."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return "\n".join(path.read_bytes().decode("utf-8", "replace") for path in files)

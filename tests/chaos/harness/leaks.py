"""Secrets that can be recognised wherever they turn up, and the places to look for them."""

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
"""How every installation token begins that the simulator issues."""


@dataclass(frozen=True, slots=True)
class Marked:
    """Secrets in every place that a secret can be configured."""

    token: str = "ghp_MarkedTokenThatNobodyMayEverSee42"
    database: str = "MarkedDatabasePassword42"
    redis: str = "MarkedRedisPassword42"
    index: str = "MarkedMirrorPassword42"
    operator: str = "MarkedOperatorsWord42"
    app_key: str = ""

    def words(self) -> Mapping[str, str]:
        """What to look for, by what it is; of the key, a line out of its middle."""
        named = {"token": self.token, "database": self.database, "redis": self.redis, "index": self.index}
        named["operator"] = self.operator
        key = {"app key": self.app_key.splitlines()[5]} if self.app_key else {}
        return {**named, **key, "installation token": ISSUED}

    def found_in(self, text: str) -> list[str]:
        """Which of them are in ``text``, as they are, percent-encoded or in base64."""
        return [
            name
            for name, word in self.words().items()
            if word in text or quote(word) in text or base64.b64encode(word.encode()).decode().rstrip("=") in text
        ]


def new_app_key() -> str:
    """A private key as GitHub hands it out."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


@contextmanager
def monitored(url: str) -> Iterator[list[str]]:
    """Every command that Redis is sent, with all of its arguments: messages, too."""
    commands: list[str] = []
    client = Redis.from_url(url)

    def listen() -> None:
        try:
            with client.monitor() as monitor:  # type: ignore[no-untyped-call]
                commands.extend(str(command) for command in monitor.listen())
        except (RedisError, OSError, ValueError, AttributeError):
            """The connection was closed under it: that is how it ends."""

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
    """All keys and their values, as Redis would write them to disk."""
    with Redis.from_url(url) as client:
        return "\n".join(f"{key!r} {client.dump(key)!r}" for key in client.scan_iter())


def everything_in_database(url: str) -> str:
    """Every row of every table."""
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
    """The bytes of every file below ``folder``: logs, standard streams, databases."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return "\n".join(path.read_bytes().decode("utf-8", "replace") for path in files)

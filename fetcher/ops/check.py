"""``python -m fetcher.ops.check``: migrates the embedded database or checks the configured one, and checks Redis.

It is a process of its own, so that the supervisor imports no database.
"""

from __future__ import annotations

import sys

from fetcher.broker import check_redis
from fetcher.domain.errors import FetcherError
from fetcher.settings import read_settings
from fetcher.wiring import open_store


def main() -> None:
    """Exit with one error line and status 1 if a service cannot be used."""
    try:
        settings = read_settings()
        open_store(settings).close()
        check_redis(settings)
    except FetcherError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()

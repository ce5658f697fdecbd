"""Lines of the supervisor: text for users on a terminal, otherwise one JSON object a line, as in all logs.

They have the form of ``fetcher.monitoring.logging``, without its libraries: the supervisor stays small.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from datetime import UTC, datetime


def report(text: str, level: str = "info") -> None:
    """Write one line to stderr. FETCHER_LOG_FORMAT chooses the form, as for the other processes.

    A line that cannot be written is lost: a full disk, or a reader that has ended, must not end what is supervised.
    """
    log_format = os.environ.get("FETCHER_LOG_FORMAT", "").strip().lower()
    if log_format == "json" or (log_format != "text" and not sys.stderr.isatty()):
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        text = json.dumps({"event": text, "level": level, "logger": "fetcher", "timestamp": now}, ensure_ascii=False)
    elif level != "info":
        text = f"{level}: {text}"
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)  # noqa: T201  (a line of the supervisor)

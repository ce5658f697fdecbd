"""Beat of ``fetcher up``: the same as ``celery -A tasks beat``, without Celery's command line and without the tasks.

Beat sends task names on a schedule. It needs neither the tasks nor their libraries, and no database.
"""

from __future__ import annotations

import sys

from celery.apps.beat import Beat

from tasks.app import app


def main() -> None:
    """Run beat until SIGTERM. ``sys.argv`` has the log level."""
    app.conf.update(include=())
    Beat(app=app, quiet=True, loglevel=sys.argv[1]).run()

"""A worker of ``fetcher up``: the same as ``celery -A tasks worker``, without Celery's command line.

The command line imports every command and plug-in of the installation, which takes 15 MB.
"""

from __future__ import annotations

import sys

from celery.utils.nodenames import default_nodename, host_format

from tasks.app import app


def prepare() -> None:
    """Make the classes of the tasks, the queues and the result backend, before processes that share them are forked."""
    app.loader.import_default_modules()
    app.finalize()
    for task in app.tasks.values():
        _ = task.backend
    _ = app.amqp.queues, app.amqp.router, app.control, app.log


def main() -> None:
    """Run the worker of ``sys.argv``: name, queues, number of processes and log level."""
    name, queues, concurrency, level = sys.argv[1:]
    worker = app.Worker(
        hostname=host_format(default_nodename(f"{name}@%h")),
        queues=queues,
        concurrency=int(concurrency),
        loglevel=level,
        without_mingle=True,  # workers need not synchronize; saves a second
        without_gossip=True,
        quiet=True,
    )
    worker.start()
    sys.exit(worker.exitcode)

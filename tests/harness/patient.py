"""httpx's functions with a limit that a busy machine keeps: its own default is five seconds."""

from __future__ import annotations

from functools import partial

import httpx

from tests.harness.processes import PATIENCE

get = partial(httpx.get, timeout=PATIENCE)
post = partial(httpx.post, timeout=PATIENCE)
delete = partial(httpx.delete, timeout=PATIENCE)
Client = partial(httpx.Client, timeout=PATIENCE)

"""Python package indexes: build a request, read an answer. No client, no clock, no environment.

``json_request``/``read_json`` and ``simple_request``/``read_simple`` ask about one project, ``merge`` makes one of the
two; ``root_request``, ``SerialFeed`` and ``read_root`` tell which of many projects have changed.
"""

from fetcher.pypi.answers import Partial, Settled, Unoffered
from fetcher.pypi.json_api import read_json
from fetcher.pypi.releases import is_stale, merge
from fetcher.pypi.requests import default_root, json_request, root_request, simple_request
from fetcher.pypi.serials import SerialFeed, Serials, read_root
from fetcher.pypi.simple_api import read_simple

__all__ = [
    "default_root",
    "json_request",
    "simple_request",
    "root_request",
    "read_json",
    "read_simple",
    "read_root",
    "merge",
    "is_stale",
    "SerialFeed",
    "Serials",
    "Partial",
    "Settled",
    "Unoffered",
]

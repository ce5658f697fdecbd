"""Python package indexes: request builders and response readers, without client, clock or environment.

``json_request``/``read_json`` and ``simple_request``/``read_simple`` fetch one project, and ``merge`` joins the two.
``root_request``, ``SerialFeed`` and ``read_root`` show which of many projects have changed.
"""

from fetcher.upstreams.pypi.answers import IndexOutcome, NotOffered, Partial
from fetcher.upstreams.pypi.json_api import read_json
from fetcher.upstreams.pypi.releases import is_stale, merge
from fetcher.upstreams.pypi.requests import json_request, root_request, simple_request
from fetcher.upstreams.pypi.serials import SerialFeed, Serials, read_root
from fetcher.upstreams.pypi.simple_api import read_simple

__all__ = [
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
    "IndexOutcome",
    "NotOffered",
]

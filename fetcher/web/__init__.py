"""Web pages and HTTP API: read the directory, and request refreshes of packages."""

from fetcher.web.app import make_app
from fetcher.web.context import WebContext

__all__ = ["make_app", "WebContext"]

"""The page and the API: what people see of the directory, and the one thing they may do, ask for a refresh."""

from fetcher.web.app import make_app
from fetcher.web.site import Site

__all__ = ["make_app", "Site"]

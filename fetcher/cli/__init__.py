"""The ``fetcher`` command. Results go to stdout, messages to stderr; status 0 means that everything succeeded."""

from fetcher.cli.app import main

__all__ = ["main"]

"""The command ``fetcher``: results on stdout, the rest on stderr, status 0 only if all that was asked happened."""

from fetcher.cli.app import main

__all__ = ["main"]

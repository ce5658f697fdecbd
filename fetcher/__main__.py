"""``python -m fetcher`` is the command ``fetcher``."""

from fetcher.cli import main

main()

"""Fetcher keeps a package directory fresh: GitHub statistics and PyPI versions, politely and for months."""

__version__ = "0.1.0"

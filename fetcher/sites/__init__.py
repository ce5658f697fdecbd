"""Directories' own databases, beside Fetcher's store: the port, its adapters and the pass over a site."""

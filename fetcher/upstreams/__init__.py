"""The upstreams, one folder each with all that knows it."""

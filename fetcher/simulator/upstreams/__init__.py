"""The simulated upstreams: one folder each, and the registry of them."""

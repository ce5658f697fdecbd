"""Faults on purpose: processes killed, servers lost, upstreams that lie; and what must hold whatever happens."""

"""Unit tests open no socket."""

from tests.harness.sockets import no_sockets

__all__ = ["no_sockets"]

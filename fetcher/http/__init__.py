"""Outgoing HTTP: messages, the transport, and the gateway that keeps every request within the quota."""

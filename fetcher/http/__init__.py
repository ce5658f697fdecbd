"""The only way out: messages, the transport, and the gateway that keeps every request within the quota."""

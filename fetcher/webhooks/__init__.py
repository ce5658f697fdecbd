"""Sending of webhooks: the client and the sender. Decisions are in ``fetcher.domain.webhooks``."""

"""The sender of outgoing webhooks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fetcher.ports import Clock
from fetcher.wiring.parts import user_agent

if TYPE_CHECKING:
    from fetcher.settings import Settings
    from fetcher.store import SqlStore
    from fetcher.webhooks.sender import Sender


@asynccontextmanager
async def webhook_sender(
    settings: Settings, store: SqlStore, clock: Clock, observe: Callable[[str], None]
) -> AsyncIterator[Sender]:
    """Open a sender of webhooks, whose client is closed at the end. ``observe`` receives each attempt's result."""
    from fetcher.webhooks.addresses import hosts_of  # noqa: PLC0415
    from fetcher.webhooks.client import WebhookClient  # noqa: PLC0415
    from fetcher.webhooks.sender import Sender  # noqa: PLC0415

    client = WebhookClient(user_agent(settings), hosts_of(settings.webhook_hosts))
    try:
        yield Sender(store.webhooks, client, clock, store.changes.number, observe)
    finally:
        await client.aclose()

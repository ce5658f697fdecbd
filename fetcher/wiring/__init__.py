"""Assembly of the application: settings in, a ready refresh out. Only this package imports every adapter.

Each function imports the adapters that it opens, so that a command that only reads the database imports no HTTP client.
"""

from fetcher.wiring.assembly import Assembly, Pace, SystemClock, assemble
from fetcher.wiring.cadence import DAY, cadence_of, current_cadence
from fetcher.wiring.figures import recent_lags, recent_requests, shared_quota_status, stored_counters
from fetcher.wiring.parts import ADDRESSES, Parts, open_parts, user_agent
from fetcher.wiring.sites import last_site_pass, open_site, synchronizer
from fetcher.wiring.stores import open_store, upstreams_in
from fetcher.wiring.sync import synchronization
from fetcher.wiring.webhooks import webhook_sender

__all__ = [
    "ADDRESSES",
    "Assembly",
    "DAY",
    "Pace",
    "Parts",
    "SystemClock",
    "assemble",
    "cadence_of",
    "current_cadence",
    "last_site_pass",
    "open_parts",
    "open_site",
    "open_store",
    "recent_lags",
    "recent_requests",
    "shared_quota_status",
    "stored_counters",
    "synchronization",
    "synchronizer",
    "upstreams_in",
    "user_agent",
    "webhook_sender",
]

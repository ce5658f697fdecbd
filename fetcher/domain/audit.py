"""The audit log: the operators' actions, each with its user and its place."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Action(StrEnum):
    """Actions that are logged."""

    REFRESH = "refresh"
    RETRY = "retry"
    RETIRE = "retire"
    REVIVE = "revive"
    SET_ADDRESS = "set_address"
    REMOVE = "remove"
    PAUSE = "pause"
    RESUME = "resume"
    SITE_REVERT = "site_revert"
    WEBHOOK_ADD = "webhook_add"
    WEBHOOK_REMOVE = "webhook_remove"
    WEBHOOK_ENABLE = "webhook_enable"
    WEBHOOK_ROTATE = "webhook_rotate"
    WEBHOOK_REPLAY = "webhook_replay"
    WEBHOOK_TEST = "webhook_test"
    SYNC = "sync"
    LOGIN_FAILED = "login_failed"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One action. ``package`` is a slug; ``None`` if the action concerns no package, or all of them."""

    at: datetime
    actor: str
    """The operating system's user, or ``session`` or ``token`` for one who used HTTP."""
    action: Action | str
    package: str | None = None
    detail: str | None = None
    address: str | None = None
    """Network address of the client; ``None`` for a command."""

"""``fetcher webhooks``: receivers of changes, their secrets and their deliveries."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import typer
from rich.markup import escape

from fetcher.cli.screen import Json, err, fail, out, print_json
from fetcher.cli.users import system_user
from fetcher.domain.audit import Action, AuditEntry
from fetcher.domain.changes import EventType
from fetcher.domain.formatting import counted, span
from fetcher.domain.webhooks import (
    PING,
    TOLERANCE,
    Attempt,
    Delivery,
    DeliveryState,
    Endpoint,
    message_body,
    new_secret,
)
from fetcher.settings import Settings, read_settings
from fetcher.wiring import open_store, user_agent

if TYPE_CHECKING:
    from fetcher.store import SqlStore

SHOWN = 50
"""Default number of deliveries that the log shows."""

app = typer.Typer(no_args_is_help=True, help="Send signed webhooks about changed packages, and follow their delivery.")

Id = Annotated[str, typer.Argument(metavar="ID", help="The endpoint's id.", show_default=False)]


@app.callback()
def _root() -> None:
    """Send signed webhooks about changed packages, and follow their delivery."""


@app.command()
def add(
    url: Annotated[str, typer.Argument(help="The receiver's https address.", show_default=False)],
    events: Annotated[
        str | None,
        typer.Option(
            "--events",
            metavar="LIST",
            help=f"Events to send, separated by commas: {', '.join(EventType)}.",
            show_default="all",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Add a receiver, and print its id and secret. The secret is not shown again.

    Messages follow Standard Webhooks 1.0. A receiver checks their signature with the secret.

    Examples: fetcher webhooks add https://directory.example/hooks
    · fetcher webhooks add https://directory.org/in --events release.published
    """
    from fetcher.webhooks.addresses import hosts_of, unfit_url  # noqa: PLC0415

    settings, chosen = read_settings(), _events(events)
    address = url.strip()
    if unfit := unfit_url(address, hosts_of(settings.webhook_hosts)):
        fail(f"webhooks cannot be sent to this address: {unfit}. FETCHER_WEBHOOK_HOSTS names hosts that may be private")
    with open_store(settings) as store:
        secret, now = new_secret(os.urandom(32)), datetime.now(UTC)
        store.changes.number(now)  # changes that are committed already are not sent
        added = store.webhooks.add(address, chosen, secret, now)
        _log(store, Action.WEBHOOK_ADD, added)
    if json:
        print_json({"id": added.id, "url": added.url, "events": _names(added), "secret": secret})
        return
    out.print(f"id: {added.id}\nsecret: {secret}", markup=False)
    err.print(f"the secret is not shown again; `fetcher webhooks test {added.id}` sends a first message")


@app.command("list")
def list_(json: Json = False) -> None:
    """List the receivers, the state of each, and the number of messages that wait.

    Example: fetcher webhooks list
    """
    now = datetime.now(UTC)
    with open_store(read_settings()) as store:
        endpoints = store.webhooks.all()
        behind = store.changes.extent().position
    if json:
        print_json([_plain(one, behind) for one in endpoints])
        return
    if not endpoints:
        err.print("there is no receiver: `fetcher webhooks add URL` adds one")
    for one in endpoints:
        out.print(escape(f"{one.id}  {_state(one, now)}  {one.url}  {', '.join(_names(one)) or 'all events'}"))


@app.command()
def remove(endpoint_id: Id) -> None:
    """Delete a receiver with its log. Waiting messages are not sent.

    Example: fetcher webhooks remove 0a1b2c3d4e5f
    """
    with open_store(read_settings()) as store:
        endpoint = _found(store, endpoint_id)
        store.webhooks.remove(endpoint.id)
        _log(store, Action.WEBHOOK_REMOVE, endpoint)
    err.print(f"removed {endpoint.id}", markup=False)


@app.command()
def enable(endpoint_id: Id) -> None:
    """Send to a disabled receiver again, now. It receives the changes since it was disabled.

    Messages that had failed before stay failed; `replay` sends them again.

    Example: fetcher webhooks enable 0a1b2c3d4e5f
    """
    with open_store(read_settings()) as store:
        endpoint = _found(store, endpoint_id)
        missing = store.webhooks.enable(endpoint.id, datetime.now(UTC))
        _log(store, Action.WEBHOOK_ENABLE, endpoint)
    err.print(f"enabled {endpoint.id}" if endpoint.disabled_at else f"{endpoint.id} was not disabled", markup=False)
    if missing:
        err.print(f"warning: {counted(missing, 'change')} older than FETCHER_CHANGES_DAYS are not sent", markup=False)


@app.command()
def rotate(endpoint_id: Id, json: Json = False) -> None:
    """Replace a receiver's secret, and print the new one. Messages carry both signatures for a day.

    Example: fetcher webhooks rotate 0a1b2c3d4e5f
    """
    with open_store(read_settings()) as store:
        endpoint, secret = _found(store, endpoint_id), new_secret(os.urandom(32))
        store.webhooks.rotate(endpoint.id, secret, datetime.now(UTC))
        _log(store, Action.WEBHOOK_ROTATE, endpoint)
    if json:
        print_json({"id": endpoint.id, "secret": secret})
        return
    out.print(f"secret: {secret}", markup=False)
    err.print(f"the former secret signs as well for {span(TOLERANCE)}")


@app.command()
def log(
    endpoint_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Only this endpoint.", show_default=False)
    ] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only messages that failed or are retried.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="Most messages.")] = SHOWN,
    json: Json = False,
) -> None:
    """List the latest messages with the result of the last attempt. They are kept for 14 days.

    Examples: fetcher webhooks log · fetcher webhooks log 0a1b2c3d4e5f --failed
    """
    with open_store(read_settings()) as store:
        if endpoint_id is not None:
            _found(store, endpoint_id)
        found = store.webhooks.log(limit, endpoint_id, failed=failed)
    if json:
        print_json(found)
        return
    now = datetime.now(UTC)
    for one in found:
        out.print(escape("  ".join(_words(one, now))))
    if not found:
        err.print("no message")


@app.command()
def replay(
    endpoint_id: Id,
    messages: Annotated[list[str] | None, typer.Argument(metavar="[MESSAGE]...", show_default=False)] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Every failed message that is stored.")] = False,
) -> None:
    """Send stored messages again, under the same ids: those named, or all failed ones.

    Examples: fetcher webhooks replay 0a1b2c3d4e5f --failed · fetcher webhooks replay 0a1b2c3d4e5f msg_6f0c
    """
    if bool(messages) == failed:
        raise typer.BadParameter("name messages, or give --failed")
    with open_store(read_settings()) as store:
        endpoint = _found(store, endpoint_id)
        sent = store.webhooks.replay(endpoint.id, datetime.now(UTC), messages or (), failed=failed)
        _log(store, Action.WEBHOOK_REPLAY, endpoint, counted(sent, "message"))
    err.print(f"{counted(sent, 'message')} to be sent again")
    if messages and sent < len(set(messages)):
        fail(f"of {len(set(messages))} messages only {sent} are stored: `fetcher webhooks log` lists them")
    if endpoint.disabled_at is not None:
        err.print(f"the receiver is disabled: `fetcher webhooks enable {endpoint.id}`", markup=False)


@app.command("test")
def send_test(endpoint_id: Id, json: Json = False) -> None:
    """Send one signed test message now, from this process, and print the result. It is not retried or logged.

    Example: fetcher webhooks test 0a1b2c3d4e5f
    """
    settings = read_settings()
    with open_store(settings) as store:
        endpoint = _found(store, endpoint_id)
        attempt = asyncio.run(_ping(settings, endpoint))
        result = f"status {attempt.status}" if attempt.status is not None else attempt.message
        _log(store, Action.WEBHOOK_TEST, endpoint, result)
    delivered = attempt.status is not None and 200 <= attempt.status < 300
    if json:
        print_json({"delivered": delivered, "status": attempt.status, "message": attempt.message or None})
    else:
        out.print(escape(f"{'delivered' if delivered else 'not delivered'}: {result}"))
    if not delivered:
        raise typer.Exit(1)


async def _ping(settings: Settings, endpoint: Endpoint) -> Attempt:
    from fetcher.webhooks.addresses import hosts_of  # noqa: PLC0415
    from fetcher.webhooks.client import WebhookClient  # noqa: PLC0415
    from fetcher.webhooks.sender import attempt_at  # noqa: PLC0415

    now = datetime.now(UTC)
    body = message_body(PING, now, {"endpoint": endpoint.id})
    message = Delivery(f"msg_{uuid4().hex}", endpoint.id, PING, None, body, now, now)
    client = WebhookClient(user_agent(settings), hosts_of(settings.webhook_hosts))
    try:
        return await attempt_at(client, endpoint, message, now)
    finally:
        await client.aclose()


def _events(given: str | None) -> list[EventType]:
    names = [one.strip() for one in (given or "").split(",") if one.strip()]
    unknown = [name for name in names if name not in set(EventType)]
    if unknown or (given is not None and not names):
        raise typer.BadParameter(
            f"{unknown[0] if unknown else given!r} is no event. Expected {', '.join(EventType)}", param_hint="--events"
        )
    return [EventType(name) for name in dict.fromkeys(names)]


def _found(store: SqlStore, endpoint_id: str) -> Endpoint:
    endpoint = store.webhooks.get(endpoint_id)
    if endpoint is None:
        fail(f"no receiver has the id {endpoint_id!r}: `fetcher webhooks list` prints all")
    return endpoint


def _log(store: SqlStore, action: Action, endpoint: Endpoint, more: str = "") -> None:
    """Append an entry with the receiver's host. Its path may contain a secret of the receiver."""
    detail = ", ".join(word for word in (endpoint.id, endpoint.host, more) if word)
    store.audit.append([AuditEntry(datetime.now(UTC), system_user(), action, detail=detail)])


def _names(endpoint: Endpoint) -> list[str]:
    return [str(one) for one in endpoint.events]


def _state(endpoint: Endpoint, now: datetime) -> str:
    if endpoint.disabled_at is not None:
        return f"disabled ({endpoint.disabled_reason})"
    if endpoint.held_until is not None and endpoint.held_until > now:
        return f"held for {span(endpoint.held_until - now)}"
    return f"failing for {span(now - endpoint.failing_since)}" if endpoint.failing_since else "enabled"


def _plain(endpoint: Endpoint, end: int) -> dict[str, Any]:
    """Return an endpoint for JSON, without its secrets."""
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "events": _names(endpoint),
        "created_at": endpoint.created_at,
        "changes_behind": end - endpoint.position,
        "failing_since": endpoint.failing_since,
        "held_until": endpoint.held_until,
        "disabled_at": endpoint.disabled_at,
        "disabled_reason": endpoint.disabled_reason,
    }


def _words(one: Delivery, now: datetime) -> list[str]:
    result = one.message or (f"status {one.status}" if one.status is not None else "")
    again = f"again in {span(one.due_at - now)}" if one.due_at and one.state is DeliveryState.PENDING else ""
    words = [f"{one.created_at:%Y-%m-%d %H:%M:%S}", one.id, one.endpoint_id, one.event, one.package or "", one.state]
    return [word for word in (*words, counted(one.attempts, "attempt"), result, again) if word]

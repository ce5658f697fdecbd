"""The stored form of an account."""

from __future__ import annotations

from hypothesis import given

from fetcher.quota import QuotaRequest
from fetcher.quota.account import Account
from fetcher.quota.encoding import decode, encode
from fetcher.quota.limits import effective_limits, seconds_ms, span_ms, to_ms
from fetcher.quota.reserve import Refusal, reserve
from fetcher.quota.settle import settle, usage_ms
from tests.harness.policies import POLICIES
from tests.unit.quota.histories import Event, Settle, histories, ms
from tests.unit.quota.swarm import START


@given(histories())
def test_an_account_survives_its_encoding(history: list[Event]) -> None:
    """Decode what was encoded to an equal account, whatever was reserved, settled and waited for."""
    now = START
    account = Account(clock=to_ms(now))
    reservations: list[tuple[str, QuotaRequest]] = []
    for number, step in enumerate(history):
        match step:
            case int():
                now += ms(step)
            case QuotaRequest():
                limits = effective_limits(POLICIES[step.upstream], step.resource, step.purpose, step.identity)
                key = str(number)
                found = reserve(account, limits, key, step.points, seconds_ms(step.seconds), to_ms(now))
                if not isinstance(found, Refusal):
                    reservations.append((key, step))
            case Settle():
                if reservations:
                    key, request = reservations.pop(step.which % len(reservations))
                    limits = effective_limits(
                        POLICIES[request.upstream], request.resource, request.purpose, request.identity
                    )
                    usage = usage_ms(step.usage(), request.resource, POLICIES[request.upstream])
                    settle(account, limits, key, to_ms(now) - span_ms(ms(100)), usage, to_ms(now))
    text = encode(account, "epoch")
    assert decode(text) == (account, "epoch")
    assert "\n" not in text

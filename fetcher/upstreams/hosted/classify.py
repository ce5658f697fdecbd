"""Classification of responses of a forge's API, in whose place a proxy or a login page may respond.

A status counts for a package only if the API itself sent it. A proxy's 404 or 403 concerns the complete host: taken for
the API's, it would mark every package of the host as missing or blocked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from fetcher.domain.outcome import Malformed, NonValue, Throttled
from fetcher.http.messages import Answer, NoAnswer, Response
from fetcher.http.responses import classify_answer, excerpt, is_json, not_json, retry_after, sent_at, transport_outcome

ReadMessage: TypeAlias = Callable[[bytes], str | None]
"""A function that returns the message in an error body of the API, or ``None`` for a body in another form."""


def classify_api(answer: Answer, host: str, read_message: ReadMessage) -> Response | NonValue:
    """Return ``answer`` if it is a 200 with JSON, otherwise its outcome. Failures name ``host``.

    The caller first interprets the statuses that have a meaning of their own at its forge.
    """
    if isinstance(answer, NoAnswer):
        return transport_outcome(answer)
    message = read_message(answer.body) if answer.status >= 400 else None
    match answer.status:
        case 200 if not is_json(answer):
            return not_json(answer)
        case 403 if message is None:
            reason = f"{host} refuses all requests (status 403, not from its API): {_said(answer)}"
            return Throttled(reason, retry_after=retry_after(answer, now=sent_at(answer)))
        case 404 | 410 if message is None:
            return Malformed(f"{host} has no API at this address (status {answer.status}): {_said(answer)}")
        case _:
            return classify_answer(answer, lambda response: describe(response, host, message), now=sent_at(answer))


def describe(response: Response, host: str, message: str | None) -> str:
    """Return the reason of a failure with the API's message."""
    said = excerpt((message or "").encode("utf-8", "replace")) or _said(response)
    match response.status:
        case 401:
            return f"{host} does not accept the credential: {said}"
        case 404:
            return f"{host} answers 404: deleted, private, or misspelt"
        case 451:
            return f"blocked for legal reasons: {said}"
        case status:
            return f"{host} answers {status}: {said}"


def _said(response: Response) -> str:
    return excerpt(response.body) or "an empty body"

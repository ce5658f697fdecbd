"""Malformed Celery messages: one line each, and the worker goes on with the next message."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from redis import Redis

from fetcher.ports import PLANNED
from tests.harness.stack import stack

OPTIONS = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
GOOD = [[], {}, OPTIONS]
PLAN = "fetcher.plan"
MALFORMED: list[tuple[str, Any, dict[str, Any]]] = [
    ("fetcher.refresh_batch", [[{"lease": 1}], {}, OPTIONS], {}),
    ("fetcher.refresh_batch", [[7], {}, OPTIONS], {}),
    ("fetcher.refresh_batch", GOOD, {}),
    ("fetcher.refresh_packages", [[["x"], ["nothing"], "manual"], {}, OPTIONS], {}),
    ("fetcher.refresh_requests", [[7], {}, OPTIONS], {}),
    (PLAN, [[7], {}, OPTIONS], {}),
    (PLAN, {"a": 1}, {}),
    (PLAN, 7, {}),
    (PLAN, None, {}),
    (PLAN, ["x", 7, 8], {}),
    (PLAN, GOOD, {"timelimit": "x"}),
    (PLAN, GOOD, {"eta": "nonsense"}),
    (PLAN, GOOD, {"id": ["x"]}),
    ("fetcher.nothing", GOOD, {}),
]


def _message(number: int, task: str, body: Any, headers: dict[str, Any]) -> str:
    """Return an envelope as kombu stores it in Redis."""
    own = f"message-{number}"
    usual = {"lang": "py", "task": task, "id": own, "root_id": own, "argsrepr": "()", "kwargsrepr": "{}", "retries": 0}
    return json.dumps(
        {
            "body": base64.b64encode(json.dumps(body).encode()).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {**usual, "timelimit": [None, None], **headers},
            "properties": {
                "correlation_id": own,
                "delivery_mode": 2,
                "delivery_info": {"exchange": "", "routing_key": "maintenance"},
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": own,
            },
        }
    )


def test_a_malformed_message_does_not_end_the_worker(tmp_path: Path, redis_url: str) -> None:
    """Each wrong payload, body and header is an error in one line. The good message after them is carried out."""
    nowhere = "http://127.0.0.1:9"
    with stack(tmp_path / "stack", redis_url=redis_url, github_api_url=nowhere, pypi_url=nowhere) as ours:
        assert ours.fetcher("list").returncode == 0
        ours.worker("worker", "maintenance", 1)
        (worker,) = ours.children
        ours.until(lambda: "ready" in worker.output(), "the worker is ready")
        before = len(worker.output().splitlines())
        with Redis.from_url(redis_url) as client:
            for number, (task, body, headers) in enumerate([*MALFORMED, (PLAN, GOOD, {})]):
                client.lpush("maintenance", _message(number, task, body, headers))
        planned = ours.store.checkpoints
        ours.until(lambda: planned.get(PLANNED).observed_at or not worker.runs(), "the good message is carried out")
        lines = [json.loads(line) for line in worker.output().splitlines()[before:]]

        assert worker.runs()
        assert planned.get(PLANNED).observed_at is not None
        errors = [line for line in lines if line["level"] in {"error", "critical"}]
        assert len(errors) == len(MALFORMED)
        assert {line["level"] for line in errors} == {"error"}

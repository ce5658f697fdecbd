"""Faults on the wire, the control API and the command."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from fetcher.simulator.catalogue import seeds
from fetcher.simulator.faults import Kind, Rule
from fetcher.simulator.launch import setting_lines
from fetcher.simulator.server import Simulator
from fetcher.simulator.upstreams.github.node_ids import node_id_of
from tests.harness import patient
from tests.harness.processes import ENDS_WITHIN, PATIENCE

LESSCPY, VIES = "lesscpy/lesscpy", "codingjoe/django-vies"
QUERY = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Repository { nameWithOwner } } }"


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(seeds()) as running:
        yield running


def fetch_repository(
    simulator: Simulator, path: str = f"/repos/{LESSCPY}", *, read: float = PATIENCE
) -> httpx.Response:
    headers = {"authorization": f"Bearer {simulator.token}"}
    return patient.get(simulator.github_url + path, headers=headers, timeout=httpx.Timeout(PATIENCE, read=read))


def node_ids(simulator: Simulator) -> list[str]:
    repositories = [simulator.world.repository(name) for name in (LESSCPY, VIES)]
    return [node_id_of(one) for one in repositories if one]


def batch(simulator: Simulator) -> httpx.Response:
    body = {"query": QUERY, "variables": {"ids": node_ids(simulator)}}
    return patient.post(simulator.graphql_url, json=body, headers={"authorization": f"Bearer {simulator.token}"})


def arm(simulator: Simulator, **rule: Any) -> None:
    answer = patient.post(f"{simulator.url}/_simulator/faults", json=rule)
    assert answer.status_code == 201, answer.text


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (Kind.HANG, httpx.ReadTimeout),
        (Kind.RESET, httpx.ReadError),
        (Kind.TRUNCATE, httpx.RemoteProtocolError),
    ],
)
def test_broken_connections_are_broken_on_the_wire(
    simulator: Simulator, kind: Kind, error: type[httpx.HTTPError]
) -> None:
    """A hang exceeds the client's timeout, a reset and a cut body fail as such, and the next response is good."""
    arm(simulator, kind=kind, times=1)
    with pytest.raises(error):
        fetch_repository(simulator, read=0.5 if kind is Kind.HANG else PATIENCE)

    assert fetch_repository(simulator).status_code == 200


@pytest.mark.parametrize("status", [401, 403, 404, 409, 429, 451, 500, 502, 503, 504])
def test_any_status_is_served_in_githubs_form(simulator: Simulator, status: int) -> None:
    """The response has the status, a message, and the rule's Retry-After."""
    arm(simulator, kind="status", status=status, retry_after=7)
    answer = fetch_repository(simulator)

    assert (answer.status_code, answer.headers["retry-after"]) == (status, "7")
    assert answer.json()["message"]


def test_answers_of_the_wrong_kind(simulator: Simulator) -> None:
    """HTML with 200, JSON of another shape, redirects to another host and to itself, and a huge body are served."""
    for kind in ("html", "wrong_shape", "redirect_away", "redirect_loop", "oversize"):
        arm(simulator, kind=kind, times=1, size=3_000_000)
    html, shape, away, loop, huge = (fetch_repository(simulator) for _ in range(5))

    assert html.headers["content-type"].startswith("text/html")
    assert isinstance(shape.json(), list)
    assert away.headers["location"].startswith("http://elsewhere.invalid/")
    assert loop.headers["location"] == f"{simulator.github_url}/repos/{LESSCPY}"
    assert len(huge.content) > 2_000_000


def test_partial_answers_of_graphql(simulator: Simulator) -> None:
    """One package is null with an error and its path, one without an error, and a third fails the complete query."""
    arm(simulator, kind="partial_error", package=VIES, times=1)
    partial = batch(simulator).json()
    patient.delete(f"{simulator.url}/_simulator/faults")
    arm(simulator, kind="omit", package=VIES, times=1)
    omitted = batch(simulator).json()
    arm(simulator, kind="resource_limits", times=1)
    refused = batch(simulator).json()

    assert partial["data"]["nodes"] == [{"nameWithOwner": LESSCPY}, None]
    assert partial["errors"][0]["path"] == ["nodes", 1]
    assert omitted == {"data": {"nodes": [{"nameWithOwner": LESSCPY}]}}
    assert refused["errors"][0]["type"] == "RESOURCE_LIMITS_EXCEEDED"


def test_a_poisonous_package_breaks_only_the_batches_that_hold_it(simulator: Simulator) -> None:
    """A rule for a package matches GraphQL too, so that bisecting can be tested."""
    arm(simulator, kind="status", status=502, package=VIES.upper(), route="graphql")

    assert batch(simulator).status_code == 502
    assert fetch_repository(simulator, f"/repos/{VIES}").status_code == 200


def test_a_rule_for_one_operation_and_for_large_batches(simulator: Simulator) -> None:
    """A named operation is recorded and matched; ``more_than`` spares responses about fewer packages."""
    arm(simulator, kind="status", status=502, operation="Heads", more_than=1)
    body = {"query": f"query Heads{QUERY.removeprefix('query')}", "variables": {"ids": node_ids(simulator)}}
    headers = {"authorization": f"Bearer {simulator.token}"}
    affected = patient.post(simulator.graphql_url, json=body, headers=headers)
    body["variables"] = {"ids": node_ids(simulator)[:1]}
    small = patient.post(simulator.graphql_url, json=body, headers=headers)

    assert (affected.status_code, small.status_code, batch(simulator).status_code) == (502, 200, 200)
    assert [entry.operation for entry in simulator.log.entries] == ["Heads", "Heads", ""]


def test_requests_during_a_pause_are_counted(simulator: Simulator) -> None:
    """After the fault every request of the identity is refused until the pause ends, and is counted."""
    arm(simulator, kind="throttle", status=429, retry_after=60, times=1)
    first = fetch_repository(simulator)
    patient.post(f"{simulator.url}/_simulator/actions", json={"action": "advance", "seconds": 30})
    second = fetch_repository(simulator)
    summary = simulator.log.summary()
    patient.post(f"{simulator.url}/_simulator/actions", json={"action": "advance", "seconds": 31})

    assert (first.status_code, second.status_code) == (429, 429)
    assert int(second.headers["retry-after"]) <= 30
    assert summary["asked_while_told_to_wait"] == 1
    assert fetch_repository(simulator).status_code == 200


def test_a_secondary_limit_of_graphql_may_come_with_status_200(simulator: Simulator) -> None:
    """The message is in the body of a 200, and REST is refused with 403 meanwhile."""
    arm(simulator, kind="throttle", status=200, retry_after=60, times=1)
    expected, again, rest = batch(simulator), batch(simulator), fetch_repository(simulator)

    for answer in (expected, again):
        assert answer.status_code == 200
        assert answer.json().keys() == {"message", "documentation_url"}
        assert "secondary rate limit" in answer.json()["message"]
        assert int(answer.headers["retry-after"]) <= 60
    assert rest.status_code == 403


def test_rules_apply_one_after_the_other(simulator: Simulator) -> None:
    """The first rule that is due decides the response, latency adds to it, and ``skip`` lets requests pass."""
    arm(simulator, kind="latency", seconds=0.01)
    arm(simulator, kind="status", status=500, skip=1, times=1)
    arm(simulator, kind="status", status=503, times=2)
    statuses = [fetch_repository(simulator).status_code for _ in range(4)]

    assert statuses == [503, 500, 503, 200]
    assert simulator.log.entries[1].fault == "latency, status"


def test_chance_is_seeded() -> None:
    """The same seed affects the same requests."""
    runs = []
    for _ in range(2):
        with Simulator(seeds()) as simulator:
            simulator.faults.add(Rule(kind=Kind.STATUS, status=500, probability=0.5))
            runs.append([fetch_repository(simulator).status_code for _ in range(20)])

    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 500}


@pytest.mark.parametrize(
    ("path", "body", "status", "expected"),
    [
        ("faults", {"kind": "nonsense"}, 400, "nonsense"),
        ("faults", {"kind": "hang", "colour": "red"}, 400, "colour"),
        ("faults", {"kind": "hang", "times": "often"}, 400, "'often'"),
        ("actions", {"action": "explode"}, 400, "no action 'explode'"),
        ("actions", {"action": "push", "target": "no/body"}, 404, "no repository no/body"),
        ("actions", {"action": "push", "target": LESSCPY, "comits": 1}, 400, "comits"),
        ("actions", {"action": "status", "target": "lesscpy", "status": "lost"}, 400, "lost"),
    ],
)
def test_a_wrong_control_request_is_refused(
    simulator: Simulator, path: str, body: dict[str, Any], status: int, expected: str
) -> None:
    """The error is one line that names the fault, and nothing changes."""
    answer = patient.post(f"{simulator.url}/_simulator/{path}", json=body)

    assert answer.status_code == status
    assert expected in answer.json()["error"]


def test_the_log_has_every_request(simulator: Simulator) -> None:
    """The log has each request with its sender, response and cost, can be filtered by package, and can be cleared."""
    fetch_repository(simulator)
    batch(simulator)
    log = f"{simulator.url}/_simulator/log"
    entries = patient.get(log, params={"package": LESSCPY}).json()
    patient.delete(log)

    assert [(one["route"], one["status"], one["points"]) for one in entries] == [
        ("repository", 200, 1),
        ("graphql", 200, 1),
    ]
    assert entries[1]["packages"] == [LESSCPY, VIES]
    assert entries[0]["identity"] == "simulated-user"
    assert patient.get(log).json() == []


def test_the_settings_can_be_pasted_into_a_shell() -> None:
    """JSON with spaces and braces is exported as it is; in a pipe a line is the name, `=` and the value."""
    settings = {"FETCHER_PYPI_URL": "http://127.0.0.1:1/index", "FETCHER_FORGES": '{"a.example": {"kind": "it\'s"}}'}
    script = "\n".join([*setting_lines(settings, for_shell=True), "env -0"])
    shell = subprocess.run(
        ["bash", "-euc", script], env={"PATH": os.environ["PATH"]}, stdout=subprocess.PIPE, check=True
    )
    assert {f"{name}={value}" for name, value in settings.items()} <= set(shell.stdout.decode().split("\0"))
    assert list(setting_lines(settings, for_shell=False)) == [f"{name}={value}" for name, value in settings.items()]


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_the_command_prints_its_exports_and_ends_well(sign: signal.Signals) -> None:
    """It prints three lines, serves until a signal, and exits with status 0."""
    command = [sys.executable, "-m", "fetcher.simulator", "--port", "0", "--packages", "20", "--hour", "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": "."}) as process:
        assert process.stdout is not None
        exported = dict(process.stdout.readline().strip().split("=", 1) for _ in range(3))
        answer = patient.get(f"{exported['FETCHER_PYPI_URL']}/simple/")
        process.send_signal(sign)

        assert answer.status_code == 200
        assert exported["FETCHER_GITHUB_TOKEN"] == "simulated-token"
        assert process.wait(ENDS_WITHIN) == 0


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--mirror", "colours"], "--mirror colours"),
        (["--limit", "core_per_hour=many"], "--limit core_per_hour=many"),
        (["--catalogue", "/nowhere"], "/nowhere is not a folder"),
        (["--catalogue", "/proc/self/fd"], "no *.json document"),
        (["--fault", '{"kind": "nonsense"}'], "is one of status, throttle, html,"),
        (["--fault", "{"], """is not JSON; expected such as '{"kind": "status", "status": 500"""),
        (["--fault", "5"], """is not an object; expected such as '{"kind": "status","""),
        (["--token", ""], "--token: a token cannot be empty"),
        (["--token", "=someone"], "--token: a token cannot be empty"),
        (["--hour", "0"], "--hour 0"),
        (["--participation", "maybe"], "--participation maybe"),
        (["--github", "colours"], "--github colours"),
    ],
)
def test_a_wrong_option_is_one_line_and_status_1(options: list[str], expected: str) -> None:
    """The error names the option and the expected value, without a traceback."""
    command = [sys.executable, "-m", "fetcher.simulator", "--port", "0", *options]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)

    assert ended.returncode == 1
    assert expected in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_catalogue_written_into_a_closed_pipe() -> None:
    """A reader that has enough, as ``head``, ends the command without a message."""
    command = f"{sys.executable} -m fetcher.simulator --packages 2000 --write-catalogue /dev/stdout | head -c 20"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, timeout=60)

    assert (len(ended.stdout), ended.stderr) == (20, "")


def test_a_port_in_use_is_one_line_and_status_1() -> None:
    """The error names the address and suggests another port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "fetcher.simulator", "--port", port]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)

    assert ended.returncode == 1
    assert f"127.0.0.1:{port}" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1

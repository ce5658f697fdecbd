"""The OpenAPI description against the API: schemathesis sends requests that it allows, and requests that it forbids."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from pydantic import SecretStr
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance
from starlette.types import ASGIApp

from fetcher.catalogue.documents import KEYS
from fetcher.domain.model import Source
from fetcher.settings import Settings
from fetcher.store import open_engine
from fetcher.web import WebContext, make_app
from fetcher.web.api import schema
from fetcher.web.models import Package
from fetcher.web.session import Sessions
from tests.component.web.conftest import BEARER, TOKEN, FakeRuntime
from tests.harness.clock import DAY, StoppedClock
from tests.harness.examples import examples
from tests.harness.stores import NOW, Catalogue, stats, store_on


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[ASGIApp]:
    """Provide the application over three packages, one of which was fetched."""
    path = tmp_path_factory.mktemp("schema") / "web.db"
    shutil.copy(sqlite_template, path)
    engine = open_engine(f"sqlite:///{path}")
    store = store_on(engine)
    a, _, _ = Catalogue(store).add("a", "b", "1")
    Catalogue(store).answer(a, Source.REPOSITORY, stats())
    token = SecretStr(TOKEN)
    context = WebContext(
        Settings(web_token=token, web_hosts="*"), store, StoppedClock(NOW + DAY), FakeRuntime(store), Sessions(token)
    )
    context.followers.stream_seconds = 0
    context.followers.longest_wait = 0
    yield make_app(context)
    engine.dispose()


@pytest.fixture(scope="module")
def described(application: ASGIApp) -> Any:
    return schemathesis.openapi.from_asgi("/api/schema", application)


METHODS = ("get", "post", "put", "patch", "delete")
OPERATIONS = [(path, method) for path, item in schema()["paths"].items() for method in METHODS if method in item]


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_the_api_is_as_it_is_described(described: Any, path: str, method: str, mode: GenerationMode) -> None:
    """Statuses, media types, headers and bodies conform to the description. No request causes an error 500."""

    @given(case=described[path][method.upper()].as_strategy(generation_mode=mode))
    @settings(examples(0.4), suppress_health_check=list(HealthCheck), derandomize=True, database=None)
    def holds(case: Any) -> None:
        if any(_is_or_has_empty(value) for value in (case.query or {}).values()):
            return  # an empty parameter counts as absent, which JSON Schema cannot state
        # A well-formed id may be of no package, and every request carries the token.
        case.call_and_validate(headers=BEARER, excluded_checks=[positive_data_acceptance, ignored_auth])

    try:
        holds()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE  # every text is a valid path


def _is_or_has_empty(value: Any) -> bool:
    """Return True for an empty value, also within a list or an object, whose keys become parameters of their own."""
    if isinstance(value, dict | list):
        return not value or any(map(_is_or_has_empty, value.values() if isinstance(value, dict) else value))
    return value in ("", None)


def test_every_operation_is_described() -> None:
    """The description has every operation of the API, and no other."""
    assert OPERATIONS == [
        ("/api/v4/packages/", "get"),
        ("/api/v4/packages/{package}/", "get"),
        ("/api/v4/packages/{package}/refresh/", "post"),
        ("/api/v4/refreshes/{id}/", "get"),
        ("/api/v4/freshness", "get"),
        ("/api/v4/changes", "get"),
        ("/api/v4/changes/stream", "get"),
    ]


def test_the_document_is_described_key_for_key() -> None:
    """The model of a document has the document's keys in their order."""
    assert tuple(Package.model_fields) == KEYS


def test_only_documented_errors_are_described() -> None:
    """FastAPI's own form of validation errors, with status 422, is not part of the API."""
    assert "422" not in str(schema())
    assert "ValidationError" not in str(schema())

"""The OpenAPI document against the API itself: schemathesis asks whatever the document allows, and what it forbids."""

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

from fetcher.domain.model import Source
from fetcher.settings import Settings
from fetcher.store import open_engine
from fetcher.web import Site, make_app
from fetcher.web.openapi import schema
from fetcher.web.session import Sessions
from tests.fakes import StoppedClock
from tests.stores import DAY, NOW, Catalogue, stats, store_on
from tests.unit.web.conftest import BEARER, TOKEN, ToldWorkings


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[ASGIApp]:
    """Three packages, one of which answered."""
    path = tmp_path_factory.mktemp("schema") / "web.db"
    shutil.copy(sqlite_template, path)
    engine = open_engine(f"sqlite:///{path}")
    store = store_on(engine)
    a, _, _ = Catalogue(store).add("a", "b", "1")
    Catalogue(store).answer(a, Source.GITHUB, stats())
    token = SecretStr(TOKEN)
    site = Site(Settings(web_token=token), store, StoppedClock(NOW + DAY), ToldWorkings(store), Sessions(token))
    yield make_app(site)
    engine.dispose()


@pytest.fixture(scope="module")
def described(application: ASGIApp) -> Any:
    return schemathesis.openapi.from_asgi("/api/schema", application)


METHODS = ("get", "post", "put", "patch", "delete")
OPERATIONS = [(path, method) for path, item in schema()["paths"].items() for method in METHODS if method in item]


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_the_api_is_as_it_is_described(described: Any, path: str, method: str, mode: GenerationMode) -> None:
    """Statuses, media types, headers and bodies are those of the document, whatever is asked; nothing crashes."""

    @given(case=described[path][method.upper()].as_strategy(generation_mode=mode))
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
    def holds(case: Any) -> None:
        # What is well-formed may still be of no package; the token is sent with each.
        case.call_and_validate(headers=BEARER, excluded_checks=[positive_data_acceptance, ignored_auth])

    try:
        holds()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE  # every text is a good path


def test_every_operation_is_described() -> None:
    """The document knows each method of each path of the API, and none that is not there."""
    assert OPERATIONS == [
        ("/api/v4/packages/", "get"),
        ("/api/v4/packages/{package}/", "get"),
        ("/api/v4/packages/{package}/refresh/", "post"),
        ("/api/v4/refreshes/{id}/", "get"),
    ]

"""The API in OpenAPI 3.1, from the same constants that the code works with."""

from __future__ import annotations

from typing import Any

from fetcher import __version__
from fetcher.catalogue.documents import KEYS
from fetcher.domain.model import WEEKS_SHOWN
from fetcher.domain.views import Column, PackageState, RequestState
from fetcher.web.queries import FURTHEST, LONGEST_SEARCH, MOST

_TEXT = {"type": ["string", "null"]}
_MOMENT = {"type": ["string", "null"], "format": "date-time"}
_COUNT = {"type": ["integer", "null"], "minimum": 0}

_FIELDS: dict[str, Any] = {
    "category": {"description": "As the editors state it."},
    "grids": {"description": "As the editors state them."},
    "id": {"type": "integer"},
    "title": {"type": "string"},
    "slug": {"type": "string"},
    "last_updated": {**_MOMENT, "description": "The newest commit on the default branch."},
    "last_fetched": {**_MOMENT, "description": "When every source had last answered."},
    "repo_url": _TEXT,
    "pypi_version": _TEXT,
    "created": _MOMENT,
    "modified": _MOMENT,
    "repo_forks": _COUNT,
    "repo_description": {"type": "string"},
    "pypi_url": _TEXT,
    "documentation_url": _TEXT,
    "repo_watchers": {**_COUNT, "description": "Stars, by the name that the directory has for them."},
    "commits_over_52": {
        "type": "array",
        "items": {"type": "integer", "minimum": 0},
        "maxItems": WEEKS_SHOWN,
        "description": "Commits a week, oldest first; empty while it is not known.",
    },
    "participants": {"type": "array", "items": {"type": "string"}},
}

_PAGE: dict[str, Any] = {
    "type": "object",
    "required": ["count", "next", "previous", "results"],
    "properties": {
        "count": {"type": "integer", "minimum": 0},
        "next": {"type": ["string", "null"], "format": "uri"},
        "previous": {"type": ["string", "null"], "format": "uri"},
        "results": {"type": "array", "items": {"$ref": "#/components/schemas/Package"}},
    },
}

_REFRESH: dict[str, Any] = {
    "type": "object",
    "required": ["id", "package", "slug", "state", "asked_at", "changed", "failures", "reason"],
    "properties": {
        "id": {"type": "string"},
        "package": {"type": "string", "description": "The path of the package's document."},
        "slug": {"type": "string"},
        "state": {"enum": [str(state) for state in RequestState]},
        "asked_at": {"type": "string", "format": "date-time"},
        "started_at": _MOMENT,
        "finished_at": _MOMENT,
        "changed": {
            "type": "object",
            "description": "The document's fields that differ, but for last_fetched.",
            "additionalProperties": {"type": "object", "required": ["before", "after"]},
        },
        "failures": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["source", "outcome", "message"],
                "properties": {name: {"type": "string"} for name in ("source", "outcome", "message")},
            },
        },
        "reason": {**_TEXT, "description": "Why it failed as a whole."},
        "joined": {"type": "boolean", "description": "Somebody had asked just before; this is theirs."},
    },
}

_FAULT: dict[str, Any] = {
    "type": "object",
    "required": ["detail", "remedy"],
    "properties": {
        "detail": {"type": "string", "description": "What was wrong."},
        "remedy": {"type": "string", "description": "What to do."},
    },
}


def schema() -> dict[str, Any]:
    """The document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Fetcher",
            "version": __version__,
            "description": "The package directory's documents, read-only but for asking for a refresh.",
        },
        "paths": {
            "/api/v4/packages/": {"get": _list_packages()},
            "/api/v4/packages/{package}/": {"parameters": [_PACKAGE], "get": _get_package()},
            "/api/v4/packages/{package}/refresh/": {"parameters": [_PACKAGE], "post": _ask_refresh()},
            "/api/v4/refreshes/{id}/": {
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
                "get": _get_refresh(),
            },
        },
        "components": {
            "schemas": {
                "Package": {"type": "object", "required": list(KEYS), "properties": _FIELDS},
                "Page": _PAGE,
                "Refresh": _REFRESH,
                "Fault": _FAULT,
            },
            "securitySchemes": {"operator": {"type": "http", "scheme": "bearer"}},
        },
    }


_PACKAGE = {
    "name": "package",
    "in": "path",
    "required": True,
    "description": "An id or a slug.",
    "schema": {"type": "string"},
}

_CONDITIONS = [
    {"name": "If-None-Match", "in": "header", "schema": {"type": "string"}},
    {"name": "If-Modified-Since", "in": "header", "schema": {"type": "string"}},
]


def _list_packages() -> dict[str, Any]:
    sorts = [sign + column for column in Column for sign in ("", "-")]
    parameters = [
        _query("search", {"type": "string", "maxLength": LONGEST_SEARCH}),
        _query("state", {"enum": [str(state) for state in PackageState]}),
        _query("sort", {"enum": sorts, "default": "id"}),
        _query("limit", {"type": "integer", "minimum": 1, "maximum": MOST, "default": 20}),
        _query("offset", {"type": "integer", "minimum": 0, "maximum": FURTHEST, "default": 0}),
    ]
    return {
        "operationId": "list_packages",
        "summary": "A page of packages",
        "parameters": [*parameters, *_CONDITIONS],
        "responses": {"200": _answer("A page.", "Page"), "304": _UNCHANGED, **_faults("400", "503")},
    }


def _get_package() -> dict[str, Any]:
    return {
        "operationId": "get_package",
        "summary": "One package",
        "parameters": _CONDITIONS,
        "responses": {"200": _answer("Its document.", "Package"), "304": _UNCHANGED, **_faults("404", "503")},
    }


def _ask_refresh() -> dict[str, Any]:
    accepted = _answer("It will be refreshed; `Location` is where to look.", "Refresh")
    return {
        "operationId": "ask_refresh",
        "summary": "Refresh a package now",
        "security": [{"operator": []}],
        "responses": {
            "202": {**accepted, "headers": {"Location": {"schema": {"type": "string"}}}},
            **_faults("401", "403", "404", "409", "503"),
        },
    }


def _get_refresh() -> dict[str, Any]:
    return {
        "operationId": "get_refresh",
        "summary": "How far a refresh is, and what it changed",
        "responses": {"200": _answer("The refresh.", "Refresh"), **_faults("404", "503")},
    }


_UNCHANGED = {"description": "As it was: nothing is sent again."}

_FAULTS = {
    "400": "A parameter cannot be read.",
    "401": "The operator's token is missing or wrong.",
    "403": "Refreshing by HTTP is switched off, or there is nothing to ask of the package.",
    "404": "There is no such thing.",
    "409": "The package is retired.",
    "503": "The database or Redis cannot be reached.",
}


def _faults(*statuses: str) -> dict[str, Any]:
    return {status: _answer(_FAULTS[status], "Fault") for status in statuses}


def _answer(description: str, name: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
    return {"description": description, "content": content}


def _query(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema}

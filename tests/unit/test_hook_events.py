"""Events of webhooks: the repository and the sources that each names, and bodies that are none."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.domain.hints import Hint
from fetcher.domain.model import Source
from fetcher.hooks.events import UnreadableEvent, delivery_of, read_event
from fetcher.hooks.signatures import Forge
from tests.harness.examples import examples

REPOSITORY = {
    "id": 186853002,
    "full_name": "Codertocat/Hello-World",
    "html_url": "https://github.com/Codertocat/Hello-World",
}
PROJECT = {"id": 15, "path_with_namespace": "Group/Sub/App", "web_url": "https://git.example/Group/Sub/App"}
ONLY, WITH_INDEX = (Source.REPOSITORY,), (Source.REPOSITORY, Source.INDEX)
JSON = {"content-type": "application/json"}


def read(forge: Forge, event: str, payload: Any, **headers: str) -> Hint | None:
    name = {Forge.GITHUB: "x-github-event", Forge.GITLAB: "x-gitlab-event", Forge.FORGEJO: "x-forgejo-event"}[forge]
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return read_event(forge, JSON | {name: event} | headers, body)


@pytest.mark.parametrize(
    ("event", "sources"), [("push", ONLY), ("star", ONLY), ("repository", ONLY), ("release", WITH_INDEX)]
)
@pytest.mark.parametrize("forge", [Forge.GITHUB, Forge.FORGEJO])
def test_an_event_names_its_repository(forge: Forge, event: str, sources: tuple[Source, ...]) -> None:
    """Host, path and id are taken; everything else in the payload is ignored."""
    hint = read(forge, event, {"repository": REPOSITORY | {"stargazers_count": 10**9}, "commits": [{}]})
    assert hint == Hint("github.com", ("codertocat/hello-world",), "186853002", sources)


@pytest.mark.parametrize(
    ("event", "sources"), [("Push Hook", ONLY), ("Tag Push Hook", ONLY), ("Release Hook", WITH_INDEX)]
)
def test_gitlab_names_a_project(event: str, sources: tuple[Source, ...]) -> None:
    """A project's path may be nested, and its host is that of its address."""
    assert read(Forge.GITLAB, event, {"project": PROJECT, "project_id": 15}) == Hint(
        "git.example", ("group/sub/app",), "15", sources
    )


def test_a_system_hook_of_gitlab_has_both_paths() -> None:
    """A rename states the former path, by which the package is stored."""
    payload = {
        "event_name": "project_rename",
        "path_with_namespace": "group/new",
        "old_path_with_namespace": "group/old",
        "project_id": 15,
        "git_http_url": "https://git.example/group/new.git",
    }
    hint = read(Forge.GITLAB, "System Hook", payload)
    assert hint is not None
    assert hint.keys == ("git.example/group/new", "git.example/group/old")
    assert read(Forge.GITLAB, "System Hook", {"event_name": "user_create"}) is None


@pytest.mark.parametrize(
    ("changes", "former"),
    [
        ({"repository": {"name": {"from": "Old"}}}, "codertocat/old"),
        ({"owner": {"from": {"user": {"login": "Before"}}}}, "before/hello-world"),
        ({"owner": {"from": {"organization": {"login": "Before"}}}}, "before/hello-world"),
    ],
)
def test_a_rename_has_the_former_path(changes: Any, former: str) -> None:
    """A renamed or transferred repository is found by the path that the catalogue has."""
    hint = read(Forge.GITHUB, "repository", {"action": "renamed", "repository": REPOSITORY, "changes": changes})
    assert hint is not None
    assert hint.paths == ("codertocat/hello-world", former)


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\ud800"])
def test_text_that_no_database_stores_is_not_taken(character: str) -> None:
    """One such hint would end the batch that a worker takes, and lose the others."""
    named = [
        {"full_name": f"octo/{character}a"},
        {"html_url": f"https://git{character}hub.com/octo/a"},
    ]
    for changed in named:
        with pytest.raises(UnreadableEvent):
            read(Forge.GITHUB, "push", {"repository": REPOSITORY | changed})
    hint = read(Forge.GITHUB, "push", {"repository": REPOSITORY | {"id": f"1{character}"}})
    assert hint is not None
    assert hint.repository_id is None


def test_a_form_carries_the_same_event() -> None:
    """GitHub's other content type has the JSON in a field."""
    body = urlencode({"payload": json.dumps({"repository": REPOSITORY})}).encode()
    assert read(Forge.GITHUB, "push", body, **{"content-type": "application/x-www-form-urlencoded"}) is not None


@pytest.mark.parametrize(("forge", "event"), [(Forge.GITHUB, "ping"), (Forge.GITHUB, ""), (Forge.GITLAB, "Note Hook")])
def test_other_events_have_no_effect(forge: Forge, event: str) -> None:
    """The ping at installation, an unknown event and a comment change nothing that is stored."""
    assert read(forge, event, {"zen": "x"}) is None


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[" * 200_000,
        b"[]",
        b"\xff",
        b'{"repository": ' + b"9" * 10_000 + b"}",
        {"repository": None},
        {"repository": {"full_name": "a/b"}},
        {"repository": {"full_name": "a", "html_url": "https://github.com/a"}},
        {"repository": {"full_name": "a/b", "html_url": "https://[x"}},
        {"repository": {"full_name": ["a/b"], "html_url": 7}},
        {"repository": {"full_name": "a/" + "b" * 300, "html_url": "https://github.com/a"}},
    ],
    ids=["empty", "deep", "list", "binary", "number", "none", "no url", "no name", "bad url", "types", "long"],
)
def test_a_malformed_event_is_refused(payload: Any) -> None:
    """A body without a readable repository ends in one line."""
    with pytest.raises(UnreadableEvent, match=r"."):
        read(Forge.GITHUB, "push", payload)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=9),
        lambda one: (
            st.dictionaries(
                st.sampled_from(
                    [
                        "repository",
                        "project",
                        "full_name",
                        "html_url",
                        "id",
                        "changes",
                        "owner",
                        "from",
                        "path_with_namespace",
                        "web_url",
                    ]
                ),
                one,
                max_size=4,
            )
            | st.lists(one, max_size=2)
        ),
        max_leaves=12,
    )
)
@examples(1)
def test_no_payload_crashes_the_reader(payload: Any) -> None:
    """Any JSON ends in a hint, in nothing or in a refusal."""
    for forge, event in ((Forge.GITHUB, "release"), (Forge.GITLAB, "push hook"), (Forge.FORGEJO, "push")):
        with suppress(UnreadableEvent):
            assert isinstance(read(forge, event, payload), Hint | None)


def test_a_delivery_has_an_id_and_a_digest() -> None:
    """The id is the forge's, or the digest where it is absent or unusable; the digest depends on event and body."""
    headers = {"x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958", "x-github-event": "push"}
    stated, digest = delivery_of(Forge.GITHUB, headers, b"{}")
    assert stated == headers["x-github-delivery"]
    assert delivery_of(Forge.GITHUB, headers | {"x-github-delivery": "a b"}, b"{}") == (digest, digest)
    assert delivery_of(Forge.GITHUB, headers, b"{ }")[1] != digest
    assert delivery_of(Forge.GITHUB, headers | {"x-github-event": "star"}, b"{}")[1] != digest

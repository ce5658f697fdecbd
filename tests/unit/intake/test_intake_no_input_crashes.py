"""Fuzz tests of the readers: every record is an entry, rejected or skipped, or the file an ``InputError``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.catalogue.intake import Entry, PassedOver, Rejected, next_page, read_file, read_page
from fetcher.domain.errors import InputError
from tests.harness.examples import examples
from tests.harness.seeds import SEEDS

REAL = [path.read_bytes() for path in sorted(SEEDS.glob("*.json"))]
REAL += [
    json.dumps({"next": "/2", "results": [json.loads(body) for body in REAL]}).encode(),
    b"\n".join(json.dumps(json.loads(body)).encode() for body in REAL),
    b'repo_url,pypi_url,"x y"\nhttps://github.com/o/r,r,"a\nb"\n,foo,\n',
    b"# c\nhttps://github.com/o/r\ngit@github.com:o/s.git  s # c\n",
]
suffixes = st.sampled_from([".json", ".jsonl", ".csv", ".txt", ""])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("inputs")


def read_all(folder: Path, suffix: str, content: bytes) -> None:
    path = folder / f"x{suffix}"
    path.write_bytes(content)
    try:
        items = list(read_file(path))
    except InputError:
        return
    for item in items:
        assert isinstance(item, Entry | Rejected | PassedOver)
        assert item.where.isprintable()
        if isinstance(item, Rejected):
            assert str(item).isprintable()


@given(suffix=suffixes, content=st.binary(max_size=200))
def test_random_bytes(folder: Path, suffix: str, content: bytes) -> None:
    """Read any bytes under any name."""
    read_all(folder, suffix, content)


@given(suffix=suffixes, text=st.text(alphabet='{}[]",;:#@/\\\n\r\t 0aeslug_-.\ufeffé\u2028', max_size=80))
def test_random_text(folder: Path, suffix: str, text: str) -> None:
    """Read text composed of the formats' tokens."""
    read_all(folder, suffix, text.encode())
    read_all(folder, suffix, b"slug,repo_url\n" + text.encode())


@given(suffix=suffixes, body=st.sampled_from(REAL), data=st.data())
@examples(3)
def test_mutated_files(folder: Path, suffix: str, body: bytes, data: st.DataObject) -> None:
    """Read real inputs with some bytes removed and others inserted."""
    mutated = bytearray(body)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(mutated)))
        end = start + data.draw(st.integers(0, 40))
        mutated[start:end] = data.draw(
            st.binary(max_size=6) | st.sampled_from([b"[" * 2000, b'"', b"\n", b"9" * 5000, b"\\u0000"])
        )
    read_all(folder, suffix, bytes(mutated))
    assert read_page(bytes(mutated), "p").items is not None


@given(st.text(), st.text())
def test_any_link(url: str, link: str) -> None:
    """Resolve any pair of addresses to a web address or ``None``."""
    followed = next_page(url, link)
    assert followed is None or followed.startswith(("http://", "https://"))

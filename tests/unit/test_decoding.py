"""Decoding of compressed bodies, in pieces of bounded size."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.http.decoding import PIECE, Decoder, UndecodableBody

LARGE = b"\0" * 30_000_000


def _raw(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


CODED = {"gzip": gzip.compress, "x-gzip": gzip.compress, "deflate": zlib.compress, " GZip ": gzip.compress}


@pytest.mark.parametrize(("coding", "pack"), [*CODED.items(), ("deflate", _raw)])
def test_a_bomb_is_decoded_in_small_pieces(coding: str, pack: object) -> None:
    """However much a few bytes contain, no piece is longer than the limit, and the caller may stop after any."""
    assert callable(pack)
    packed = pack(LARGE)
    assert len(packed) < 40_000
    decoder, total = Decoder(coding), 0
    for piece in decoder.pieces(packed):
        assert len(piece) <= PIECE
        total += len(piece)
    decoder.end()
    assert total == len(LARGE)


@given(data=st.binary(max_size=500), repeated=st.integers(1, 2000), size=st.integers(1, 5000))
@pytest.mark.parametrize("coding", ["gzip", "deflate", "identity", ""])
def test_any_body_in_any_pieces(coding: str, data: bytes, repeated: int, size: int) -> None:
    """The decoded bytes are those that were sent, whatever the pieces in which they arrive."""
    body = data * repeated
    packed = CODED[coding](body) if coding in CODED else body
    decoder = Decoder(coding)
    arrived = [packed[at : at + size] for at in range(0, len(packed), size)]
    assert b"".join(piece for raw in arrived for piece in decoder.pieces(raw)) == body
    decoder.end()


def test_bytes_after_the_end_are_ignored() -> None:
    decoder = Decoder("gzip")
    assert b"".join(decoder.pieces(gzip.compress(b"a") + b"rest")) == b"a"
    assert list(decoder.pieces(b"more")) == []
    decoder.end()


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_body_that_breaks_off(coding: str) -> None:
    """A compressed body without its end is an error; an empty one, as of a 304, is none."""
    packed = CODED[coding](b"some words" * 100)
    decoder = Decoder(coding)
    list(decoder.pieces(packed[:-5]))
    with pytest.raises(UndecodableBody, match="breaks off"):
        decoder.end()
    empty = Decoder(coding)
    assert list(empty.pieces(b"")) == []
    empty.end()


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_body_in_no_coding(coding: str) -> None:
    with pytest.raises(UndecodableBody, match="is not in its coding"):
        list(Decoder(coding).pieces(b"nonsense and more of it"))


def test_an_unknown_coding_matters_only_with_a_body() -> None:
    decoder = Decoder("br")
    decoder.end()
    with pytest.raises(UndecodableBody, match="'br' was not requested"):
        list(decoder.pieces(b"x"))

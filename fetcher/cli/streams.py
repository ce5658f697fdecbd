"""The command's standard streams: any character in any locale, and one line for an output that cannot be written."""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
from typing import NoReturn

_ESCAPE = "fetcher-escape"
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_CLOSED = frozenset({errno.EPIPE, errno.EBADF})


def accept_every_character() -> None:
    """Write characters that the locale's encoding lacks as in JSON: ``\\u2026``. Output in JSON stays valid by it."""
    codecs.register_error(_ESCAPE, _escape)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not stream.encoding.lower().startswith("utf"):
            stream.reconfigure(errors=_ESCAPE)


def is_output_error(error: OSError) -> bool:
    """Return True if the error can be that of standard output: it names no file, and the disk or the pipe refuses."""
    return error.filename is None and error.errno in _FULL | _CLOSED


def end_without_output(error: OSError) -> NoReturn:
    """Exit with status 1, with a line on stderr unless the reader of a pipe has left."""
    if error.errno in _FULL:
        line = f"error: the output cannot be written: {os.strerror(error.errno or 0)}. Free space, or write elsewhere"
        print(line, file=sys.stderr)  # noqa: T201  (rich would read the state of standard output)
    _discard_output()
    raise SystemExit(1)


def _discard_output() -> None:
    """Connect standard output to nothing. The interpreter writes its buffer again when it exits."""
    try:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)
    except (OSError, ValueError):
        return


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2)), error.end

"""Tables on terminals of several widths."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from fetcher.cli.screen import plain_table

ADDRESS = "https://forge.example/an/address-longer-than-a-narrow-terminal"


def _printed(width: int) -> list[str]:
    table = plain_table("package", "state", "address")
    table.add_row("alpha", "fresh", ADDRESS)
    table.add_row("beta", "stale", "")
    stream = io.StringIO()
    Console(file=stream, width=width, force_terminal=True, color_system=None).print(table)
    return [line.rstrip() for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize("width", [20, 40, 59])
def test_a_narrow_terminal_gets_one_line_a_cell(width: int) -> None:
    """No cell is cut: the address is there in full, over several lines if need be."""
    lines = _printed(width)
    assert lines[0] == "alpha"
    assert "state: fresh" in lines[1]
    assert "".join(lines[2 : lines.index("beta")]).replace(" ", "").removeprefix("address:") == ADDRESS
    assert max(map(len, lines)) <= width


def test_a_wide_terminal_gets_a_table() -> None:
    """A table that fits has headings and a line a row."""
    head, _, alpha, beta = _printed(100)
    assert head.split() == ["package", "state", "address"]
    assert alpha.split() == ["alpha", "fresh", ADDRESS]
    assert beta.split() == ["beta", "stale"]

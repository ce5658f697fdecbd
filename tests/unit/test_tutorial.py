"""The tutorial leaves nothing behind, and names its placeholders."""

from __future__ import annotations

import re

from tests.harness.documents import ROOT, blocks_of

BLOCKS = blocks_of(ROOT / "docs" / "tutorial.md")
LINES = [line for block in BLOCKS for line in block.lines]


def test_every_variable_is_unset_at_the_end() -> None:
    exported = {found[1] for line in LINES if (found := re.match(r"export (\w+)=", line))}
    unset = {name for line in LINES if line.startswith("unset ") for name in line.split()[1:]}
    assert exported
    assert unset == exported


def test_every_file_is_removed_at_the_end() -> None:
    (removed,) = (line.split()[2:] for line in LINES if line.startswith("rm -r "))
    written = {
        found[1] for line in LINES if (found := re.search(r"--write-catalogue (\S+)|DATA_DIR=\$PWD/(\S+)", line))
    }
    assert {name for name in written if name} <= set(removed)
    assert "tutorial-data" in removed


def test_a_placeholder_is_named_as_such() -> None:
    """The repository's address is not known here, so the line explains the word that stands for it."""
    (clone,) = (line for line in LINES if line.startswith("git clone"))
    word = clone.split()[2]
    assert f"{word} stands for" in clone

"""The check of the words finds each rule's violation, and nothing in the paths that are clean."""

from __future__ import annotations

import pytest

from tests import words

LONG = " ".join(["word"] * 41)


@pytest.mark.parametrize("opening", ["What", "Whose", "Who", "How", "Whether", "Where", "When", "Those", "So many"])
def test_a_headless_opening(opening: str) -> None:
    """A function's docstring that opens with a headless clause is reported at its line."""
    text = f'def width(n):\n    """{opening} is asked."""\n'

    assert [str(one) for one in words.violations(text, "a.py")] == [
        f'a.py:2: the docstring of width opens with "{opening}": begin with a verb'
    ]


@pytest.mark.parametrize("word", ["anew", "of late", "for ever", "Likewise", "somebody", "Nobody", "everybody"])
@pytest.mark.parametrize(
    ("path", "text", "line"),
    [
        ("a.py", '"""A module.\n\nIt is {} there.\n"""\n', 3),
        ("a.py", "x = 1\n# It is {} there.\n", 2),
        ("a.py", 'LIMIT = 1\n"""The {} limit."""\n', 2),
        ("a.md", "# A page\n\nIt is {} there.\n", 3),
    ],
    ids=["docstring", "comment", "constant", "markdown"],
)
def test_a_forbidden_word(word: str, path: str, text: str, line: int) -> None:
    """A forbidden word is reported in docstrings, comments and Markdown."""
    assert [str(one) for one in words.violations(text.format(word), path)] == [
        f'{path}:{line}: "{word}" is not a word of this project'
    ]


@pytest.mark.parametrize("name", ["arena", "Blow", "doom_at", "FakeHouse", "judge_amiss", "_desk", "houses"])
def test_a_retired_identifier(name: str) -> None:
    """An identifier with a retired word is reported, one that only contains its letters is not."""
    assert [str(one) for one in words.violations(f"x = 1\n{name} = x\n", "a.py")] == [
        f'a.py:2: the identifier "{name}" uses a retired word'
    ]
    assert words.violations("housekeeping = below = warehouse = desktop = 1\n", "a.py") == []


def test_a_long_sentence() -> None:
    """A sentence of more than 40 words in a docstring is reported; one of 40 is not."""
    text = f'"""A module. {LONG}.\n\n{LONG.removesuffix(" word")}.\n"""\n'

    assert [str(one) for one in words.violations(text, "a.py")] == ["a.py:1: a sentence of 41 words: at most 40"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.py", 'x = "nobody"\n'),
        ("a.py", '"""``somebody`` is a name."""\n'),
        ("a.py", 'class A:\n    """What a class is."""\n'),
        ("a.md", '```\nnobody\n```\n`anew` and "of late"\n'),
    ],
    ids=["string", "quoted", "class", "fenced"],
)
def test_allowed_text(path: str, text: str) -> None:
    """Strings of the program, quotations and code are not checked."""
    assert words.violations(text, path) == []


def test_clean_paths_exist_and_are_clean(capsys: pytest.CaptureFixture[str]) -> None:
    """Every path of the list exists and has no violation."""
    assert [path for path in words.CLEAN if not (words.ROOT / path).exists()] == []
    assert (words.main([]), capsys.readouterr().out) == (0, "")

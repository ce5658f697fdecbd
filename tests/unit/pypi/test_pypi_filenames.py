"""Assignment of files to releases by name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.upstreams.pypi.filenames import KnownVersions


@pytest.mark.parametrize(
    ("project", "filename", "number"),
    [
        ("foo", "foo-1.0-py3-none-any.whl", "1.0"),
        ("foo", "foo-1.0-1build-cp311-cp311-manylinux_2_17_x86_64.whl", "1.0"),
        ("foo", "foo-1.0+local.1-py3-none-any.whl", "1.0+local.1"),
        ("foo-bar", "Foo_Bar-1.0.tar.gz", "1.0"),
        ("foo-bar", "foo.bar-1.0.zip", "1.0"),
        ("foo-bar", "foo-bar-1.0.tar.bz2", "1.0"),
        ("foo-2", "foo-2-1.0.tar.gz", "1.0"),
        ("foo", "foo-1.0-1.tar.gz", "1.0-1"),
        ("foo", "foo-1.0-py2.7.egg", "1.0"),
        ("foo", "foo-1.0-py2.7-linux-x86_64.egg", "1.0"),
        ("foo", "foo-1.0.win32.exe", "1.0"),
        ("foo", "foo-1.0.win-amd64-py2.7.exe", "1.0"),
        ("foo", "foo-1.0.linux-x86_64.tar.gz", "1.0"),
        ("foo", "foo-1.0.macosx-10.9-x86_64.tar.gz", "1.0"),
        ("foo", "foo-1.0-1.noarch.rpm", "1.0"),
        ("foo", "foo-0.9g.tar.gz", "0.9g"),
        ("foo", "foo-dev-trunk.tar.gz", "dev-trunk"),
        ("foo", "bar-1.0.tar.gz", None),
        ("foo", "foo-1.0.tar.gz.asc", None),
        ("foo", "foo.tar.gz", None),
        ("foo", "foo-.tar.gz", None),
    ],
)
def test_without_a_list_of_versions_the_name_decides(project: str, filename: str, number: str | None) -> None:
    """With Simple 1.0, which lists no versions, names of wheels, sdists, eggs, installers and RPMs give the release."""
    assert KnownVersions(project, ()).release_of(filename) == number


@pytest.mark.parametrize(
    ("listed", "filename", "number"),
    [
        ("1.0-beta1", "foo-1.0b1-py3-none-any.whl", "1.0-beta1"),
        ("1.0.0", "foo-1.0.tar.gz", "1.0.0"),
        ("0.9-final-cut", "foo-0.9-final-cut.tar.gz", "0.9-final-cut"),
        ("0.9-final-cut", "foo-0.9_final_cut-py3-none-any.whl", "0.9-final-cut"),
        ("2004d", "foo-2004d-py2.4.egg", "2004d"),
        ("2004d", "foo-2004d-cygwin.tar.gz", "2004d"),
    ],
)
def test_a_listed_version_s_spelling_wins(listed: str, filename: str, number: str) -> None:
    """The index's list has the release's spelling; build tools normalise or change it in file names."""
    assert KnownVersions("foo", [listed]).release_of(filename) == number


def test_a_longer_version_is_not_taken_for_a_shorter_one() -> None:
    """``1.0.1`` continues ``1.0`` but is a version by itself, listed or not."""
    known = KnownVersions("foo", ["1.0"])
    assert known.release_of("foo-1.0.1.tar.gz") == "1.0.1"
    assert known.numbers == ("1.0", "1.0.1")


def test_files_of_one_release_are_joined_in_any_order() -> None:
    """Two spellings of one version are one release, named as in the first file."""
    known = KnownVersions("foo", ())
    assert known.release_of("foo-1.0.0.tar.gz") == "1.0.0"
    assert known.release_of("foo-1.0-py3-none-any.whl") == "1.0.0"


@given(
    st.text(max_size=30),
    st.lists(st.text(max_size=10), max_size=4),
    st.text(max_size=60),
    st.sampled_from([".whl", ".tar.gz", ".egg", ".exe", ""]),
)
def test_no_name_is_too_strange(project: str, listed: list[str], stem: str, suffix: str) -> None:
    """Any name with any list of versions gives a number or ``None``."""
    known = KnownVersions(project, listed)
    for name in (stem + suffix, f"{project}-{stem}{suffix}"):
        number = known.release_of(name)
        assert number is None or number in known.numbers

"""Parser of Simple's HTML form about one project into the shape of its JSON form. Sources: PEP 503, 592, 629, 792.

It is imported only if an index sends HTML, because pypi-simple's HTML parsers take a tenth of a second to import.
"""

from __future__ import annotations

from urllib.parse import unquote

from pypi_simple.html import Link
from pypi_simple.html_stream import LinkParser

from fetcher.domain.outcome import Malformed
from fetcher.upstreams.pypi.filenames import SUFFIXES
from fetcher.upstreams.pypi.shapes import SimpleFile, SimpleProject

_API = "Simple API"
_MOST_TAGS = 500_000
"""Maximum tags of a listing, which has three or four per file. Each tag costs microseconds and half a kilobyte."""
_LONGEST_TEXT = 1024
"""Characters read of a link's text. No file name is longer."""
_VERSION, _STATUS = "pypi:repository-version", "pypi:project-status"


class _Listing(LinkParser):
    """pypi-simple's parser of links, extended by ``meta`` tags and by the end of the page.

    Only links reach the parser itself, and a link ends where another begins, as in a browser. Its time is therefore
    linear in the page's length for any input. A ``base`` tag and a future repository version have no effect.
    """

    def __init__(self) -> None:
        super().__init__()
        self.meta: dict[str, str] = {}
        self.open = False
        """True after ``<html>`` was opened and not closed."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Handle a start tag (``html.parser.HTMLParser``)."""
        if tag == "a":
            self.handle_endtag(tag)
            super().handle_starttag(tag, attrs)
        elif tag == "meta":
            named = dict(attrs)
            self.meta.setdefault(named.get("name") or "", named.get("content") or "")
        elif tag == "html":
            self.open = True

    def handle_endtag(self, tag: str) -> None:
        """Handle an end tag (``html.parser.HTMLParser``)."""
        if tag == "a":
            super().handle_endtag(tag)
        elif tag == "html":
            self.open = False

    def handle_data(self, data: str) -> None:
        """Handle text (``html.parser.HTMLParser``)."""
        if self.link_tag_stack and len(self.link_tag_stack[-1]["#text"]) < _LONGEST_TEXT:
            super().handle_data(data[:_LONGEST_TEXT])


def parse_html(body: bytes, project: str) -> SimpleProject | Malformed:
    """Return every link of a page as a file, with the version and the status that its ``meta`` tags state.

    The caller decides which files are the project's. The form has no upload times, but some mirrors add them as
    ``data-upload-time``. The encoding is UTF-8, as HTML5 requires. Returns ``Malformed`` if the page is truncated,
    cannot be parsed, or has too many tags.
    """
    if body.count(b"<") > _MOST_TAGS:
        return Malformed(f"{_API}: expected a listing, got HTML with more than {_MOST_TAGS} tags")
    listing = _Listing()
    try:
        listing.feed(body.decode("utf-8-sig", "replace"))
    except AssertionError:  # the standard library's parser, on declarations that it does not know
        return Malformed(f"{_API}: expected a listing, got HTML that cannot be parsed")
    if listing.open or "<" in listing.rawdata:
        return Malformed(f"{_API}: expected a listing, got HTML that is cut off")
    listing.handle_endtag("a")
    return SimpleProject.model_validate(
        {
            "name": project,
            "files": [_file(link) for link in listing.fetch_links()],
            "meta": {"api-version": listing.meta.get(_VERSION)},
            "project-status": {"status": listing.meta.get(_STATUS)},
        }
    )


def _file(link: Link) -> SimpleFile:
    """Read one link. Its file name is the address's last part, as for pip, or the text if that names no file."""
    path = str(link.attrs["href"]).partition("#")[0].partition("?")[0]
    name = unquote(path.rpartition("/")[2])
    return SimpleFile.model_validate(
        {
            "filename": name if name.endswith(SUFFIXES) else link.text,
            "upload-time": link.attrs.get("data-upload-time"),
            "yanked": link.attrs.get("data-yanked"),
            "requires-python": link.attrs.get("data-requires-python"),
        }
    )

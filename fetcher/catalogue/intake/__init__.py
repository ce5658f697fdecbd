"""Readers of package inputs (files, folders, pages of a directory's API) that yield catalogue entries.

No module here does network I/O. ``read_page`` parses a fetched page and ``next_page`` returns the address of the next.
"""

from fetcher.catalogue.intake.documents_json import LONGEST_JSON, TO_LINES, Page, next_page, read_page, too_long
from fetcher.catalogue.intake.files import read_file, read_folder, read_path, read_stream, size_of
from fetcher.catalogue.intake.items import Entry, Item, PassedOver, Rejected
from fetcher.catalogue.intake.partial import slugified

__all__ = [
    "read_path",
    "read_file",
    "read_folder",
    "read_stream",
    "size_of",
    "read_page",
    "next_page",
    "too_long",
    "LONGEST_JSON",
    "TO_LINES",
    "slugified",
    "Entry",
    "Rejected",
    "PassedOver",
    "Item",
    "Page",
]

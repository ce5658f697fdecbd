"""Inputs of packages — files, folders, pages of a directory's API — into catalogue entries, one by one.

Nothing here asks a network: pages are fetched elsewhere, ``read_page`` reads them and ``next_page`` says which may
follow.
"""

from fetcher.catalogue.intake.documents_json import Page, next_page, read_page
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
    "slugified",
    "Entry",
    "Rejected",
    "PassedOver",
    "Item",
    "Page",
]

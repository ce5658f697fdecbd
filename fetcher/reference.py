"""The reference page of the settings, written from their fields: ``python -m fetcher.reference`` (``make docs``)."""

from __future__ import annotations

from pathlib import Path

from pydantic.fields import FieldInfo

from fetcher.settings import PREFIX, Settings

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"

_HEAD = """# Settings

Every setting is an environment variable, read once when a process starts. An empty one counts as unset. Spans are
seconds, or `H:MM:SS`, or ISO 8601 (`P1D`). This page is written by `make docs` from `fetcher/settings.py`.

| variable | default | what it is |
|---|---|---|
"""


def settings_page() -> str:
    """The page's text."""
    rows = [f"| `{PREFIX}{name.upper()}` | {_default(field)} | {field.description} |" for name, field in _fields()]
    return _HEAD + "\n".join(rows) + "\n"


def _fields() -> list[tuple[str, FieldInfo]]:
    return list(Settings.model_fields.items())


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None:
        return _COMPUTED.get(field.description or "", "computed")
    if field.default is None:
        return "unset"
    return f"`{field.default}`"


_COMPUTED = {
    Settings.model_fields["data_dir"].description or "": "the user's data folder",
    Settings.model_fields["pypi_url"].description or "": "the public index",
    Settings.model_fields["time_zone"].description or "": "`UTC`",
}


if __name__ == "__main__":
    PAGE.write_text(settings_page())

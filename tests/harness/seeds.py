"""The five real documents that the simulator serves, as a folder that the tests import."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

SEEDS = Path(str(resources.files("fetcher.simulator") / "data"))
FORGE_DOCUMENTS = Path(str(resources.files("fetcher.simulator") / "forge_documents"))
"""An invented document for each other forge, which the demo serves beside them."""

"""Bare clones without blobs by the git program, and later fetches into them, with the CPU of git."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_CLEAN = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
NO_BLOBS = ("--filter=blob:none",)


@dataclass(frozen=True, slots=True)
class Clones:
    """Clones below one folder."""

    folder: Path

    def update(self, url: str, name: str) -> float:
        """Clone ``url``, or fetch into its clone; return git's CPU seconds."""
        if not (self.folder / name).exists():
            return self.clone(url, name, NO_BLOBS)
        return _git("-C", str(self.folder / name), "fetch", "-q", "origin", "+refs/heads/*:refs/heads/*")

    def clone(self, url: str, name: str, options: Sequence[str]) -> float:
        """Clone ``url`` and return git's CPU seconds."""
        return _git("clone", "-q", "--bare", *options, url, str(self.folder / name))

    @staticmethod
    def bare(repository: Path, to: Path) -> None:
        """Copy a repository on disk, so that it can be served with filters."""
        _git("clone", "-q", "--bare", "--no-local", str(repository), str(to))
        for name in ("uploadpack.allowFilter", "http.uploadpack"):
            _git("-C", str(to), "config", name, "true")


def _git(*arguments: str) -> float:
    """Run git and return the CPU seconds of it and its children."""
    process = subprocess.Popen(["git", *arguments], env={**os.environ, **_CLEAN}, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return usage.ru_utime + usage.ru_stime

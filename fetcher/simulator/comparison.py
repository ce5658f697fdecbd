"""GitHub's comparison of two commits of a graph."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fetcher.simulator.git_log import git_log, holds
from fetcher.simulator.history import Commit, History


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result of ``base...head``: the commits that head reaches and base does not, oldest first."""

    status: Literal["ahead", "behind", "diverged", "identical"]
    ahead: tuple[Commit, ...]
    behind_by: int
    base: Commit
    merge_base: Commit


def compare(histories: Sequence[History], base: str, head: str) -> Comparison | None:
    """Compare two commits by oid over the histories that the repository still holds, the current one first.

    Return None if either commit is in no history, or if the two have no commit in common.
    """
    logs = [_log(histories, base), _log(histories, head)]
    if logs[0] is None or logs[1] is None:
        return None
    base_log, head_log = logs[0], logs[1]
    of_base, of_head = ({commit.oid for commit in log} for log in (base_log, head_log))
    ahead = tuple(commit for commit in reversed(head_log) if commit.oid not in of_base)
    behind_by = len(of_base - of_head)
    merge_base = _merge_base(base_log, of_head)
    if merge_base is None:
        return None
    status: Literal["ahead", "behind", "diverged", "identical"] = "identical"
    if behind_by:
        status = "diverged" if ahead else "behind"
    elif ahead:
        status = "ahead"
    return Comparison(status, ahead, behind_by, base_log[0], merge_base)


def _log(histories: Sequence[History], oid: str) -> Sequence[Commit] | None:
    history = next((one for one in histories if holds(one, oid)), None)
    return None if history is None else git_log(history, oid)


def _merge_base(base_log: Sequence[Commit], of_head: set[str]) -> Commit | None:
    """Return a commit of both that no other commit of both reaches."""
    shared = [commit for commit in base_log if commit.oid in of_head]
    reached = {parent for commit in shared for parent in commit.parents}
    return next((commit for commit in shared if commit.oid not in reached), None)

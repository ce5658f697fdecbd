"""``make soak``: runs the tests again and again on a loaded machine, and prints each failure.

    python -m tests.soak --times 10 --load 2 [-- ARGUMENTS OF PYTEST]

A test that measures the machine fails here sooner or later. The load is a busy loop for each core. The status is 1 if a
test has failed. The output of a failed run is kept, and its path is printed.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent
BUSY = "import os; parent = os.getppid()\nwhile os.getppid() == parent: pass"
"""A loop that ends with its parent, however that ends."""
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


def main(arguments: Sequence[str]) -> int:
    """Run the tests as often as requested; print a line for each run and the number of failures of each test."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--load", type=int, default=os.cpu_count() or 1, help="busy loops beside the tests")
    parser.add_argument("pytest", nargs="*", help="pytest's arguments, after --")
    options = parser.parse_args(arguments)
    failures: Counter[str] = Counter()
    broken = 0
    logs = Path(tempfile.mkdtemp(prefix="fetcher-soak-"))
    with loaded(options.load):
        for number in range(1, options.times + 1):
            log = logs / f"{number}.log"
            began = time.monotonic()
            status = _run(options.pytest, log)
            text = log.read_text("utf-8", "replace")
            broken += status != 0
            failures.update(_FAILED.findall(text))
            summary = text.rstrip().rpartition("\n")[2].strip("= ")
            print(f"{number}/{options.times}: {summary}, {time.monotonic() - began:.0f} s", flush=True)  # noqa: T201
            if status:
                print(f"    status {status}: {log}", flush=True)  # noqa: T201
    for test, times in failures.most_common():
        print(f"failed {times} times: {test}")  # noqa: T201
    print(f"{broken} of {options.times} runs failed")  # noqa: T201
    return int(broken > 0)


@contextmanager
def loaded(processes: int) -> Iterator[None]:
    """Keep as many busy loops running."""
    with ExitStack() as ends:
        for _ in range(processes):
            process = subprocess.Popen([sys.executable, "-c", BUSY])
            ends.callback(process.wait)
            ends.callback(process.kill)
        yield


def _run(arguments: Sequence[str], log: Path) -> int:
    with log.open("wb") as out:
        command = [sys.executable, "-m", "pytest", "--color=no", *arguments]
        return subprocess.run(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

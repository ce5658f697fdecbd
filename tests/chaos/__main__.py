"""``make chaos``: injects every fault, prints a table of the results, and exits with 1 if any is lost or wrong.

    python -m tests.chaos --seed 4 --minutes 10

The seed decides the victims and the times of the faults. The scheduling of the processes depends on the machine.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time

from rich.console import Console

from fetcher.monitoring.logging import configure_logging
from tests.chaos.injection.findings import table_of
from tests.chaos.injection.run import beside, end, running
from tests.chaos.injection.scenarios import LONG_ON_POSTGRES, LONG_ON_SQLITE, TWENTY_KILLS

PACKAGES, MANY = 200, 2_000

out = Console(width=160)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--minutes", type=float, default=10.0, help="no fault is begun in the last half minute of it")
    options = parser.parse_args()
    configure_logging("CRITICAL")
    signal.signal(signal.SIGTERM, end)
    began = time.monotonic()
    with running(options.seed, options.minutes) as run:
        with beside(run):
            run.process_faults([TWENTY_KILLS], count=MANY, postgres=True, workers=3)
            run.process_faults(LONG_ON_POSTGRES, count=PACKAGES, postgres=True)
            run.process_faults(LONG_ON_SQLITE, count=PACKAGES, postgres=False)
        out.print(table_of(run.findings))
    bad = sum(not finding.ok for finding in run.findings)
    took = time.monotonic() - began
    out.print(f"{len(run.findings)} faults with seed {options.seed} in {took:.0f} s: {bad} left something behind")
    for name in run.left_out:
        out.print(f"left out: {name}", markup=False)
    return 1 if bad or run.left_out else 0


if __name__ == "__main__":
    sys.exit(main())

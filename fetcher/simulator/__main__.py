"""``python -m fetcher.simulator``."""

import typer

from fetcher.simulator.command import simulate

if __name__ == "__main__":
    typer.run(simulate)

"""The command's options, read into settings."""

from datetime import timedelta
from typing import Any

import pytest

from fetcher.simulator.launch import Options, settings_of
from fetcher.simulator.mount import CannotLaunchError
from fetcher.simulator.upstreams.github.node_ids import NodeIds
from fetcher.simulator.upstreams.github.options import GitHubOptions
from fetcher.simulator.upstreams.github.statistics_jobs import EmptyAnswer, Participation, Statistics

USUAL: dict[str, Any] = {
    "port": 0,
    "host": "",
    "catalogue": None,
    "packages": 0,
    "seed": 0,
    "latency": 0,
    "faults": (),
    "write_catalogue": None,
    "access_log": False,
}


def test_defaults_are_as_documented() -> None:
    """The command's defaults are those of the settings."""
    settings = settings_of(Options(**USUAL))

    assert (settings.statistics, settings.github) == (Statistics(), GitHubOptions())


def test_options_of_the_statistics_and_of_githubs_details() -> None:
    """Each option sets its own setting."""
    given = {
        "statistics_empty": "204",
        "participation": "without",
        "contributors_lag": 7200.0,
        "github": ("legacy-node-ids", "opaque-cursors", "since-stops"),
    }
    settings = settings_of(Options(**USUAL, upstreams=given))

    assert settings.statistics == Statistics(
        empty=EmptyAnswer.NO_CONTENT,
        participation=Participation.WITHOUT_MERGES,
        contributors_lag=timedelta(hours=2),
    )
    assert settings.github == GitHubOptions(node_ids=NodeIds.LEGACY, opaque_cursors=True, since_stops=True)


@pytest.mark.parametrize(
    ("given", "message"), [({"participation": "maybe"}, "with, without, wrong"), ({"github": ("x",)}, "since-stops")]
)
def test_a_wrong_value_names_those_that_there_are(given: dict[str, Any], message: str) -> None:
    """The error is one line with the expected values."""
    with pytest.raises(CannotLaunchError, match=message):
        settings_of(Options(**USUAL, upstreams=given))

"""Lists of contributors that are longer than a repository's usual ones, or never end."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from fetcher.http.messages import Answer, Request
from fetcher.simulator.changes import Push, push
from fetcher.upstreams.github.details import MAX_PAGES
from tests.component.refresh.conftest import Harness
from tests.component.refresh.truth import CONTRIBUTORS, FIRST_PASS, first_pass
from tests.harness.fakes import answer

PEOPLE = 100_000
PAGE = 100


class LongList:
    """A list of ``PEOPLE`` contributors, which GitHub itself would cut at 500, and the number of its pages served."""

    def __init__(self) -> None:
        self.served = 0

    def __call__(self, request: Request) -> Answer | None:
        if request.route != "contributors":
            return None
        self.served += 1
        return _page(request)


def _page(request: Request) -> Answer:
    number = int(parse_qs(urlsplit(request.url).query).get("page", ["1"])[0])
    first = (number - 1) * PAGE
    people = [{"login": f"p{first + n}", "type": "User", "contributions": PEOPLE - first - n} for n in range(PAGE)]
    link = f'<{request.url.partition("?")[0]}?page={number + 1}>; rel="next"'
    return answer(people, headers={"link": link} if first + PAGE < PEOPLE else None)


async def test_a_hundred_thousand_contributors_are_too_many(harness: Harness) -> None:
    """Requests end at the limit, the package counts as fetched, and the list is not requested for each push."""
    harness.make("alpha")
    harness.add("alpha")
    harness.transport.interfere = served = LongList()
    await harness.work()
    assert harness.requests() == {name: number for name, number in FIRST_PASS.items() if name != "contributors"}
    assert served.served == MAX_PAGES
    state = harness.state("alpha", CONTRIBUTORS)
    assert (state.outcome, state.failures) == ("blocked", 0)
    assert f"more than {MAX_PAGES} pages" in (state.message or "")
    assert harness.get("alpha").observed.last_fetched == harness.clock.now()
    harness.tomorrow()
    push(harness.world, "octo/alpha", Push(login="newcomer"))
    await harness.work()
    assert served.served == MAX_PAGES


async def test_known_contributors_outlive_an_endless_list(harness: Harness) -> None:
    """A list that becomes endless later replaces no contributor."""
    await first_pass(harness, "alpha")
    before = harness.get("alpha").observed.participants
    assert before
    harness.transport.interfere = served = LongList()
    harness.tomorrow(45)
    await harness.work()
    assert served.served == MAX_PAGES
    assert harness.get("alpha").observed.participants == before

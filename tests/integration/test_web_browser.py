"""The pages in a browser: forms, keyboard, contrast and layout, in light and dark, wide and narrow."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from fetcher.simulator.catalogue import seeds
from fetcher.simulator.server import Simulator
from tests.harness.browser import Browser, browser, browser_here
from tests.harness.processes import wait_until
from tests.harness.web import PACKAGE, TOKEN, Web, web

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]  # the first test may have to install the browser

PATHS = ("/", "/packages", f"/packages/{PACKAGE}", "/packages/django-organizations", "/failures", "/login", "/nothing")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, redis_server: str) -> Iterator[Web]:
    """Start one web process, and a worker for requested refreshes."""
    browser_here()
    folder = tmp_path_factory.mktemp("web")
    with Simulator(seeds()) as simulator, web(folder, simulator, redis_server) as running:
        running.stack.worker("manual", "manual", 1)
        yield running


@pytest.fixture(scope="module")
def window(served: Web, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile"), str(served.client.base_url)) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _reset(window: Browser) -> None:
    """Begin each test logged out, in a wide light window."""
    window.driver.delete_all_cookies()
    window.show(width=1200)
    window.complaints()


def _log_in(window: Browser, package: str = PACKAGE) -> None:
    window.open(f"/packages/{package}")
    window.click("Log in to refresh")
    window.type("Operator token", TOKEN + Keys.ENTER)
    window.see("Refresh now")


def test_refresh_and_see_the_changes(served: Web, window: Browser) -> None:
    """After log-in and one click, the page shows the change and the new value by itself."""
    served.act("set", stars=9_876)
    _log_in(window)
    window.click("Refresh now")
    window.see("repo_watchers 144 → 9876")
    assert "9876" in window.driver.find_element(By.ID, "values").text
    assert window.complaints() == []


def test_without_a_script(served: Web, window: Browser) -> None:
    """Without JavaScript the page reloads until the refresh is done."""
    window.command("Emulation.setScriptExecutionDisabled", value=True)
    try:
        served.act("set", "codingjoe/django-vies", forks=6_543)
        _log_in(window, "django-vies")
        window.click("Refresh now")
        window.see("repo_forks 30 → 6543")
        assert "6543" in window.driver.find_element(By.ID, "values").text
    finally:
        window.command("Emulation.setScriptExecutionDisabled", value=False)


def test_by_keyboard(window: Browser) -> None:
    """The first Tab reaches the skip link, Enter sends the search, and a result opens."""
    window.open("/packages")
    window.driver.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    assert window.driver.switch_to.active_element.text == "Skip to content"
    window.type("Search", "lessc" + Keys.ENTER)
    window.see("1 to 1 of 1")
    window.driver.find_element(By.LINK_TEXT, PACKAGE).send_keys(Keys.ENTER)
    window.see("Values")


def test_a_server_that_does_not_respond(window: Browser) -> None:
    """A banner states the time of the figures while requests fail, and disappears with the next response."""
    window.open("/")
    banner = window.driver.find_element(By.ID, "offline")
    shown = window.driver.find_element(By.CSS_SELECTOR, "#as-of time").text
    assert not banner.is_displayed()
    window.command("Network.enable")
    lost = {"latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    try:
        window.command("Network.emulateNetworkConditions", offline=True, **lost)
        window.see(f"The server does not respond. This page shows its figures as of {shown}.")
    finally:
        window.command("Network.emulateNetworkConditions", offline=False, **{**lost, "downloadThroughput": -1})
    window.driver.execute_async_script("reload().then(arguments[0])")
    assert not banner.is_displayed()
    window.complaints()


def test_a_server_that_has_stopped(served: Web, window: Browser) -> None:
    """The figures' age grows while the server is suspended, then a banner states their time; both end with it."""
    window.open("/")
    shown = window.driver.find_element(By.CSS_SELECTOR, "#as-of time").text
    (server,) = (child for child in served.stack.children if child.name == "web")
    server.signal(signal.SIGSTOP)
    try:
        window.see(f"As of {shown}, 2 s ago")
        window.see(f"The server does not respond. This page shows its figures as of {shown}.")
        assert re.search(rf"As of {shown}, \d+ s ago", window.driver.find_element(By.ID, "as-of").text)
    finally:
        server.signal(signal.SIGCONT)
    wait_until(lambda: not window.driver.find_element(By.ID, "offline").is_displayed(), "the banner disappears")
    assert window.driver.find_element(By.CSS_SELECTOR, "#as-of time").text != shown


def test_sort_on_a_phone(window: Browser) -> None:
    """A phone has no column headings; a field of the form sorts instead."""
    window.show(width=390)
    window.open("/packages")
    field = window.driver.find_element(By.NAME, "sort")
    assert field.is_displayed()
    Select(field).select_by_visible_text("most stars")
    window.click("Show")
    window.see("1 to 5 of 5")
    assert "sort=-repo_watchers" in window.driver.current_url
    window.show(width=1200)
    assert not window.driver.find_element(By.NAME, "sort").is_displayed()


@pytest.mark.parametrize(("width", "dark"), [(1200, False), (1200, True), (360, False), (360, True)])
def test_readable(window: Browser, width: int, dark: bool) -> None:  # noqa: FBT001  (a case of the test)
    """Contrast suffices, no page overflows, and none violates the security policy, logged in or not."""
    window.show(width=width, dark=dark)
    for logged_in in (False, True):
        if logged_in:
            _log_in(window)
        for path in PATHS:
            window.open(path)
            assert window.pale() == [], path
            assert not window.overflows(width), path
    assert [one for one in window.complaints() if "404" not in one] == []

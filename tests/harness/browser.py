"""A real browser for tests: chromium, driven by selenium. On Debian, as root, it is installed where it is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from tests.harness.debian import programs

PATIENCE = 120.0
_NAMES = (("chromium", "chromium-browser", "google-chrome"), ("chromedriver",))

CONTRAST = (Path(__file__).parent / "contrast.js").read_text("utf-8")


def browser_here() -> tuple[str, str]:
    """Return the browser and its driver."""
    binary, driver = programs(("chromium", "chromium-driver"), *_NAMES)
    return binary, driver


@dataclass(frozen=True, slots=True)
class Browser:
    """One window, with short methods for common test steps."""

    driver: Chrome
    root: str

    def open(self, path: str) -> None:
        self.driver.get(self.root + path.lstrip("/"))

    def click(self, text: str) -> None:
        """Click the button or link with the label ``text``."""
        where = f"//button[normalize-space()='{text}'] | //a[normalize-space()='{text}']"
        self.driver.find_element(By.XPATH, where).click()

    def type(self, field: str, text: str) -> None:
        """Type into the field whose label begins with ``field``."""
        label = self.driver.find_element(By.XPATH, f'//label[starts-with(normalize-space(), "{field}")]')
        name = label.get_attribute("for")
        target = self.driver.find_element(By.ID, name) if name else label.find_element(By.TAG_NAME, "input")
        target.send_keys(text)

    def see(self, text: str) -> None:
        """Wait until the page contains ``text``, be it the current page or the next one.

        The driver raises errors of several kinds while a page replaces another one. Then the page is read again.
        """
        WebDriverWait(self.driver, PATIENCE, 0.05, [WebDriverException]).until(
            lambda driver: text in driver.find_element(By.TAG_NAME, "body").text, f"{text!r} is not seen"
        )

    def show(self, *, width: int, dark: bool = False) -> None:
        """Set the window's width, and its colour scheme."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", features=[scheme])
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        self.command("Emulation.setDeviceMetricsOverride", **metrics)

    def command(self, name: str, **arguments: Any) -> None:
        self.driver.execute_cdp_cmd(name, arguments)

    def complaints(self) -> list[str]:
        """Return the browser's errors and warnings: also scripts, styles and addresses that the policy forbids."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]

    def pale(self) -> list[str]:
        """Return texts with less contrast than WCAG's level AA requires."""
        found: list[str] = self.driver.execute_script(CONTRAST)
        return found

    def overflows(self, width: int) -> bool:
        """Return True if the page is wider than the requested window; a phone's window would grow with it."""
        return bool(self.driver.execute_script("return document.documentElement.scrollWidth > arguments[0]", width))


@contextmanager
def browser(folder: Path, root: str) -> Iterator[Browser]:
    """Open a browser with an empty profile."""
    binary, driver = browser_here()
    options = ChromeOptions()
    options.binary_location = binary
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run"):
        options.add_argument(argument)
    options.add_argument(f"--user-data-dir={folder}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    running = Chrome(options=options, service=ChromeService(driver))
    try:
        running.set_page_load_timeout(PATIENCE)
        yield Browser(running, root)
    finally:
        running.quit()

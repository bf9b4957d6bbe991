"""Debian's Chromium, driven as a person would use it. Loopback pages and files only; its own services are switched off."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from waiting import wait_for

_CHROMIUM, _DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
_STALE_S = 15.0
_SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,1200",
)


class Browser:
    """One window.

    Args:
        driver: Its driver.
        pictures: Where its pictures go.
    """

    def __init__(self, driver: webdriver.Chrome, pictures: Path):
        self._driver = driver
        self._pictures = pictures

    def open(self, url: str, *told: str) -> str:
        """Open a page, and again every few seconds, until it tells all of this; everything it tells then.

        Dagster's page keeps what it knew of a partition for a while after a run has ended.
        """
        opened_s = float("-inf")

        def text() -> str | None:
            nonlocal opened_s
            if time.monotonic() - opened_s > _STALE_S:
                self._driver.get(url)
                opened_s = time.monotonic()
            shown = self._driver.find_element(By.TAG_NAME, "body").text
            return shown if all(each in shown for each in told) else None

        return wait_for(f"{url} shows {told}", text)

    def click(self, text: str) -> None:
        """Click on the first thing that says exactly this."""
        [*found] = self._driver.find_elements(By.XPATH, f"//*[normalize-space(text())={text!r}]")
        assert found, f"nothing says {text}"
        found[0].click()

    def wait_for_picture(self) -> tuple[int, int]:
        """The size in pixels of the first picture that the page itself carries, once it is drawn."""

        def drawn() -> WebElement | None:
            found = self._driver.find_elements(By.CSS_SELECTOR, "img[src^='data:image/png']")
            return found[0] if found and self._measure(found[0])[0] else None

        return self._measure(wait_for("a picture in the page", drawn))

    def set_width(self, width_px: int) -> None:
        """Make the window as wide as a phone's, or any other."""
        size = {"width": width_px, "height": 844, "deviceScaleFactor": 1, "mobile": True}
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def overflow_px(self) -> int:
        """How much wider the page is than the window, in pixels."""
        told = self._driver.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
        return max(int(told), 0)

    def requested_urls(self) -> list[str]:
        """What the page has loaded beside itself."""
        listed = "return performance.getEntriesByType('resource').map(each => each.name)"
        return [str(url) for url in self._driver.execute_script(listed)]

    def take_picture(self, name: str) -> None:
        """Keep what the window shows, for people."""
        self._driver.save_screenshot(str(self._pictures / f"{name}.png"))

    def _measure(self, picture: WebElement) -> tuple[int, int]:
        width, height = self._driver.execute_script(
            "return [arguments[0].naturalWidth, arguments[0].naturalHeight]", picture
        )
        return int(width), int(height)


@contextmanager
def open_browser(folder: Path) -> Iterator[Browser]:
    """Start a browser; it is ended whatever happens. Skips the test where there is none, but never in CI.

    Args:
        folder: Where its profile and its pictures go.
    """
    if not (_CHROMIUM.exists() and _DRIVER.exists()):
        assert not os.environ.get("CI"), "CI installs chromium and chromium-driver, and they are not there"
        pytest.skip("needs Debian's packages chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = str(_CHROMIUM)
    for switch in (*_SWITCHES, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(switch)
    driver = webdriver.Chrome(options, webdriver.ChromeService(str(_DRIVER)))
    try:
        yield Browser(driver, folder)
    finally:
        driver.quit()

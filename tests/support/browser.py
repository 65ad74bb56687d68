"""Debian's Chromium without a window, driven by selenium: a page opened from its file, and what it does recorded."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from mirror import PATIENCE
from ports import free_ports
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
needs_browser = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="chromium or chromedriver is not installed (Debian: chromium, chromium-driver)"
)


class Browser:
    """One browser with one page at a time."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(self, file: Path) -> None:
        """Open a page from its file, with the logs empty."""
        self.driver.get("about:blank")
        self.errors()
        self.requests()
        self.driver.get(file.as_uri())

    def errors(self) -> list[str]:
        """What the browser had to complain about since it was last called: faults of scripts, refused requests."""
        return [str(entry["message"]) for entry in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]

    def requests(self) -> list[str]:
        """The URLs that were requested since it was last called."""
        entries = self.driver.get_log("performance")  # type: ignore[no-untyped-call]
        messages = [json.loads(entry["message"])["message"] for entry in entries]
        return [
            str(message["params"]["request"]["url"])
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]

    def all(self, selector: str) -> list[WebElement]:
        """All elements of a CSS selector."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def shown(self, selector: str) -> list[str]:
        """The texts of those that are seen, all in one request: there may be hundreds."""
        found: list[str] = self.run(
            "return [...document.querySelectorAll(arguments[0])]"
            ".filter((one) => one.offsetParent).map((one) => one.innerText.trim())",
            selector,
        )
        return found

    def one(self, selector: str) -> WebElement:
        """The first element of a CSS selector."""
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def follow(self, link: str) -> None:
        """Click on the link of a CSS selector that leads to a place in the page, which acts on it some time later."""
        self.run("window.arrived = false; addEventListener('hashchange', () => { window.arrived = true; })")
        self.one(link).click()
        WebDriverWait(self.driver, PATIENCE, 0.01).until(lambda _: self.run("return window.arrived"))

    def run(self, script: str, *arguments: Any) -> Any:
        """The value of a script that runs in the page."""
        return self.driver.execute_script(script, *arguments)

    def color(self, selector: str, what: str = "backgroundColor") -> str:
        """A color of an element as it is computed."""
        found: str = self.run(
            "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]", selector, what
        )
        return found

    def violations(self, axe: str) -> list[str]:
        """What axe-core, whose script this is, finds wrong with the page as it stands, of any impact."""
        self.driver.set_script_timeout(300)
        self.run(axe)
        found = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1]; axe.run(document).then((found) => done(found.violations));"
        )
        return [f"{one['impact']} {one['id']}: {[each['html'][:90] for each in one['nodes'][:3]]}" for one in found]

    def emulate(self, media: str = "", **features: str) -> None:
        """Let media features of CSS have these values: ``prefers_color_scheme="dark"``. ``media`` may be print."""
        values = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": values})

    def resize(self, width: int, height: int = 1000) -> None:
        """Let the page have this size, in its own pixels; 0 is that of the window."""
        size = {"width": width, "height": height if width else 0, "deviceScaleFactor": 0, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def print_to_pdf(self) -> bytes:
        """The page as it is printed."""
        return base64.b64decode(self.driver.print_page())


def axe_core(folder: Path) -> str:
    """The script of axe-core, which finds faults of accessibility, from npm's own configured registry.

    The test is skipped where npm does not have it.
    """
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed: axe-core finds faults of accessibility")
    command = [npm, "install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "axe-core"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        pytest.skip(f"npm has no axe-core here: {done.stderr.splitlines()[-1:]}")
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")


@contextmanager
def browsing(profile: Path, *, width: int = 1400, height: int = 1000) -> Iterator[Browser]:
    """A browser with a profile of its own, ended at the end."""
    options = Options()
    options.binary_location = CHROMIUM or ""
    arguments = ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
    arguments += [f"--user-data-dir={profile}", f"--window-size={width},{height}", "--no-first-run"]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")  # Chromium's sandbox is refused to root
    for argument in arguments:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = Service(DRIVER, port=free_ports(1)[0], log_output=str(profile.parent / "chromedriver.log"))
    driver = webdriver.Chrome(options=options, service=service)
    try:
        yield Browser(driver)
    finally:
        driver.quit()

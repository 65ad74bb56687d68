"""The pages of nova-compute, of its results, of two plans and of an audit, as the commands write them from the
embedded snapshots.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from htmlpages import check_whole
from pageresults import printed_results
from program import Program

from ppcdeps.model.plan_file import load_plan

if TYPE_CHECKING:
    from browser import Browser

TABLES = {
    "nova-compute.html": "gap-table",
    "results.html": "gap-table",
    "changed.html": "gaps-table",
    "audit.html": "package-table",
    "el10.html": "gap-table",
}
"""The pages, and of each the table that is searched."""
MOST = 1_500_000
"""In bytes: what a browser has open at once, and a mail takes."""
PIP = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, warm_cache: Path) -> Path:
    """A folder with a page of each kind."""
    folder = tmp_path_factory.mktemp("pages")
    program = Program(folder, PIP)
    shutil.copytree(warm_cache, program.cache)
    program("plan", "nova-compute", "-o", "pip.json", "--html", "nova-compute.html", code=1)
    program("plan", "nova-compute", "--python", "rpm", "--enablerepo", "epel", "-o", "epel.json", code=1)
    program("report", "pip.json", "epel.json", "-o", "changed.html")
    build, verify = printed_results(load_plan(folder / "pip.json"))
    (folder / "build.json").write_text(build, "utf-8")
    (folder / "verify.json").write_text(verify, "utf-8")
    program("report", "pip.json", "--build", "build.json", "--verify", "verify.json", "-o", "results.html")
    el10 = ("--python", "rpm", "--target", "centos-stream-10", "--html", "el10.html", "--no-output")
    program("plan", "nova-compute", *el10, code=1)
    program("audit", "--target", "centos-stream-10", "--html", "audit.html", code=1)
    return folder


@pytest.mark.parametrize("name", TABLES)
def test_a_page_is_whole_requests_nothing_and_is_small(pages: Path, name: str) -> None:
    text = (pages / name).read_text("utf-8")
    check_whole(text)
    assert len(text.encode()) < MOST


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Browser]":
    pytest.importorskip("selenium", reason="selenium is not installed")
    from browser import CHROMIUM, DRIVER, browsing

    if not (CHROMIUM and DRIVER):
        pytest.skip("chromium or chromedriver is not installed (Debian: chromium, chromium-driver)")
    with browsing(tmp_path_factory.mktemp("chromium") / "profile") as opened:
        yield opened


@pytest.mark.parametrize(("name", "table"), TABLES.items())
def test_a_browser_shows_each_without_a_request_or_an_error(
    pages: Path, browser: "Browser", name: str, table: str
) -> None:
    file, buttons = pages / name, f"#{table} button.open"
    browser.open(file)
    shown = browser.shown(buttons)
    browser.one(f"input[data-filters={table}]").send_keys(shown[-1])
    found = browser.shown(buttons)
    assert shown[-1] in found
    assert len(found) < len(shown)
    for width in (1600, 900, 360):
        browser.resize(width)
        assert browser.run("return document.documentElement.scrollWidth <= innerWidth"), f"too wide for {width}"
    browser.resize(0)
    assert browser.errors() == []
    assert browser.requests() == [file.as_uri()]


OPEN = """
document.querySelectorAll("table").forEach((table) =>
  [...table.querySelectorAll("button.open")].slice(0, 8).forEach((one) => one.click()));
document.querySelectorAll(".is-open details, #verify details, .words").forEach((one) => { one.open = true; });
const node = document.querySelector(".node");
if (node) node.dispatchEvent(new MouseEvent("click", { bubbles: true }));
"""
"""Opens eight rows of each table with all that they fold away, and chooses a box of the graph."""
QUICK = [("results.html", "dark", 1400), ("audit.html", "light", 400)]
REST = [(name, scheme, width) for name in TABLES for scheme in ("light", "dark") for width in (1400, 900, 400)]


@pytest.mark.parametrize(
    ("name", "scheme", "width"),
    [*QUICK, *(pytest.param(*each, marks=pytest.mark.long) for each in REST if each not in QUICK)],
)
def test_axe_finds_nothing_on_a_full_page(
    pages: Path, browser: "Browser", tmp_path_factory: pytest.TempPathFactory, name: str, scheme: str, width: int
) -> None:
    from browser import axe_core

    browser.emulate(prefers_color_scheme=scheme)
    browser.resize(width)
    browser.open(pages / name)
    browser.run(OPEN)
    found = browser.violations(axe_core(tmp_path_factory.mktemp("axe")))
    browser.resize(0)
    browser.emulate()
    assert found == []

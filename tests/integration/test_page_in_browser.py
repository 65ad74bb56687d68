"""Pages in a real browser: nothing is requested or refused, and everything that can be clicked or typed works."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("selenium", reason="selenium is not installed")

from browser import Browser, browsing, needs_browser
from pageplans import PLAN, hostile
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from ppcdeps.report.page.comparison import comparison_view
from ppcdeps.report.page.rendering import render_comparison_page, render_plan_page
from ppcdeps.report.page.view import plan_view

pytestmark = needs_browser
NOW = 1_700_000_000
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsing(tmp_path_factory.mktemp("chromium") / "profile") as browser:
        yield browser


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("pages") / "plan.html"
    file.write_text(render_plan_page(plan_view(PLAN, NOW)), "utf-8")
    return file


@pytest.fixture
def page(browser: Browser, page_file: Path) -> Iterator[Browser]:
    browser.emulate(prefers_color_scheme="light")
    browser.open(page_file)
    yield browser
    assert browser.errors() == []
    assert browser.requests() == [page_file.as_uri()]


def names(page: Browser) -> list[str]:
    """The gaps that are seen, in their order."""
    return page.shown("#gap-table button.open")


def test_gaps_are_sorted_by_a_column_up_and_down(page: Browser) -> None:
    before = names(page)
    head = page.one("#gap-table thead th:first-child button")
    head.click()
    assert names(page) == sorted(before)
    assert page.one("#gap-table thead th:first-child").get_attribute("aria-sort") == "ascending"
    head.click()
    assert names(page) == sorted(before, reverse=True)
    # Holds back, as numbers: app holds back none.
    page.one("#gap-table thead th:nth-child(7) button").click()
    assert names(page)[0] == "app"
    assert page.one("#gap-table thead th:first-child").get_attribute("aria-sort") == "none"


def test_gaps_are_filtered_and_searched(page: Browser) -> None:
    Select(page.one("#gaps select[data-field=route]")).select_by_visible_text("rebuild")
    assert sorted(names(page)) == ["maker", "tool"]
    Select(page.one("#gaps select[data-field=phase]")).select_by_visible_text("build")
    assert names(page) == ["maker"]
    assert page.shown("#gaps output") == ["1 of 8 shown"]
    search = page.one("#gaps input")
    search.send_keys("no such thing")
    assert names(page) == []
    assert page.shown("#gaps .none") == ["No gap is like that."]
    search.clear()
    search.send_keys("EXCLUSIVEARCH")
    for field in ("route", "phase"):
        Select(page.one(f"#gaps select[data-field={field}]")).select_by_visible_text("all")
    assert names(page) == ["tool"]


def test_a_row_opens_by_click_and_by_key(page: Browser) -> None:
    button = next(one for one in page.all("#gap-table button.open") if one.text == "lib")
    assert not page.shown("#gap-table tr.more")
    button.click()
    assert button.get_attribute("aria-expanded") == "true"
    (opened,) = page.shown("#gap-table tr.more")
    assert "lib >= 2" in opened
    assert "ppcdeps build PLAN --only lib" in opened
    button.send_keys(Keys.ENTER)
    assert not page.shown("#gap-table tr.more")
    page.one("[data-open-all]").click()
    assert len(page.shown("#gap-table tr.more")) == 8


def test_the_closure_is_searched_by_who_needs_a_package(page: Browser) -> None:
    page.one("#closure input").send_keys("lib-2-1")
    assert page.shown("#package-table th code") == ["lib-2-1.ppc64le", "there-5-1.ppc64le"]


def test_a_click_in_the_graph_shows_the_chain_and_leads_to_the_row(page: Browser) -> None:
    node = next(one for one in page.all(".node") if "speedups" in str(one.get_attribute("textContent")))
    node.click()
    assert node.get_attribute("aria-pressed") == "true"
    near = {page.run("return arguments[0].querySelector('title').textContent", one) for one in page.all(".node.near")}
    assert near == {"cloud", "app", "web", "speedups"}
    assert "speedups >=1" in page.one("#about").text
    page.one("#about a").click()
    (opened,) = page.shown("#gap-table tr.more")
    assert "speedups" in opened
    # By the keyboard: Enter chooses, Escape ends that.
    node.send_keys(Keys.ENTER)
    assert not page.all(".node.near")
    node.send_keys(Keys.SPACE)
    assert page.all(".node.near")
    node.send_keys(Keys.ESCAPE)
    assert page.one("#about").text == ""


def test_the_graph_zooms_moves_and_fits_again(page: Browser) -> None:
    def box() -> str:
        found: str = page.run("return document.getElementById('drawing').getAttribute('viewBox')")
        return found

    whole = [float(one) for one in box().split()]
    page.one("[aria-label='Zoom in']").click()
    assert float(box().split()[2]) == pytest.approx(whole[2] / 1.25)
    drag = ActionChains(page.driver).move_to_element(page.one("#drawing")).click_and_hold()
    drag.move_by_offset(60, 0).release().perform()
    assert float(box().split()[0]) < whole[0] + (whole[2] - whole[2] / 1.25) / 2
    assert not page.all(".node.near"), "moving chooses nothing"
    page.one("[data-zoom='0']").click()
    assert [float(one) for one in box().split()] == whole


def test_dark_follows_the_system_and_the_button(page: Browser) -> None:
    light = page.color("section")
    page.emulate(prefers_color_scheme="dark")
    dark = page.color("section")
    assert dark != light
    page.one("#theme").click()
    assert page.color("section") == light
    page.one("#theme").click()
    assert page.color("section") == dark


def test_it_is_printed(page: Browser) -> None:
    page.emulate(prefers_color_scheme="dark")
    pdf = page.print_to_pdf()
    assert pdf.startswith(b"%PDF-")
    assert len(pdf) > 20_000


def test_the_keyboard_reaches_everything_in_order(page: Browser) -> None:
    page.one("body").send_keys(Keys.TAB)
    assert page.driver.switch_to.active_element.text == "Skip to the content"
    page.driver.switch_to.active_element.send_keys(Keys.ENTER)
    assert page.run("return document.activeElement.id") == "main"


def test_a_hostile_plan_runs_and_requests_nothing(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "hostile.html"
    file.write_text(render_plan_page(plan_view(hostile(PLAN), NOW, plan_file="p")), "utf-8")
    browser.open(file)
    assert browser.run("return document.scripts.length") == 1
    assert browser.all("img") == []
    browser.one("[data-open-all]").click()
    browser.one(".node").click()
    browser.one("#gaps input").send_keys("alert(1)")
    assert len(names(browser)) == 8
    # An alert would have been an error here.
    assert browser.errors() == []
    assert browser.requests() == [file.as_uri()]


def test_without_script_everything_is_open(browser: Browser, page_file: Path) -> None:
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.open(page_file)
        rows = browser.all("#gap-table tr.more")
        assert len(rows) == 8
        assert all(row.is_displayed() for row in rows)
        assert not browser.one("#theme").is_displayed()
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_two_hostile_plans_are_compared_without_a_request(browser: Browser, tmp_path: Path) -> None:
    plan = hostile(PLAN)
    file = tmp_path / "comparison.html"
    after = replace(plan, gaps=plan.gaps[3:], closure=plan.closure[2:])
    file.write_text(render_comparison_page(comparison_view(plan, after, NOW, names=("a", "b"))), "utf-8")
    browser.open(file)
    assert len(browser.all("#gaps-table tbody.row")) == 3
    browser.one("#gaps-table button.open").click()
    assert browser.shown("#gaps-table tr.more")
    browser.one("#packages input").send_keys("data")
    assert browser.shown("#packages output") == ["1 of 2 shown"]
    assert browser.errors() == []
    assert browser.requests() == [file.as_uri()]


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script of axe-core, from npm's own configured registry."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed: axe-core finds faults of accessibility")
    folder = tmp_path_factory.mktemp("axe")
    done = subprocess.run(
        [npm, "install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "axe-core"],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"npm has no axe-core here: {done.stderr.splitlines()[-1:]}")
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Browser, page_file: Path, axe: str, scheme: str) -> None:
    browser.emulate(prefers_color_scheme=scheme)
    browser.open(page_file)
    browser.one("[data-open-all]").click()
    browser.one(".node").click()
    browser.run(axe)
    found = browser.driver.execute_async_script(
        "const done = arguments[arguments.length - 1]; axe.run(document).then((found) => done(found.violations));"
    )
    serious = [
        f"{one['id']}: {[n['html'][:90] for n in one['nodes']][:3]}" for one in found if one["impact"] in SERIOUS
    ]
    assert serious == [], json.dumps(serious, indent=1)

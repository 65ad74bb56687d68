"""Pages in a real browser: nothing is requested or refused, and everything that can be clicked or typed works."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("selenium", reason="selenium is not installed")

from browser import Browser, axe_core, browsing, needs_browser
from pageaudits import AUDIT
from pageplans import PLAN, hostile
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from ppcdeps.model.commands import command_line
from ppcdeps.report.page.audit import audit_view
from ppcdeps.report.page.comparison import comparison_view
from ppcdeps.report.page.rendering import render_audit_page, render_comparison_page, render_plan_page
from ppcdeps.report.page.view import plan_view

pytestmark = needs_browser
NOW = 1_700_000_000


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
    page.follow("#about a")
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


def test_the_keyboard_moves_and_zooms_the_graph_and_shows_what_it_reaches(page: Browser) -> None:
    def box() -> list[float]:
        found: str = page.run("return document.getElementById('drawing').getAttribute('viewBox')")
        return [float(one) for one in found.split()]

    x, y, width, height = box()
    for _ in range(6):
        page.one("[aria-label='Zoom in']").send_keys(Keys.ENTER)
    # Over the other buttons, and maybe the drawing as such, to the first box, at the left edge.
    for _ in range(4):
        if not page.run("return document.activeElement.classList.contains('node')"):
            page.driver.switch_to.active_element.send_keys(Keys.TAB)
    assert page.run("return document.activeElement.id") == page.one(".node").get_attribute("id")
    left, top, wide, high = box()
    assert wide < width / 3
    place = [float(one) for one in page.run("return document.activeElement.getAttribute('transform')")[10:-1].split()]
    assert left <= place[0] <= left + wide
    assert top <= place[1] <= top + high
    page.driver.switch_to.active_element.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_UP)
    assert box()[:2] == pytest.approx([left + wide / 10, top - high / 10])
    page.driver.switch_to.active_element.send_keys("-")
    assert box()[2] == pytest.approx(wide / 0.8)
    page.one("[data-zoom='0']").click()
    assert box() == [x, y, width, height]


def test_dark_follows_the_system_and_the_button(page: Browser) -> None:
    light = page.color("section")
    page.emulate(prefers_color_scheme="dark")
    dark = page.color("section")
    assert dark != light
    page.one("#theme").click()
    assert page.color("section") == light
    page.one("#theme").click()
    assert page.color("section") == dark


def test_it_is_printed_in_dark_ink_with_what_open_rows_fold_away(page: Browser) -> None:
    page.emulate(prefers_color_scheme="dark")
    next(one for one in page.all("#gap-table button.open") if one.text == "tool").click()
    page.run(
        "addEventListener('beforeprint', () => { window.unfolded = document.querySelectorAll('details[open]'); })"
    )
    pdf = page.print_to_pdf()
    assert pdf.startswith(b"%PDF-")
    assert len(pdf) > 20_000
    assert "What was tried" in page.run("return [...window.unfolded].map((one) => one.textContent).join()")
    assert page.run("return document.querySelectorAll('details[open]').length") == 0, "as before"
    page.emulate("print", prefers_color_scheme="dark")
    assert page.color("section", "color") == "rgb(0, 0, 0)"
    assert "Rows are printed as they are on the screen" in page.one("#gaps").text
    page.emulate()


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
def audit_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("pages") / "audit.html"
    file.write_text(render_audit_page(audit_view(AUDIT, NOW, command=command_line)), "utf-8")
    return file


def test_an_audit_is_sorted_filtered_and_leads_from_sources_to_packages(browser: Browser, audit_file: Path) -> None:
    browser.open(audit_file)
    sources = "#source-table button.open"
    assert browser.shown(sources) == ["tool", "lib", "old"]
    browser.one("#source-table thead th:nth-child(3) button").click()
    assert browser.shown(sources) == ["lib", "old", "tool"], "by what each opens alone"
    Select(browser.one("#sources select[data-field=build]")).select_by_visible_text("cannot be done")
    assert browser.shown(sources) == ["old"]
    # A link to a source that the filter hides shows it, and its row leads on to what it holds back.
    browser.follow("#workloads a")
    (opened,) = browser.shown("#source-table tr.more")
    assert "All that waits for it: 2" in opened
    browser.follow("#source-table .is-open .names a")
    (opened,) = browser.shown("#package-table tr.more")
    assert "would be met by tool-2-1.ppc64le" in opened
    browser.one("#packages input").send_keys("magic")
    assert browser.shown("#package-table button.open") == ["lost-1-1.ppc64le"]
    browser.one("#enabling input").send_keys("libx")
    assert browser.shown("#repository-table button.open") == ["extras"]
    assert browser.errors() == []
    # Where a page goes within itself is not a request of anything else.
    assert {url.partition("#")[0] for url in browser.requests()} == {audit_file.as_uri()}


def test_what_the_keyboard_is_at_can_be_seen(browser: Browser, page_file: Path, audit_file: Path) -> None:
    for file in (page_file, audit_file):
        browser.open(file)
        kinds = set()
        for _ in range(60):
            browser.driver.switch_to.active_element.send_keys(Keys.TAB)
            tag, kind, outline = browser.run(
                "const at = document.activeElement;"
                "return [at.tagName, at.getAttribute('class') || '', getComputedStyle(at).outlineStyle];"
            )
            kinds.add(kind.split()[0] if kind else tag)
            assert tag == "BODY" or outline != "none", (tag, kind)
        assert {"open", "INPUT", "SELECT", "SUMMARY"} <= kinds


def test_a_hostile_audit_runs_and_requests_nothing(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "audit.html"
    file.write_text(render_audit_page(audit_view(hostile(AUDIT), NOW, command=command_line)), "utf-8")
    browser.open(file)
    assert browser.run("return document.scripts.length") == 1
    browser.one("#sources [data-open-all]").click()
    browser.one("#packages input").send_keys("alert(1)")
    assert len(browser.shown("#package-table button.open")) == 6
    assert browser.errors() == []
    assert browser.requests() == [file.as_uri()]


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    return axe_core(tmp_path_factory.mktemp("axe"))


@pytest.mark.parametrize(("scheme", "width"), [("light", 0), ("dark", 0), ("light", 500)])
@pytest.mark.parametrize("which", ["plan", "audit"])
def test_axe_finds_nothing(
    browser: Browser, page_file: Path, audit_file: Path, axe: str, which: str, scheme: str, width: int
) -> None:
    browser.emulate(prefers_color_scheme=scheme)
    browser.resize(width)
    browser.open(page_file if which == "plan" else audit_file)
    browser.run("document.querySelectorAll('button.open').forEach((one) => one.click())")
    if which == "plan":
        browser.one(".node").click()
    found = browser.violations(axe)
    browser.resize(0)
    assert found == []

"""The scoreboard by keyboard, on a phone, in both themes and with many results; the badges' widths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.keys import Keys

from isomorph.conformance.report import badge, write

Browser = Any
FAILED = "layers.conv2d.shapes"


@pytest.fixture
def shown(browser: Browser, page: Path) -> Browser:
    browser.open(page)
    return browser


def test_page_of_3500_results_renders_few(browser: Browser, large_page: Path) -> None:
    browser.open(large_page)
    assert browser.one("#found").text == "3,520 results of 3,520"
    assert browser.run("return document.querySelectorAll('*').length") < 3000


def test_search_in_3500_results_is_fluid(browser: Browser, large_page: Path) -> None:
    browser.open(large_page)
    taken = browser.run("""
        const search = document.getElementById("search"), start = performance.now();
        for (const text of ["c", "co", "conv", ""]) {
          search.value = text;
          search.dispatchEvent(new Event("input", { bubbles: true }));
          document.body.offsetHeight;
        }
        return (performance.now() - start) / 4;""")
    assert taken < 200


def test_more_results_come_on_demand(browser: Browser, large_page: Path) -> None:
    browser.open(large_page)
    more = browser.one("#results + .more")
    assert more.text == "Show 100 of 3,420 more"
    more.click()
    assert len(browser.all("#results .case")) == 200
    assert browser.driver.switch_to.active_element == browser.all("#results .case")[100]


def test_case_opens_by_keyboard_alone(shown: Browser) -> None:
    shown.press(Keys.TAB)
    assert shown.driver.switch_to.active_element.text == "Skip to the cases"
    shown.press(Keys.ENTER, Keys.TAB)
    assert shown.driver.switch_to.active_element == shown.one("#search")
    while "case" not in (shown.driver.switch_to.active_element.get_attribute("class") or ""):
        shown.press(Keys.TAB)
    shown.press(Keys.ENTER)
    shown.wait_until(open=True)
    assert shown.driver.switch_to.active_element == shown.one("#detail-title")


def test_focus_is_visible_wherever_the_keyboard_goes(shown: Browser) -> None:
    seen = set()
    for _ in range(40):
        shown.press(Keys.TAB)
        style = shown.run("""
            const active = document.activeElement;
            const holder = active.closest("#statuses label") || active;
            return [active.tagName, getComputedStyle(holder).outlineStyle];""")
        seen.add(tuple(style))
    assert {tag for tag, _ in seen} >= {"A", "BUTTON", "SUMMARY", "INPUT"}
    assert {outline for _, outline in seen} == {"solid"}


@pytest.mark.parametrize("address", ["", f"#torch/{FAILED}", "#torch/layers/conv2d"])
def test_every_control_has_a_name(address: str, browser: Browser, page: Path) -> None:
    browser.open(page, address)
    # What stands under an open dialog is inert, and so has no name.
    inside = "dialog " if address else ""
    kinds = ("a", "button", "input", "select", "summary", "[role=region]", "[role=search]", "pre")
    controls = browser.all(", ".join(inside + kind for kind in kinds))
    assert len(controls) >= 5
    assert [control.get_attribute("outerHTML") for control in controls if not control.accessible_name] == []


@pytest.mark.parametrize("address", ["", f"#torch/{FAILED}", "#torch/layers/conv2d"])
def test_phone_never_scrolls_sideways(address: str, browser: Browser, page: Path) -> None:
    browser.open(page, address, width=360)
    widths = browser.run("""
        const detail = document.getElementById("detail");
        return [document.documentElement.scrollWidth, detail.open ? detail.scrollWidth : 0];""")
    assert max(widths) <= 360


def test_phone_scrolls_the_matrix_in_its_box(browser: Browser, page: Path) -> None:
    browser.open(page, width=360)
    box = browser.run("const box = document.querySelector('.box'); return [box.scrollWidth, box.clientWidth]")
    assert box[0] > box[1]
    assert browser.one(".box").get_property("tabIndex") == 0


LONG = """
    const table = document.getElementById("matrix");
    for (let count = 0; count < 9; count++) table.append(table.tBodies[1].cloneNode(true));
"""


@pytest.mark.parametrize("width", [360, 1280])
def test_page_is_as_long_as_the_matrix(width: int, browser: Browser, page: Path) -> None:
    browser.open(page, width=width)
    browser.run(LONG)
    box = browser.run(
        "const box = document.querySelector('.box'); return [box.scrollHeight, box.clientHeight]"
    )
    assert box[0] == box[1] > 2000


def test_matrix_header_sticks_where_the_matrix_fits(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.run(LONG)
    browser.wait("document.querySelector('.box.fits')")
    top = browser.run("""
        document.getElementById("matrix").scrollIntoView({block: "end"});
        return document.querySelector("thead th").getBoundingClientRect().top""")
    assert top == 0


def test_one_backend_uses_the_room(browser: Browser, report: Any, manifest: Any, tmp_path: Path) -> None:
    write(report | {"backends": report["backends"][:1]}, manifest, tmp_path)
    browser.open(tmp_path / "scoreboard.html")
    script = "return arguments[0].map((span) => span.getBoundingClientRect().top)"
    tops = browser.run(script, browser.all(".score span"))
    assert len(tops) == 5
    assert len(set(tops)) == 1


@pytest.mark.parametrize("width", [360, 390, 1280])
@pytest.mark.parametrize("word", ["expected", "received"])
def test_failure_shows(word: str, width: int, browser: Browser, page: Path) -> None:
    browser.open(page, width=width)
    hidden = browser.run(
        """
        const word = arguments[0], row = document.querySelector(`#failures [href$="${arguments[1]}"]`);
        const texts = document.createTreeWalker(row, NodeFilter.SHOW_TEXT), range = new Range();
        while (!texts.nextNode().data.includes(word));
        const start = texts.currentNode.data.indexOf(word);
        range.setStart(texts.currentNode, start);
        range.setEnd(texts.currentNode, start + word.length);
        const line = texts.currentNode.parentElement.closest(".line");
        return range.getBoundingClientRect().bottom - line.getBoundingClientRect().bottom""",
        word,
        FAILED,
    )
    assert hidden <= 0


@pytest.mark.parametrize("width", [340, 360, 375, 390, 412])
@pytest.mark.parametrize(
    ("address", "selector"),
    [("", "header .wide:last-child code"), (f"#torch/{FAILED}", "[aria-label='Run this case again']")],
)
def test_commands_break_between_words(
    address: str, selector: str, width: int, browser: Browser, page: Path
) -> None:
    browser.open(page, address, width=width)
    words = browser.run(
        """
        const texts = document.createTreeWalker(document.querySelector(arguments[0]), NodeFilter.SHOW_TEXT);
        const range = new Range(), found = [];
        while (texts.nextNode())
          for (const word of texts.currentNode.data.matchAll(/\\S+/g)) {
            range.setStart(texts.currentNode, word.index);
            range.setEnd(texts.currentNode, word.index + word[0].length);
            found.push([word[0], new Set([...range.getClientRects()].map((box) => box.top)).size]);
          }
        return found""",
        selector,
    )
    assert len(words) >= 7
    assert [word for word, lines in words if lines > 1] == []


@pytest.mark.parametrize("phone", [False, True])
@pytest.mark.parametrize("width", [390, 1280])
def test_panel_reaches_the_edge(width: int, phone: bool, browser: Browser, page: Path) -> None:
    browser.open(page, width=width, phone=phone)
    title = "return document.querySelector('h1').getBoundingClientRect().width"
    before = browser.run(title)
    browser.run("location.hash = arguments[0]", f"#torch/{FAILED}")
    browser.wait_until(open=True)
    right = browser.run("return document.getElementById('detail').getBoundingClientRect().right - innerWidth")
    assert right == 0
    assert browser.run(title) == before


LUMINANCE = """
    const linear = (value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    const luminance = (color) => {
      const [r, g, b] = color.match(/[\\d.]+/g).map((value) => linear(value / 255));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (node) => {
      const color = getComputedStyle(node).backgroundColor;
      return color === "rgba(0, 0, 0, 0)" ? ground(node.parentElement) : color;
    };
    return [...document.querySelectorAll("body *")].filter((node) => node.checkVisibility() &&
        [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim()))
      .map((node) => {
        const pair = [luminance(getComputedStyle(node).color), luminance(ground(node))].sort((a, b) => b - a);
        return [(pair[0] + 0.05) / (pair[1] + 0.05), node.outerHTML.slice(0, 120)];
      });
"""


@pytest.mark.parametrize("address", ["", f"#torch/{FAILED}"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_has_contrast(theme: str, address: str, browser: Browser, page: Path) -> None:
    browser.open(page, address, theme=theme)
    found = browser.run(LUMINANCE)
    assert len(found) > 200
    assert [item for item in found if item[0] < 4.5] == []


def is_dark(browser: Browser) -> bool:
    ground = browser.run("return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    return sum(ground) < 384


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_theme_follows_the_system_then_the_button(theme: str, browser: Browser, page: Path) -> None:
    browser.open(page, theme=theme)
    assert is_dark(browser) == (theme == "dark")
    browser.one("#theme").click()
    assert is_dark(browser) != (theme == "dark")
    browser.driver.refresh()
    assert is_dark(browser) != (theme == "dark")
    browser.run("localStorage.clear()")


@pytest.mark.parametrize("name", ["numpy", "torch", "tensorflow", "mxnet"])
def test_badge_text_fits_its_box(name: str, browser: Browser, report: Any, tmp_path: Path) -> None:
    (backend,) = (item for item in report["backends"] if item["name"] == name)
    path = tmp_path / "badge.svg"
    path.write_text(badge.render(report, backend), encoding="utf-8")
    browser.open(path)
    boxes = browser.run("""
        return [...document.querySelectorAll("rect")].map((rect, index) => {
          const text = document.querySelectorAll("text")[index], box = text.getBBox();
          text.removeAttribute("textLength");
          const left = box.x - rect.x.baseVal.value;
          const right = rect.width.baseVal.value - left - box.width;
          return {left, right, natural: text.getBBox().width / box.width};
        });""")
    for box in boxes:
        assert box["left"] >= 5
        assert box["right"] >= 5
        assert 0.85 < box["natural"] < 1.15

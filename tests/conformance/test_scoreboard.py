"""The scoreboard in a real browser: what it shows, and where clicks, addresses and filters lead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from isomorph.conformance.report import write

Browser = Any
FAILED = "layers.conv2d.shapes"


@pytest.fixture
def shown(browser: Browser, page: Path) -> Browser:
    browser.open(page)
    return browser


def cell(feature: str, column: int) -> str:
    return f"//tbody/tr[th='{feature}']/td[{column}]"


@pytest.mark.parametrize("address", ["", f"#torch/{FAILED}", "#torch/layers/conv2d"])
def test_page_loads_nothing_and_logs_nothing(address: str, browser: Browser, page: Path) -> None:
    browser.driver.get_log("browser")
    browser.open(page, address)
    assert browser.run("return performance.getEntriesByType('resource').map((entry) => entry.name)") == []
    assert browser.driver.get_log("browser") == []


def test_header_names_the_run(shown: Browser, report: Any) -> None:
    text = shown.one("header").text
    facts = (report[name] for name in ("suite", "manifest", "isomorph", "python", "platform", "command"))
    for fact in ("Does not conform", *report["verdict"]["why"], *facts):
        assert fact in text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("numpy", "core 24/24 layers 23/23 train 8/8 extras 8/8 xfail 0"),
        ("torch", "core 21/24 layers 18/23 train 7/8 extras 4/4 xfail 1"),
        ("torch", "executed 62 of 63"),
        ("torch", "expectation layers.x.y: no case has this id"),
        ("tensorflow", "ImportError: <lib> & so"),
        ("mxnet", 'pip install "isomorph[mxnet]"'),
    ],
)
def test_backend_says(name: str, words: str, shown: Browser) -> None:
    (text,) = (item.text for item in shown.all("li.backend") if item.text.startswith(name))
    assert words in " ".join(text.split())


@pytest.mark.parametrize("address", ["", f"#torch/{FAILED}"])
def test_text_of_a_report_never_becomes_markup(address: str, browser: Browser, page: Path) -> None:
    browser.open(page, address)
    assert browser.driver.title == "Does not conform · Isomorph conformance 2026.11"
    assert browser.run("return document.querySelectorAll('img, script:not(#data)').length") == 1


@pytest.mark.parametrize(
    ("feature", "column", "text"),
    [("dense", 1, "4/4"), ("conv2d", 2, "1/4 · 1 fail · 2 blocked"), ("device", 4, "no (probed)")],
)
def test_matrix_cell(feature: str, column: int, text: str, shown: Browser) -> None:
    assert shown.driver.find_element(By.XPATH, cell(feature, column)).text == text


def test_expected_failures_are_explained(shown: Browser) -> None:
    assert shown.driver.find_element(By.XPATH, cell("layers", 4)).text == "22/23, 1 expected to fail"
    assert "2 expected to fail: known failures" in shown.one(".box + .note").text


def test_cell_opens_its_cases(shown: Browser) -> None:
    shown.driver.find_element(By.XPATH, cell("conv2d", 2) + "/a").click()
    assert shown.hash == "#torch/layers/conv2d"
    shown.wait_for("#detail-title", "conv2d on torch")
    assert shown.texts("dialog .id")[0] == FAILED
    assert len(shown.all("dialog .case")) == 4


def test_case_opens_from_its_cell_and_leads_back(shown: Browser) -> None:
    shown.driver.find_element(By.XPATH, cell("conv2d", 2) + "/a").click()
    shown.wait_for("#detail-title", "conv2d on torch")
    shown.one("dialog .case").click()
    assert shown.hash == f"#torch/{FAILED}"
    shown.wait_for("#detail-title", FAILED)
    shown.one("#detail-back a").click()
    shown.wait_for("#detail-title", "conv2d on torch")


@pytest.mark.parametrize("name", ["expected", "received", "command", "script"])
def test_case_shows(name: str, browser: Browser, page: Path, report: Any) -> None:
    browser.open(page, f"#torch/{FAILED}")
    (result,) = (item for item in report["backends"][1]["results"] if item["id"] == FAILED)
    assert " ".join(result[name].split()) in " ".join(browser.one("dialog").text.split())


@pytest.mark.parametrize(
    ("heading", "text"),
    [
        ("Clause L-2", "Padding is symmetric: kernel // 2 a side."),
        ("Log", "call: node 399 float32"),
        ("Standard error", "UserWarning:  control characters  and <b>markup</b>"),
    ],
)
def test_case_shows_under(heading: str, text: str, browser: Browser, page: Path) -> None:
    browser.open(page, f"#torch/{FAILED}")
    found = browser.driver.find_element(
        By.XPATH, f"//dialog//h3[starts-with(., '{heading}')]/following-sibling::*[1]"
    )
    assert text in found.get_property("textContent")


def test_case_marks_the_step_that_failed(browser: Browser, page: Path) -> None:
    browser.open(page, f"#torch/{FAILED}")
    (step,) = browser.all(".steps .failed")
    assert "call — failed here" in step.text
    assert len(browser.all(".steps li")) == 3


def test_case_that_passed_marks_no_step(browser: Browser, page: Path) -> None:
    browser.open(page, f"#numpy/{FAILED}")
    assert not browser.all(".steps .failed")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("#torch/layers.conv2d.values", "Blocked by layers.conv2d.shapes"),
        ("#torch/layers.norm.values", "the running variance is biased"),
        ("#torch/layers.lstm.values", "Order-dependent"),
        ("#torch/layers.lstm.values", "the worker died of SIGSEGV"),
        ("#torch/extras.compile.values", "Capabilities\ncompile"),
        ("#torch/layers.embedding.second-call", "Provisional: run and shown, not counted."),
        ("#jax/layers.dense.values", "torch and jax differ by 0.1"),
        ("#jax/layers.dense.values", "float32 (2, 5) [0.1 0.2 ...]"),
        ("#torch/no.such.case", "nothing at this address"),
        ("#torch/layers/nothing", "nothing at this address"),
        ("#nobody/" + FAILED, "nothing at this address"),
    ],
)
def test_address_shows(address: str, words: str, browser: Browser, page: Path) -> None:
    browser.open(page, address)
    assert words in browser.one("dialog").text


def test_malformed_address_opens_the_page(browser: Browser, page: Path) -> None:
    browser.open(page, "#torch/%E0%A4%A")
    browser.wait_until(open=False)
    assert browser.all("#results .case")


def test_case_leads_to_the_same_case_elsewhere(browser: Browser, page: Path) -> None:
    browser.open(page, f"#torch/{FAILED}")
    assert browser.texts(".elsewhere a") == ["pass on numpy", "pass on jax"]
    browser.all(".elsewhere a")[1].click()
    assert browser.hash == f"#jax/{FAILED}"
    browser.wait_for(".verdict", "pass on jax")


@pytest.mark.parametrize("section", ["failures", "differences"])
def test_row_says_its_id_once(section: str, shown: Browser) -> None:
    ids, rows = (shown.texts(f"#{section} {kind}") for kind in (".id", ".case"))
    assert ids
    assert [row.count(id) for id, row in zip(ids, rows)] == [1] * len(ids)


def test_case_says_its_id_and_status_once(browser: Browser, page: Path) -> None:
    browser.open(page, f"#torch/{FAILED}")
    text = browser.one("dialog").text.partition("Run this case again")[0]
    assert text.count(FAILED) == 1
    assert text.split().count("fail") == 1


def test_text_in_double_backticks_is_code(browser: Browser, page: Path) -> None:
    browser.open(page, f"#torch/{FAILED}")
    assert browser.texts("dialog p code") == ["kernel // 2"]
    assert "`" not in browser.one("dialog").text


def test_copy_button_copies_the_command(browser: Browser, page: Path) -> None:
    browser.open(page, f"#torch/{FAILED}")
    browser.one("[aria-label='Copy: Run this case again']").click()
    browser.wait("document.getElementById('said').textContent")
    browser.press(Keys.ESCAPE)
    browser.one("#search").click()
    webdriver.ActionChains(browser.driver).key_down(Keys.CONTROL).send_keys("v").key_up(
        Keys.CONTROL
    ).perform()
    pasted = browser.one("#search").get_property("value")
    assert pasted == f"isomorph conformance run --backend torch --case {FAILED} --trace"


def test_back_button_leaves_the_case(shown: Browser) -> None:
    shown.driver.find_element(By.XPATH, cell("conv2d", 2) + "/a").click()
    shown.wait_until(open=True)
    shown.driver.back()
    shown.wait_until(open=False)
    assert shown.hash == ""


@pytest.mark.parametrize("way", ["escape", "button", "outside"])
def test_closing_returns_to_the_cell(way: str, shown: Browser) -> None:
    link = shown.driver.find_element(By.XPATH, cell("conv2d", 2) + "/a")
    link.click()
    shown.wait_until(open=True)
    if way == "escape":
        shown.press(Keys.ESCAPE)
    elif way == "button":
        shown.one("#close").click()
    else:
        webdriver.ActionChains(shown.driver).move_by_offset(20, 300).click().perform()
    shown.wait_until(open=False)
    shown.wait("location.hash === ''")
    assert shown.driver.switch_to.active_element == link


def test_root_failures_come_with_what_they_block_folded(shown: Browser) -> None:
    ids = shown.texts("#failures .id")
    assert FAILED in ids
    assert "layers.conv2d.values" not in ids
    assert "layers.embedding.second-call" not in ids
    shown.one("#failures summary").click()
    assert shown.one("#failures summary").text == "blocks 2 cases"
    shown.wait("document.querySelectorAll('#failures details .case').length === 2")
    assert "layers.conv2d.values" in shown.texts("#failures details .id")


def test_difference_leads_to_its_case(shown: Browser) -> None:
    (row,) = shown.all("#differences .case")
    assert "torch and jax differ by 0.1" in row.text
    row.click()
    assert shown.hash == "#torch/layers.dense.values"


@pytest.mark.parametrize(
    ("summary", "id"),
    [
        ("1 new failure", FAILED),
        ("1 fixed result", "core.defer.values"),
        ("1 other change", "layers.norm.values"),
        ("1 new result", "core.infer.values"),
        ("1 gone result", "core.retired.values"),
    ],
)
def test_change_is_listed(summary: str, id: str, shown: Browser) -> None:
    (details,) = (item for item in shown.all("#changes details") if item.text.startswith(summary))
    if not details.get_property("open"):
        details.find_element(By.TAG_NAME, "summary").click()
    WebDriverWait(shown.driver, 10).until(lambda _: id in details.text)


@pytest.mark.parametrize("section", ["changes", "failures", "differences"])
def test_section_without_content_is_hidden(
    section: str, browser: Browser, conforming: Any, manifest: Any, tmp_path: Path
) -> None:
    write(conforming, manifest, tmp_path)
    browser.open(tmp_path / "scoreboard.html")
    assert not browser.one(f"#{section}").is_displayed()


@pytest.mark.parametrize(
    ("words", "name", "statuses", "count"),
    [
        ("", "all", (), 192),
        ("conv2d", "all", (), 12),
        ("CONV2D values", "all", (), 3),
        ("", "torch", (), 64),
        ("", "all", ("fail",), 2),
        ("", "all", ("fail", "blocked"), 4),
        ("conv2d", "torch", ("blocked",), 2),
        ("conv2d", "jax", ("blocked",), 0),
    ],
)
def test_filters(words: str, name: str, statuses: tuple[str, ...], count: int, shown: Browser) -> None:
    shown.one("#search").send_keys(words)
    Select(shown.one("#backend")).select_by_visible_text(name)
    for status in statuses:
        shown.one(f"#statuses input[value='{status}']").click()
    assert shown.one("#found").text == f"{count} results of 192"
    assert len(shown.all("#results .case")) == min(count, 100)
    for row in shown.texts("#results .case"):
        assert all(word.lower() in row for word in words.split())
        assert not statuses or row.split()[0] in statuses


def test_cases_start_with_failures(shown: Browser) -> None:
    statuses = [text.split()[0] for text in shown.texts("#results .case")[:12]]
    assert statuses[:2] == ["fail", "fail"]
    assert "pass" not in statuses


def test_features_that_pass_everywhere_can_be_hidden(
    browser: Browser, conforming: Any, manifest: Any, tmp_path: Path
) -> None:
    write(conforming, manifest, tmp_path)
    browser.open(tmp_path / "scoreboard.html")
    browser.one("#interesting").click()
    assert browser.texts("tbody th[scope='row']") == ["norm", "device"]

"""The page: complete, escaped, self-contained; and seen by a real browser."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from report.report_stores import ESTIMATED, START, Writer, counting, read, write_mixed

from sprout.report import chart_axes, page, words
from sprout.report.cells import Emitted, Evaluating, Metered
from sprout.report.facts import Report
from sprout.state.store import Store

VOID = {"meta", "link", "br", "hr", "img", "input"}
MAX_BYTES = 1_000_000
BROWSER = shutil.which("chromium")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--hide-scrollbars",
    "--window-size=1100,2400",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # the browser's own errands end here too
)


class Checker(HTMLParser):
    """Follows open and closing tags, and remembers ids, references and what might be fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []
        self.ids: list[str] = []
        self.wanted: list[str] = []
        self.fetched: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            elif name == "aria-labelledby" or (name == "href" and (value or "").startswith("#")):
                self.wanted.append((value or "").lstrip("#"))
            elif name in {"src", "href", "srcset", "data", "action", "xlink:href"}:
                self.fetched.append(value or "")
            elif name.startswith("on"):
                self.faults.append(f"a script in {name}")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes something else")


def check(text: str) -> Checker:
    checker = Checker()
    checker.feed(text)
    assert checker.faults == []
    assert checker.open == []
    assert len(checker.ids) == len(set(checker.ids))
    assert set(checker.wanted) <= set(checker.ids)
    assert checker.fetched == ["data:,"]
    assert "script" not in checker.tags
    assert re.search(r"url\((?!#v\d\))", text) is None  # patterns of its own are no requests
    assert len(text.encode()) < MAX_BYTES
    return checker


@pytest.fixture
def mixed(tmp_path: Path) -> Report:
    with Store.open(tmp_path / "s.db") as store:
        write_mixed(store, 4)
        return read(store)


def test_the_page_is_whole_and_asks_for_nothing(mixed: Report) -> None:
    checker = check(page.render(mixed))
    assert checker.tags.count("svg") >= 4
    assert checker.tags.count("table") >= 6


def test_the_page_says_what_kind_each_number_is(mixed: Report) -> None:
    text = page.render(mixed)
    for mark in ("measured", "estimated", "forecast", "yearly average", "modelled", "set"):
        assert f">{mark}</span>" in text
    assert "paper, by hand" in text
    assert "eia (forecast)" in text
    assert "all-L0" in text


def tile(text: str, name: str) -> list[str]:
    """The marks of one tile."""
    found = re.search(f'<div class="tile"><dt>{name}</dt><dd>(.*?)</dd></div>', text)
    assert found is not None
    return re.findall(r'<span class="mark \w+">(.*?)</span>', found.group(1))


def test_the_page_explains_its_words_to_who_never_saw_a_level(mixed: Report) -> None:
    _, _, method = page.render(mixed).partition('<section id="method">')
    assert "Level L0 is the bare prompt" in method
    assert "Preference is how often judges found" in method


def test_tiles_have_the_marks_of_all_that_their_numbers_rest_on(mixed: Report) -> None:
    energy = (Metered("tdp_estimate", 8.0, 0.25),)
    report = replace(
        mixed,
        evaluating=Evaluating(
            1, energy, (Emitted("DE", "eia (stale)", None, None, 0.25),), 1.0, 0.25
        ),
    )
    text = page.render(report)
    (told,) = (fact.marks for fact in words.facts(report) if fact.name == "carbon")
    assert tile(text, "Carbon") == list(told)
    assert {"measured", "estimated", "forecast", "yearly average", "modelled"} <= set(told)
    assert tile(text, "Evaluating") == ["estimated", "stale", "modelled"]
    assert tile(page.render(mixed), "Evaluating") == []


def test_carbon_of_estimated_energy_is_marked_so_where_the_intensity_was_measured(
    tmp_path: Path,
) -> None:
    with Store.open(tmp_path / "s.db") as store:
        run = Writer(store, []).run(START, counting(ESTIMATED))
        run.answer(START)
        run.end(START)
        text = page.render(read(store))
    assert tile(text, "Carbon") == ["estimated", "measured", "modelled"]


def test_charts_have_titles_values_with_units_and_a_table(mixed: Report) -> None:
    text = page.render(mixed)
    assert re.search(r"<title>2026-03-28: \d+ g/kWh \([a-z ,]+\)</title>", text)
    assert re.search(r"<title>2026-03-28: L1 \d+ % of \d+</title>", text)
    assert re.search(r"<title>2026-03-28: [\d.]+ .?gCO2eq operational</title>", text)
    assert text.count('<svg role="img" aria-labelledby=') == text.count("<svg")
    assert "The charts as a table" in text


@pytest.mark.parametrize("hours", [2, 30, 80, 96, 150, 5000, 10000])
def test_the_names_of_moments_lie_below_the_chart(tmp_path: Path, hours: int) -> None:
    with Store.open(tmp_path / "s.db") as store:
        run = Writer(store, []).run(START, counting())
        for at in (START, START + timedelta(hours=hours)):
            run.answer(at)
        text = page.render(read(store))
    places = [float(x) for x in re.findall(r'<text class="time" x="(.*?)"', text)]
    assert places
    assert min(places) >= chart_axes.LEFT
    assert max(places) <= chart_axes.WIDTH - chart_axes.RIGHT


def test_a_variants_level_has_its_directives_colour_and_a_pattern_of_its_own(
    tmp_path: Path,
) -> None:
    levels = ["L0", "L2", "q4_0/L0", "q4_0/L2", "q8_0/L2"]
    with Store.open(tmp_path / "s.db") as store:
        run = Writer(store, []).run(START, counting())
        for number in range(20):
            run.answer(START + number * timedelta(hours=1), levels[number % 5])
        run.end(START)
        text = page.render(read(store))
    check(text)
    (legend,) = re.findall(r'<ul class="legend">(.*?)</ul>', text.partition("Mix of levels")[2])[:1]
    assert re.findall(r'<i class="(.*?)"></i>(.*?)</li>', legend) == [
        ("l0", "L0"),
        ("l1", "L2"),
        ("l0 v0", "q4_0/L0"),
        ("l1 v0", "q4_0/L2"),
        ("l1 v1", "q8_0/L2"),
    ]
    bars = re.findall(
        r'<rect class="(l\d)"[^>]*><title>[^<]*?: (\S+) \d+ %[^<]*</title></rect>'
        r'(?:<rect class="over" fill="url\(#(v\d)\)")?',
        text,
    )
    assert set(bars) == {
        ("l0", "L0", ""),
        ("l1", "L2", ""),
        ("l0", "q4_0/L0", "v0"),
        ("l1", "q4_0/L2", "v0"),
        ("l1", "q8_0/L2", "v1"),
    }


def test_names_that_look_like_markup_stay_text(tmp_path: Path) -> None:
    bad = "</title><script>alert('\"&')</script>"
    with Store.open(tmp_path / "s.db") as store:
        run = Writer(store, []).run(START, counting(model_name=bad), zone=bad)
        for number in range(12):
            at = START + number * timedelta(hours=1)
            run.answer(at, f"L{number % 2}", task=bad, source=f"{bad} (measured)")
        run.end(START)
        text = page.render(read(store))
    check(text)
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_an_empty_store_makes_a_page_too(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s.db") as store:
        text = page.render(read(store))
    check(text)
    assert "nothing was served" in text
    assert re.search(r"\b(nan|inf)\b", text, re.IGNORECASE) is None


def test_one_completion_makes_a_page_without_charts_over_time(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s.db") as store:
        run = Writer(store, []).run(START, counting())
        run.answer(START)
        run.end(START)
        text = page.render(read(store))
    checker = check(text)
    assert checker.tags.count("svg") == 0
    assert "every request was served at L0" in text


def test_a_year_of_many_levels_stays_small(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s.db") as store:
        run = Writer(store, []).run(START, counting())
        with store.write():
            for number in range(3 * 365):
                at = START - timedelta(days=number // 3)
                run.answer(at, f"L{number % 3}", task=f"t{number % 9}")
        run.end(START)
        report = read(store)
    assert len(report.timeline) == 365
    check(page.render(report))


@dataclass(frozen=True, slots=True)
class Seen:
    """What a browser made of a page: its complaints, what the page asked for, and a picture."""

    complaints: list[str]
    asked: set[str]
    picture: bytes


def look(text: str, folder: Path, scheme: str = "light") -> Seen:
    """Let Chromium draw a page."""
    assert BROWSER is not None
    file, picture, log = (folder / name for name in ("r.html", "r.png", "net.json"))
    file.write_text(text, encoding="utf-8")
    found = subprocess.run(
        [
            BROWSER,
            *FLAGS,
            f"--user-data-dir={folder / 'profile'}",
            f"--blink-settings=preferredColorScheme={1 if scheme == 'light' else 0}",
            "--enable-logging=stderr",
            "--log-level=0",
            f"--log-net-log={log}",
            f"--screenshot={picture}",
            "--virtual-time-budget=2000",
            file.as_uri(),
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return Seen(
        complaints=[line for line in found.stderr.splitlines() if "CONSOLE" in line],
        asked=set(requests_of_pages(log)),
        picture=picture.read_bytes(),
    )


def requests_of_pages(log: Path) -> Iterator[str]:
    """Yield the addresses that a page asked for; the browser's own errands have no page."""
    for line in log.read_text(encoding="utf-8").splitlines():
        with suppress(ValueError):
            params = json.loads(line.rstrip(",")).get("params", {})
            url = str(params.get("url", ""))
            is_of_page = params.get("initiator", "not an origin") != "not an origin"
            if is_of_page and not url.startswith(("file:", "data:")):
                yield url


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no chromium: apt-get install chromium")
def test_a_page_that_complains_and_asks_for_something_is_found_out(tmp_path: Path) -> None:
    bad = "<script>console.error('bad')</script><img src='http://pictures.invalid/a.png'>"
    seen = look(f"<!doctype html><title>bad</title>{bad}", tmp_path)
    assert len(seen.complaints) >= 1
    assert seen.asked == {"http://pictures.invalid/a.png"}


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no chromium: apt-get install chromium")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_draws_the_page_without_errors_and_without_any_request(
    mixed: Report, tmp_path: Path, scheme: str
) -> None:
    seen = look(page.render(mixed), tmp_path, scheme)
    assert seen.complaints == []
    assert seen.asked == set()
    assert seen.picture.startswith(b"\x89PNG")
    assert len(seen.picture) > 50_000  # a blank page has a tenth of it


def measured(report: Report, elements: str, size: str, tmp_path: Path) -> list[int]:
    """What a browser says of elements of the page, which has no script: one is put in."""
    assert BROWSER is not None
    inner = page.render(report).replace(page.POLICY, "")
    probe = (
        "<script>addEventListener('load', () => { document.title = JSON.stringify("
        f"[...document.querySelectorAll('{elements}')].map(e => Math.round({size}))"
        "); });</script></body>"
    )
    file = tmp_path / "probe.html"
    file.write_text(inner.replace("</body>", probe), encoding="utf-8")
    found = subprocess.run(
        [
            BROWSER,
            *FLAGS,
            f"--user-data-dir={tmp_path / 'profile'}",
            "--dump-dom",
            file.as_uri(),
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    title = re.search(r"<title>\[([-\d,]+)\]</title>", found.stdout)
    assert title is not None
    return [int(number) for number in title.group(1).split(",")]


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no chromium: apt-get install chromium")
def test_the_charts_have_a_size_in_a_browser(mixed: Report, tmp_path: Path) -> None:
    widths = measured(mixed, "svg", "e.getBoundingClientRect().width", tmp_path)
    assert len(widths) >= 4
    assert min(widths) > 600


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no chromium: apt-get install chromium")
def test_no_table_is_wider_than_the_page_for_a_long_name(tmp_path: Path) -> None:
    name = "Llama-3.1-70B-Instruct-Q4_K_M-00001-of-00002"
    with Store.open(tmp_path / "s.db") as store:
        run = Writer(store, []).run(START, counting(ESTIMATED, model_name=name))
        for number in range(400):
            run.answer(START, ("L0", "q4_k_m/L1")[number % 2], task=f"{name} {number % 2}")
        run.end(START)
        report = read(store)
    beyond = measured(report, ".scroll", "e.scrollWidth - e.clientWidth", tmp_path)
    assert len(beyond) >= 5
    assert max(beyond) <= 0

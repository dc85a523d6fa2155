"""The page: its data tells what the machines did, and a browser shows it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.report.html import bundle, verdicts
from checker.report.html.invariant import Words
from checker.report.html.sharing import shared
from checker.report.html.why import why
from checker.request import Request, system_of
from checker.verify import verify
from diagrams.screenshot import chromium
from model.expr import Domain, neg, var
from model.rule import ModelError
from model.scenario import scenario

ROOT = Path(__file__).resolve().parents[2]
MOST = 400_000
"""The most bytes of a page without traces."""
DROP = Request(
    properties=("AUT-24",),
    scenario="tls12-small",
    drop=("client_receive_finished_WAIT_FIN_to_CONNECTED:verify_data",),
)


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    """The page of a dropped check, with one trace and one graph."""
    return verdicts.page(DROP, verify(DROP, workers=1))


# -- the data --------------------------------------------------------------------------------------
@pytest.mark.scenario
def test_a_story_says_who_made_what_and_what_broke(data: dict[str, Any]) -> None:
    (story,) = data["stories"]
    assert data["tables"][0]["rows"][0]["odd"]
    *_, last = story["steps"]
    assert (last["event"], last["forged"]) == ("Finished", "forged")
    assert ["verify_data", "junk", "adversary"] in last["fields"]
    assert last["sound"]["says"].startswith("refuses with the alert decrypt_error: verify_data")
    assert [s["sound"] for s in story["steps"][:-1]] == [None] * (len(story["steps"]) - 1)
    assert ["client0.verified", False, True, True] in last["changed"]
    (broken,) = story["broken"]
    assert broken["given"]["holds"]
    assert broken["holds"]["values"] == [["client0.wrong_finished", True]]
    names = [n for n, v, maker in story["steps"][0]["fields"] if maker != story["steps"][0]["run"]]
    assert not names, "an honest run makes its own message"


@pytest.mark.scenario
def test_the_machines_and_the_graph_have_what_the_story_passes(data: dict[str, Any]) -> None:
    (story,), (graph,) = data["stories"], data["graphs"]
    nodes = {tuple(n[:-1]) for n in graph["nodes"]}
    now = dict(story["begins"])
    for step in story["steps"]:
        machine = data["machines"][story["machines"][graph["runs"].index(step["run"])]]
        names = {s["name"] for s in machine["states"]}
        assert {step["before"], step["after"]} <= names
        assert step["row"]["alert"] or step["row"]["name"] in {r["name"] for r in machine["rows"]}
        now[step["run"]] = step["after"]
        place = [graph["states"][i].index(now[r]) for i, r in enumerate(graph["runs"])]
        assert tuple(place) in nodes
    patched = {r["name"] for m in data["machines"] for r in m["rows"] if r["patched"]}
    assert patched == {"client_receive_finished_WAIT_FIN_to_CONNECTED"}


def test_the_parts_that_decide_are_told_with_their_values() -> None:
    colour = Domain("Colour", ("red", "green", "blue"))
    a, b = var("a", colour), var("b", colour)
    read = {"a": "red", "b": "blue"}.__getitem__
    told = why((a == "red") & (a == b) & (b == "green"), read)
    assert (told["op"], told["holds"]) == ("and", False)
    assert [p["values"] for p in told["parts"]] == [[["a", "red"], ["b", "blue"]], [["b", "blue"]]]
    told = why(neg((a == "green") | (b == "blue")), read)
    assert (told["says"], told["holds"]) == ("b != blue", False)


@pytest.mark.scenario
def test_an_invariant_is_told_in_words() -> None:
    system = system_of(Request(), scenario("tls12-small"))
    state = system.values.domain["client0.state"]
    bits = [f"client0.state/{i}" for i in range(state.bits)]
    code = state.code("CONNECTED")
    there = " ".join(b if code >> i & 1 else f"(not {b})" for i, b in enumerate(bits))
    text = f"(assert (or (not (and {there})) client0.verified))"
    assert Words(system).of(text) == ["if client0.state is CONNECTED then client0.verified"]
    always = f"(assert (or {bits[0]} (not {bits[0]})))"
    assert Words(system).of(always) == []


# -- the file --------------------------------------------------------------------------------------
def test_a_page_without_traces_is_small_and_loads_nothing() -> None:
    page = bundle.bundled({"title": "</script><b>"})
    assert len(page.encode()) < MOST / 2
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", page)
    assert "default-src 'none'" in page
    code = re.search(r'<script type="module">(.*)</script>', page, re.DOTALL)
    assert code is not None
    digest = base64.b64encode(hashlib.sha256(code[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page
    assert "</script><b>" not in page


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text().filter(lambda k: k != "="), inner),
)


@given(JSON, JSON)
def test_what_is_shared_is_the_same_data(a: Any, b: Any) -> None:
    def whole(x: Any) -> Any:
        if isinstance(x, list):
            return [whole(y) for y in x]
        if isinstance(x, dict):
            return parts[x["="]] if "=" in x else {k: whole(v) for k, v in x.items()}
        return x

    data = {"a": [a, b], "b": [b, a, a], "c": "a text that is long enough to be shared"}
    parts, rest = json.loads(json.dumps(shared([data, data])))
    for i, part in enumerate(parts):
        parts[i] = whole(part)
    assert rest == [{"=": len(parts) - 1}] * 2
    assert json.dumps(whole(rest)) == json.dumps([data, data])


def test_two_modules_may_not_define_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "main.js").write_text('import { a } from "./other.js";\nconst b = a;\n')
    (tmp_path / "other.js").write_text("export const a = 1;\nconst b = 2;\n")
    monkeypatch.setattr(bundle, "FOLDER", tmp_path)
    bundle.script.cache_clear()
    with pytest.raises(ModelError, match=r"main\.js: b is defined in page/other\.js, too"):
        bundle.script()
    bundle.script.cache_clear()


@pytest.mark.scenario
@pytest.mark.skipif(not (ROOT / ".page/node_modules").is_dir(), reason="make page installs tsc")
def test_the_data_has_the_shape_that_the_modules_know(data: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "shape.d.ts").write_text((bundle.FOLDER / "shape.d.ts").read_text())
    (tmp_path / "data.ts").write_text(
        f'import type {{ Page }} from "./shape";\nexport const page: Page = {json.dumps(data)};\n'
    )
    tsc = ROOT / ".page/node_modules/.bin/tsc"
    given = ["--noEmit", "--strict", "--target", "es2022", "--moduleResolution", "bundler"]
    done = subprocess.run(
        [tsc, *given, "--module", "es2022", "data.ts"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[:2000]


# -- in a browser ----------------------------------------------------------------------------------
CHROMIUM = chromium()
browsed = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


@pytest.fixture(scope="module")
def opened(data: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The page in a browser that notes what goes wrong in it, and each address it asks for."""
    api = pytest.importorskip("playwright.sync_api")
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(bundle.bundled(data))
    with api.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1300, "height": 900})
        tab.wrong, tab.asked = [], []
        tab.on("pageerror", lambda e: tab.wrong.append(str(e)))
        tab.on("console", lambda m: m.type == "error" and tab.wrong.append(m.text))
        tab.on("request", lambda r: tab.asked.append(r.url))
        tab.goto(f"{file.as_uri()}#table")
        yield tab
        assert not tab.wrong
        browser.close()


@browsed
@pytest.mark.scenario
def test_the_page_opens_filters_and_steps(opened: Any, data: dict[str, Any]) -> None:
    opened.wait_for_selector("tbody tr")
    assert [u for u in opened.asked if not u.startswith(("file:", "data:"))] == []
    opened.fill("input[type=search]", "nothing has this")
    assert opened.locator("tbody tr:not(.notes)").count() == 0
    opened.fill("input[type=search]", "aut-24")
    assert opened.locator("tbody tr.odd").count() == 1
    opened.click("button.opener")
    assert "each finished accepted" in opened.inner_text("tr.notes")
    opened.click("text=trace >> nth=-1")
    steps = len(data["stories"][0]["steps"])
    opened.wait_for_selector(".controls")
    for _ in range(steps):
        opened.keyboard.press("ArrowRight")
    opened.wait_for_selector(".panel.broken")
    assert opened.inner_text(".controls output") == f"{steps} of {steps}"
    assert "client0.wrong_finished = yes" in opened.inner_text(".panel.broken")
    assert "decrypt_error" in opened.inner_text(".panel.sound")
    assert opened.locator("g.here").count() == 2
    assert opened.locator(".lit text").all_text_contents() == ["Finished"]
    opened.keyboard.press("ArrowLeft")
    assert opened.locator(".panel.broken").count() == 0


@browsed
@pytest.mark.deep
@pytest.mark.parametrize("width", [400, 800, 1300])
@pytest.mark.parametrize("view", ["table", "trace/0/3", "graph/0/0/3"])
def test_nothing_is_wider_than_the_window(opened: Any, width: int, view: str) -> None:
    opened.set_viewport_size({"width": width, "height": 800})
    opened.evaluate(f"location.hash = {view!r}")
    opened.wait_for_timeout(200)
    assert opened.evaluate("document.documentElement.scrollWidth") <= width


@browsed
@pytest.mark.deep
def test_the_boxes_of_a_machine_and_of_the_graph_do_not_overlap(opened: Any) -> None:
    for view in ("trace/0/3", "graph/0/0/3"):
        opened.evaluate(f"location.hash = {view!r}")
        opened.wait_for_selector("svg rect")
        found = opened.evaluate(
            """[...document.querySelectorAll("svg")].map((svg) =>
              [...svg.querySelectorAll("g.state > rect, g.pair > rect")].map((r) =>
                ["x", "y", "width", "height"].map((a) => Number(r.getAttribute(a)))))"""
        )
        for boxes in found:
            for i, (x, y, w, h) in enumerate(boxes):
                for x2, y2, w2, h2 in boxes[i + 1 :]:
                    assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y


@browsed
@pytest.mark.deep
def test_texts_have_contrast_in_dark_and_in_light(opened: Any) -> None:
    opened.evaluate("location.hash = 'trace/0/99'")
    for scheme in ("dark", "light"):
        opened.emulate_media(color_scheme=scheme)
        low = opened.evaluate(CONTRAST)
        assert low == [], scheme


CONTRAST = """() => {
  const part = (c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const light = (rgb) => {
    const [r, g, b] = rgb.map((c) => part(c / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const rgb = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const behind = (e) => {
    for (let at = e; at; at = at.parentElement) {
      const c = rgb(getComputedStyle(at).backgroundColor);
      if (c.length === 3 || c[3] === 1) return c.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const out = [];
  for (const e of document.querySelectorAll("p, h1, h2, h3, h4, td, th, code, span, a, button")) {
    if (!e.textContent.trim() || e.closest(".later, [hidden], svg")) continue;
    const [a, b] = [light(rgb(getComputedStyle(e).color).slice(0, 3)), light(behind(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) out.push(`${e.className} ${e.textContent.slice(0, 30)} ${ratio.toFixed(2)}`);
  }
  return out;
}"""

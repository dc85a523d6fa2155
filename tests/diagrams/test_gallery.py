"""The gallery is drawn from the tables, is the same every time, and says when it is not fresh."""

import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from checker.trace import Trace, TraceStep
from diagrams import gallery, render
from diagrams.gallery import Picture
from diagrams.machine import ANY, GENERATIONS, MARK, edges, generations, machine
from diagrams.sequence import FORGED, HONEST, honest, origin, sequence
from model.roles import role
from model.rule import SAME

ROOT = Path(gallery.__file__).parents[1]
DOT = "digraph toy {\n\ta -> b\n}\n"
SVG = "<?xml version='1.0'?>\n<svg>drawn</svg>\n"

EDGE = re.compile(
    r'^\s*"?(?P<a>[^":]+)"?(?::\w)? -> "?(?P<b>[^":]+?)"?(?::\w)? \[label="\s*(?P<event>[?!]?\w+)'
)


def drawn(source: str) -> Counter[tuple[str, str, str]]:
    found = [EDGE.match(x) for x in source.splitlines() if " -> " in x]
    assert all(found)
    return Counter((m["a"].strip(), m["b"], m["event"]) for m in found if m)


@pytest.mark.parametrize("name", ["client", "server"])
def test_a_machine_has_one_edge_a_row_and_source(name: str) -> None:
    r = role(name)
    wanted: Counter[tuple[str, str, str]] = Counter()
    for row in r.table:
        many = len(row.sources) > len(r.states) // 2
        for s in [ANY] if many else row.sources:
            wanted[s, s if row.target == SAME else row.target, MARK[row.kind] + row.event] += 1
    assert drawn(machine(r).source) == wanted


@pytest.mark.parametrize("name", ["client", "server"])
def test_the_generations_together_have_every_row(name: str) -> None:
    r = role(name)
    homes = generations(r)
    shown = set()
    for g in GENERATIONS:
        states = [s for s in r.states if g in homes[s]]
        found = edges(r, states)
        assert sum(drawn(machine(r, g).source).values()) == len(found)
        shown |= {(row.name, s) for row, s, _ in found if isinstance(s, str)}
    assert shown == {(row.name, s) for row, s, _ in edges(r) if isinstance(s, str)}


def test_states_of_one_generation_are_told_by_the_rfcs_of_their_rows() -> None:
    homes = generations(role("client"))
    assert homes["WAIT_SKE"] == ("tls12",)
    assert homes["WAIT_EE"] == ("tls13",)
    assert homes["WAIT_SH"] == homes["CONNECTED"] == ("tls12", "tls13")
    assert "WAIT_EE" not in machine(role("client"), "tls12").source


@pytest.mark.parametrize("name", sorted(HONEST))
def test_an_honest_run_ends_connected(name: str) -> None:
    title, trace = honest(name)
    last = {s.run: s.after for s in trace.steps}
    assert last == {"client0": "CONNECTED", "server0": "CONNECTED"}
    source = sequence(trace, title).source
    assert FORGED not in source
    for i in range(1, len(trace) + 1):
        assert re.search(rf'label="{i}  ', source)


def delivery(source: str, known: tuple[str, ...] = (), run: str = "client0") -> TraceStep:
    return TraceStep(
        run,
        "receive",
        "ServerHello",
        source,
        {"version": "TLS12", "suite": "none"},
        "row",
        "5246",
        "True",
        "WAIT_SH",
        "WAIT_CERTIFICATE",
        "plaintext",
        None,
        known,
        {},
    )


def test_forged_deliveries_are_red_and_knowledge_is_noted_once() -> None:
    steps = (
        delivery("server0"),
        delivery("forged", ("client0",)),
        delivery("server0", ("client0",)),
    )
    source = sequence(Trace("toy", "p", ("client0", "server0"), {}, steps), "Toy.").source
    text = [x for x in source.splitlines() if "ServerHello" in x or "version=" in x]
    assert "suite" not in source
    assert len([x for x in source.splitlines() if "shape=note" in x]) == 1
    assert text
    arrows = [x for x in source.splitlines() if "arrow" in x and " -> " in x and "dir=" in x]
    assert [FORGED in x for x in arrows] == [False, True, False]


def test_a_message_is_the_adversarys_unless_an_honest_run_sent_just_that() -> None:
    got = delivery("server0 via adversary")
    early = replace(got, source="forged")
    sent = replace(got, run="server0", kind="send", source="local")
    other = replace(sent, fields={"version": "TLS10", "suite": "none"})
    keyed = replace(got, key="application")

    def told(*steps: TraceStep) -> list[str]:
        trace = Trace("toy", "p", ("client0", "server0"), {}, steps)
        return [origin(trace, i) for i in range(len(steps))]

    assert told(early, sent, got, early) == ["forged", "", "", ""]
    assert told(other, got) == ["", "server0's, changed by the adversary"]
    assert told(sent, keyed) == ["", "server0's, resealed by the adversary"]
    assert told(sent, replace(keyed, source="forged")) == ["", "forged"]


def test_a_run_beside_another_still_reaches_the_network() -> None:
    trace = Trace("toy", "p", ("client0", "client1", "server0"), {}, (delivery("server0"),))
    source = sequence(trace, "Toy.").source
    assert re.search(r'"client0\.1\.arrow" -> "network\.1\.arrow" \[.*constraint=false', source)


# -- rendering ------------------------------------------------------------------------------------
def test_an_svg_carries_the_digest_of_its_dot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render.shutil, "which", lambda _: "/usr/bin/dot")
    monkeypatch.setattr(render, "_by_program", lambda _: SVG)
    out = render.svg(DOT)
    assert render.digest_in(out) == render.digest(DOT)
    assert out.startswith("<?xml")
    assert render.digest_in(SVG) is None


def test_without_the_program_the_library_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render.shutil, "which", lambda _: None)
    monkeypatch.setattr(render, "_by_library", lambda _: SVG)
    monkeypatch.setattr(render, "_by_program", lambda _: pytest.fail("there is no program"))
    assert "drawn" in render.svg(DOT)


def test_without_graphviz_the_error_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render.shutil, "which", lambda _: None)
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    with pytest.raises(FileNotFoundError, match="make diagrams"):
        render.svg(DOT)


def test_the_library_draws_a_real_picture() -> None:
    pytest.importorskip("pygraphviz")
    assert "<svg" in render._by_library(DOT)


# -- freshness ------------------------------------------------------------------------------------
@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A written gallery of two pictures, that needs no Graphviz."""
    shown = [
        Picture("a", "Machines", "The first.", DOT),
        Picture("b", "Machines", "The second.", DOT.replace("toy", "other")),
    ]
    monkeypatch.setattr(gallery, "pictures", lambda: iter(shown))
    monkeypatch.setattr(render.shutil, "which", lambda _: "/usr/bin/dot")
    monkeypatch.setattr(render, "_by_program", lambda _: SVG)
    assert gallery.main(check=False, folder=tmp_path) == 0
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], folder: Path) -> tuple[int, list[str]]:
    capsys.readouterr()
    status = gallery.main(check=True, folder=folder)
    return status, capsys.readouterr().out.splitlines()[:-1]


def test_what_was_written_is_fresh(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sorted(f.name for f in small.iterdir()) == [
        "README.md",
        "a.dot",
        "a.svg",
        "alerts.json",
        "alerts.md",
        "b.dot",
        "b.svg",
    ]
    assert told(capsys, small) == (0, [])
    assert "![a](a.svg)" in (small / "README.md").read_text()


@pytest.mark.parametrize("name", ["README.md", "a.dot", "b.svg"])
def test_a_missing_file_is_named(
    small: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (small / name).unlink()
    assert told(capsys, small) == (1, [f"missing: {name}"])


@pytest.mark.parametrize("name", ["README.md", "a.dot", "b.svg"])
def test_a_stale_file_is_named(small: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    (small / name).write_text("<!-- old -->\n")
    assert told(capsys, small) == (1, [f"stale: {name}"])


def test_an_extra_file_is_named_and_removed(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (small / "gone.svg").write_text(SVG)
    assert told(capsys, small) == (1, ["extra: gone.svg"])
    assert gallery.main(check=False, folder=small) == 0
    assert told(capsys, small) == (0, [])


def test_only_what_changed_is_drawn_again(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(render, "_by_program", lambda dot: calls.append(dot) or SVG)
    (small / "a.svg").unlink()
    assert gallery.main(check=False, folder=small) == 0
    assert calls == [DOT]


def test_a_missing_folder_is_all_missing(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, lines = told(capsys, small / "nowhere")
    assert status == 1
    assert len(lines) == 7


def test_the_dot_texts_do_not_depend_on_hash_order() -> None:
    script = (
        "import hashlib, itertools\n"
        "from diagrams.gallery import index, pictures\n"
        "shown = list(pictures())\n"
        "for p in shown: print(p.name, hashlib.sha256(p.dot.encode()).hexdigest())\n"
        "print(hashlib.sha256(index(shown).encode()).hexdigest())\n"
    )
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", script],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        for seed in ("1", "2")
    ]
    first, second = (p.communicate()[0] for p in runs)
    assert [p.returncode for p in runs] == [0, 0]
    assert first == second
    assert "client-tls12" in first

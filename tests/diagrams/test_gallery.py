"""The gallery is drawn from the tables, is the same every time, and says when it is not fresh."""

import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from checker import cli
from checker.attack import attack
from checker.broken import reasons
from checker.report.sequence import chart
from checker.trace import Trace, TraceStep, origin
from diagrams import gallery, render, screenshot
from diagrams.gallery import COMPOSED, FOLDER, HONEST, Picture, run
from diagrams.machine import (
    ANY,
    GENERATIONS,
    MARK,
    edges,
    generations,
    guard,
    machine,
    node_labels,
    overlay,
)
from diagrams.render import texts
from diagrams.sequence import FORGED, sequence
from model.expr import BOOL, FALSE, var
from model.extensions import extensions, with_needed
from model.flaws import flaws
from model.roles import role
from model.rule import SAME, Rule

# RFC 8446 A.1, A.2. Early data is in brackets there, the keys of application data of both
# directions are in one line, and the end of early data is in the line of Finished.
KEYS_OF_APPENDIX_A = {
    "client": {
        ("START", "WAIT_SH", "K_send = plaintext or early"),
        ("WAIT_SH", "SEND_CH", "K_send = plaintext"),
        ("WAIT_SH", "WAIT_EE", "K_recv = handshake"),
        ("WAIT_FINISHED", "SEND_CERT", "K_send = handshake", "K_recv = application"),
        ("WAIT_FINISHED", "SEND_FINISHED", "K_send = handshake or early", "K_recv = application"),
        ("SEND_FINISHED", "CONNECTED", "K_send = application"),
    },
    "server": {
        ("START", "NEGOTIATED", "K_recv = plaintext or early"),
        ("NEGOTIATED", "SEND_EE", "K_send = handshake", "K_recv = handshake or early"),
        ("SEND_FINISHED", "WAIT_CERT", "K_send = application"),
        ("SEND_FINISHED", "WAIT_FINISHED", "K_send = application"),
        ("SEND_FINISHED", "WAIT_EOED", "K_send = application"),
        ("WAIT_EOED", "WAIT_FINISHED", "K_recv = handshake"),
        ("WAIT_FINISHED", "CONNECTED", "K_recv = application"),
    },
}
ROOT = Path(gallery.__file__).parents[1]
DOT = "digraph toy {\n\ta -> b\n}\n"
SVG = "<?xml version='1.0'?>\n<svg>drawn</svg>\n"

EDGE = re.compile(r'^\s*"?(?P<a>[^":]+)"? -> "?(?P<b>[^":]+?)"? \[label="(?P<label>[^"]*)" ')
NODE = re.compile(r'^\s*"?(?P<a>[^"\[]+?)"? \[label=<<table[^>]*>(?P<label>.*)</table>> ?')
CELL = re.compile(r'<td align="left" balign="left">(.*?)</td>')


def told_by(row: Rule) -> str:
    return MARK[row.kind] + row.event


def events(lines: list[str]) -> list[str]:
    """The events of rows that are told together: all before conditions, checks, keys, RFCs."""
    said = re.split(r" (?=if |checks |K_|RFC )", " ".join(lines))[0]
    return said.split(", ")


def drawn(source: str) -> Counter[tuple[str, str, str]]:
    """What the edges and the boxes of a DOT text say: from, to, message."""
    out: Counter[tuple[str, str, str]] = Counter()
    for line in source.splitlines():
        if m := EDGE.match(line):
            b, told = m["b"], [re.findall(r"&#160;(.*?)\\l", m["label"])]
        elif m := NODE.match(line):
            told = [
                re.sub("<(?!br/)[^>]*>", "", x).split("<br/>") for x in CELL.findall(m["label"])
            ]
            b = m["a"]
        else:
            assert " -> " not in line, line
            continue
        for lines in told:
            for event in events(lines):
                # Boxes for many states are told apart by what they leave out.
                ends = (re.sub(rf"^{ANY} \d+$", ANY, x.strip()) for x in (m["a"], b))
                out[(*ends, event)] += 1  # type: ignore[index]
    return out


@pytest.mark.parametrize("generation", [None, *GENERATIONS])
@pytest.mark.parametrize("name", ["client", "server"])
def test_a_machine_has_one_edge_a_row_and_source(name: str, generation: str | None) -> None:
    r, homes = role(name), generations(role(name))
    states = [s for s in r.states if generation in (None, *homes[s])]
    wanted: Counter[tuple[str, str, str]] = Counter()
    for row in r.table:
        if row.target not in (SAME, *states) or guard(row, generation) is FALSE:
            continue
        many = len(row.sources) > len(r.states) // 2
        for s in [ANY] if many else [s for s in row.sources if s in states]:
            wanted[s, s if row.target == SAME else row.target, told_by(row)] += 1
    assert drawn(machine(r, generation).source) == wanted


@pytest.mark.parametrize("name", sorted(KEYS_OF_APPENDIX_A))
def test_the_composed_machine_changes_keys_where_appendix_a_does(name: str) -> None:
    source = machine(role(name, COMPOSED), "tls13").source
    said = [(m["a"], m["b"], m["label"]) for m in map(EDGE.match, source.splitlines()) if m]
    found = {(a, b, *re.findall(r"K_\w+ = [\w ]+", text)) for a, b, text in said}
    assert {x for x in found if len(x) > 2} == KEYS_OF_APPENDIX_A[name]


@pytest.mark.parametrize("name", ["client", "server"])
def test_the_generations_together_have_every_row(name: str) -> None:
    r = role(name)
    shown = {
        (row.name, source)
        for g in GENERATIONS
        for row, source, _ in edges(r, [s for s in r.states if g in generations(r)[s]], g)
    }
    assert {x for x in shown if isinstance(x[1], str)} == {
        (row.name, s) for row, s, _ in edges(r, r.states) if isinstance(s, str)
    }


def test_a_diagram_of_one_generation_has_no_guard_of_the_other() -> None:
    for name in ("client", "server"):
        # What a client that offers TLS 1.3 takes before it knows the version is of both.
        below = machine(role(name), "tls12").source.replace("\\l&#160;", " ")
        assert "TLS13" not in below.replace("max_version == TLS13", "")
        assert "AEAD" not in machine(role(name), "tls12").source
        assert "TLS12" not in machine(role(name), "tls13").source


def test_the_bold_border_is_the_start_alone() -> None:
    for name, extension in (("client", "psk"), ("client", "half_close"), ("server", "psk")):
        graph = overlay(role(name, with_needed(extension)), extensions()[extension])
        assert graph is not None
        bold = [x.split()[0] for x in graph.source.splitlines() if "penwidth=2.5" in x]
        assert bold in ([], ["START"])


def test_states_of_one_generation_are_told_by_the_rfcs_of_their_rows() -> None:
    homes = generations(role("client"))
    assert homes["WAIT_SKE"] == ("tls12",)
    assert homes["WAIT_EE"] == ("tls13",)
    assert homes["WAIT_SH"] == homes["CONNECTED"] == ("tls12", "tls13")
    assert "WAIT_EE" not in machine(role("client"), "tls12").source


@pytest.mark.scenario
@pytest.mark.parametrize("name", sorted(HONEST))
def test_an_honest_run_ends_connected(name: str) -> None:
    picture = run(name)
    assert FORGED not in picture.text and "wrong" not in picture.text
    assert picture.text.count(">CONNECTED<") == 2


# -- sequence charts ------------------------------------------------------------------------------
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


def toy(*steps: TraceStep, **more: Any) -> Trace:
    runs = ("client0", "client1", "server0")
    return Trace("toy", "p", runs, {}, steps, **more)


def test_forged_deliveries_are_red_and_knowledge_is_noted_once() -> None:
    known = ("client0",)
    steps = (delivery("server0"), delivery("forged", known), delivery("server0", known))
    picture = sequence(toy(*steps), "Toy.")
    names = [x for x in picture.splitlines() if "ServerHello<" in x]
    assert [FORGED in x for x in names] == [False, True, False]
    assert "suite" not in picture
    assert picture.count("the adversary knows the session keys of client0") == 1
    text = chart(toy(*steps)).splitlines()
    assert len([x for x in text if "|<===" in x]) == 1


def test_a_chart_is_xml_and_shows_refusals_loops_and_what_is_wrong() -> None:
    refused = replace(delivery("forged"), alert="decode_error", event="A<B&C")
    trace = toy(delivery("server0"), refused, loop=1, broken={"client0.verified": True})
    picture = sequence(trace, "Toy & co.\nMore.")
    said = {x.text for x in ElementTree.fromstring(picture).iter() if x.text}
    assert {"Toy & co.", "2 A<B&C", "refused: decode_error", "client1", "server0"} <= {
        " ".join(x.split()) for x in said
    }
    assert "steps 2 to 2 repeat for ever" in said
    assert "wrong at the end: client0.verified=True" in said
    assert picture == sequence(trace, "Toy & co.\nMore.")


def test_reasons_are_the_variables_that_decide() -> None:
    a, b, c = (var(n, BOOL) for n in "abc")
    state = {"a": True, "b": False, "c": True}
    assert reasons(a & ~b, state) == ["a", "b"]
    assert reasons(b | c, state) == ["c"]
    assert reasons(~(a & (b | ~c)), state) == ["b", "c"]


@pytest.mark.deep
@pytest.mark.parametrize("name", ["selfie", "goto_fail"])
def test_the_chart_of_a_flaw_is_the_trace_of_the_command(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    of = flaws()[name]
    assert cli.main(["verify", of.shows, "--flaw", name]) == 0
    drawn = attack(of, of.ends[0])
    assert chart(drawn.trace, patched=drawn.rows) in capsys.readouterr().out


def test_a_message_is_the_adversarys_unless_an_honest_run_sent_just_that() -> None:
    got = delivery("server0 via adversary")
    early = replace(got, source="forged")
    sent = replace(got, run="server0", kind="send", source="local")
    other = replace(sent, fields={"version": "TLS10", "suite": "none"})
    keyed = replace(got, key="application")

    def told(*steps: TraceStep) -> list[str]:
        return [origin(toy(*steps), i) for i in range(len(steps))]

    assert told(early, sent, got, early) == ["forged", "", "", ""]
    assert told(other, got) == ["", "server0's, changed by the adversary"]
    assert told(sent, keyed) == ["", "server0's, resealed by the adversary"]
    assert told(sent, replace(keyed, source="forged")) == ["", "forged"]


# -- rendering ------------------------------------------------------------------------------------
def test_an_svg_carries_the_digest_of_its_dot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render.shutil, "which", lambda _: "/usr/bin/dot")
    monkeypatch.setattr(render, "by_program", lambda _: SVG)
    out = render.svg(DOT)
    assert render.digest_in(out) == render.digest(DOT)
    assert out.startswith("<?xml")
    assert render.digest_in(SVG) is None


def test_without_the_program_the_library_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render.shutil, "which", lambda _: None)
    monkeypatch.setattr(render, "by_library", lambda _: SVG)
    monkeypatch.setattr(render, "by_program", lambda _: pytest.fail("there is no program"))
    assert "drawn" in render.svg(DOT)


def test_without_graphviz_the_error_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render.shutil, "which", lambda _: None)
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    with pytest.raises(FileNotFoundError, match="make diagrams"):
        render.svg(DOT)


def test_the_library_draws_a_real_picture() -> None:
    pytest.importorskip("pygraphviz")
    assert "<svg" in render.by_library(DOT)


LEFT_OUT = "START, CONNECTED, ANSWER_CLOSE, ANSWER_EARLY_CLOSE, CLOSING, CLOSED"


def test_every_label_of_a_node_is_a_text_of_the_picture() -> None:
    pytest.importorskip("graphviz")
    dot = machine(role("client")).source
    assert {"START", "WAIT_SH", "any state but", LEFT_OUT} <= set(node_labels(dot))
    assert set(node_labels(DOT.replace("a ->", "a [color=red]\n\ta ->"))) == {"a"}
    for file in sorted(FOLDER.glob("*.dot")):
        shown = texts(file.with_suffix(".svg").read_text())
        assert set(node_labels(file.read_text())) <= shown, file.name


def test_the_library_draws_the_labels_of_its_first_picture() -> None:
    pytest.importorskip("pygraphviz")
    script = (
        "from diagrams import machine, render\n"
        "from model.roles import role\n"
        "dot = machine.machine(role('client'), 'tls13').source\n"
        "assert set(machine.node_labels(dot)) <= render.texts(render.by_library(dot))\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)


# -- freshness ------------------------------------------------------------------------------------
@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A written gallery of two pictures, that needs no Graphviz."""
    shown = [
        Picture("a", "Machines", "The first.", DOT),
        Picture("b", "Machines", "The second.", DOT.replace("toy", "other")),
        Picture("c", "Flaws", "A chart.", "<svg>chart</svg>\n", drawn=False),
    ]
    monkeypatch.setattr(gallery, "pictures", lambda: iter(shown))
    monkeypatch.setattr(render.shutil, "which", lambda _: "/usr/bin/dot")
    monkeypatch.setattr(render, "by_program", lambda _: SVG)
    monkeypatch.setattr(screenshot, "taken", lambda: b"a picture")
    monkeypatch.setattr(screenshot, "fresh", lambda folder: (folder / "page.png").is_file())
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
        "c.svg",
        "page.png",
    ]
    assert told(capsys, small) == (0, [])
    assert "![a](a.svg)" in (small / "README.md").read_text()


@pytest.mark.parametrize("name", ["README.md", "a.dot", "b.svg", "c.svg", "page.png"])
def test_a_missing_file_is_named(
    small: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (small / name).unlink()
    assert told(capsys, small) == (1, [f"missing: {name}"])


@pytest.mark.parametrize("name", ["README.md", "a.dot", "b.svg", "c.svg"])
def test_a_stale_file_is_named(small: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    (small / name).write_text("<!-- old -->\n")
    assert told(capsys, small) == (1, [f"stale: {name}"])


def test_a_picture_without_a_label_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    picture = Picture("a", "Machines", "One.", DOT.replace("a ->", "a [color=red]\n\ta ->"))
    monkeypatch.setattr(render, "by_program", lambda _: SVG)
    monkeypatch.setattr(render.shutil, "which", lambda _: "/usr/bin/dot")
    (tmp_path / "a.svg").write_text(render.svg(picture.text))
    (tmp_path / "a.dot").write_text(picture.text)
    assert "stale: a.svg: it does not show a" in gallery.stale([picture], tmp_path)
    (tmp_path / "a.svg").write_text(render.svg(picture.text).replace("drawn", "<text>a</text>"))
    assert not any("a.svg" in x for x in gallery.stale([picture], tmp_path))


def test_an_extra_file_is_named_and_removed(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (small / "gone.svg").write_text(SVG)
    assert told(capsys, small) == (1, ["extra: gone.svg"])
    assert gallery.main(check=False, folder=small) == 0
    assert told(capsys, small) == (0, [])


def test_only_what_changed_is_drawn_again(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(render, "by_program", lambda dot: calls.append(dot) or SVG)
    (small / "a.svg").unlink()
    assert gallery.main(check=False, folder=small) == 0
    assert calls == [DOT]


def test_a_missing_folder_is_all_missing(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, lines = told(capsys, small / "nowhere")
    assert status == 1
    assert len(lines) == 9


@pytest.mark.deep
def test_the_texts_do_not_depend_on_hash_order() -> None:
    script = (
        "import hashlib\n"
        "from diagrams.gallery import flaw, machines, run\n"
        "for p in (*machines(), run('run-tls13'), flaw('selfie')):\n"
        "    print(p.name, hashlib.sha256(p.text.encode()).hexdigest())\n"
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

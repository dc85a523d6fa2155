"""The gallery: every picture as SVG, with an index, and the alert table; all files are checked in.

A sequence chart is SVG text; every other picture is DOT text that Graphviz draws. `main` with
`check` needs no Graphviz: a chart is compared with its file, and a DOT text with the `.dot` file
and with the digest in the SVG, which must also show every label of a node. An SVG with the right
digest is not drawn again; delete the file to redraw the picture with another Graphviz.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from checker.attack import attack, handshake
from checker.pool import cores
from checker.report.words import count
from diagrams import alerts, screenshot
from diagrams.machine import GENERATIONS, machine, node_labels, overlay, title
from diagrams.product import product
from diagrams.render import digest, digest_in, svg, texts
from diagrams.sequence import sequence
from model.extensions import extensions, with_needed
from model.flaws import flaws
from model.roles import role
from model.scenario import scenario

FOLDER = Path(__file__).with_name("gallery")
INDEX = "README.md"

COMPOSED = ("early_data", "psk", "retry")
"""The extensions that are drawn in one machine of TLS 1.3, as in RFC 8446 A."""

PRODUCTS = ("honest",)
"""The scenarios of the drawn product graphs: small, on a reliable network."""

HONEST = {
    "run-tls12": ("A full handshake of TLS 1.2 with ECDHE.", "TLS12", "ECDHE", "none"),
    "run-tls12-client-certificate": (
        "A full handshake of TLS 1.2 with RSA and a client certificate.",
        "TLS12",
        "RSA",
        "honest",
    ),
    "run-tls13": ("A full handshake of TLS 1.3.", "TLS13", "AEAD", "none"),
    "run-tls13-client-certificate": (
        "A full handshake of TLS 1.3 with a client certificate.",
        "TLS13",
        "AEAD",
        "honest",
    ),
}
"""Honest runs by name: heading, version, suite, the client's certificate."""


@dataclass(frozen=True)
class Picture:
    """A picture with a heading and one line of description for the index.

    `text` is the SVG or, if Graphviz draws the picture (`drawn`), the DOT text.
    """

    name: str
    section: str
    title: str
    text: str
    drawn: bool = True

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the picture's files."""
        return (f"{self.name}.dot", f"{self.name}.svg") if self.drawn else (f"{self.name}.svg",)


def pictures() -> Iterator[Picture]:
    """Every picture, in the order of the index."""
    # Searches of several handshakes take longest and are begun first.
    sizes = {n: scenario(f.where) for n, f in flaws().items()}
    last = sorted(flaws(), key=lambda n: -(sizes[n].clients + sizes[n].servers))
    with ProcessPoolExecutor(cores()) as pool:
        found = {n: pool.submit(flaw, n) for n in last}
        runs = {n: pool.submit(run, n) for n in HONEST}
        yield from machines()
        for name in PRODUCTS:
            yield Picture(
                f"product-{name}",
                "Product graphs",
                f"Client and server together in scenario {name}, folded by their local states.",
                product(scenario(name)).source,
            )
        for charts in (runs, found):
            for name in sorted(charts):
                yield charts[name].result()


def run(name: str) -> Picture:
    """The picture of an honest handshake in HONEST, until both ends are connected."""
    about, version, suite, certificate = HONEST[name]
    values = {
        "state": "CONNECTED",
        "max_version": version,
        "version": version,
        "suite": suite,
        "client_certificate": certificate,
    }
    trace = handshake("honest", values, about)
    return Picture(name, "Honest runs", about, sequence(trace, about), drawn=False)


def flaw(name: str) -> Picture:
    """The picture of the attack that shows a published flaw, at the first of its ends."""
    of = flaws()[name]
    result = attack(of, of.ends[0])
    at = "both ends" if of.ends[0] == "both" else f"the {of.ends[0]}"
    said = (
        f"{of.title[:1].upper()}{of.title[1:]}, at {at}.\nSource: {of.reference}.\n"
        f"Broken at the end: {result.id} {result.property.replace('_', ' ')}."
    )
    about = f"{' '.join(said.splitlines())} {count(len(result.trace), 'step')}."
    return Picture(f"flaw-{name}", "Flaws", about, sequence(result.trace, said), drawn=False)


def documents(shown: Sequence[Picture]) -> dict[str, str]:
    """The texts of the index and the alert table, by file name."""
    ends = [role(name) for name in ("client", "server")]
    return {
        INDEX: index(shown),
        "alerts.md": alerts.as_markdown(ends),
        "alerts.json": alerts.as_json(ends),
    }


def machines() -> Iterator[Picture]:
    """The pictures of each role in full, by generation and composed, then of each extension."""
    for name in ("client", "server"):
        drawn = [(role(name), g) for g in (None, *GENERATIONS)]
        for of, generation in (*drawn, (role(name, COMPOSED), "tls13")):
            graph = machine(of, generation)
            yield Picture(str(graph.name), "Machines", title(of, generation), graph.source)
    for extension in extensions().values():
        for name in ("client", "server"):
            added = overlay(role(name, with_needed(extension.name)), extension)
            if added is not None:
                about = f"The {name}: {extension.summary} (RFC {extension.rfc})."
                yield Picture(str(added.name), "Extensions", about, added.source)


def index(shown: Sequence[Picture]) -> str:
    """The text of the README: one line a picture, then the pictures."""
    picture = screenshot.NAME
    sections = list(dict.fromkeys(p.section for p in shown))
    lines = [
        "# Gallery",
        "",
        "Generated by `make diagrams` from the model's tables and the checker's replayed traces: "
        "do not edit.",
        "`python -m checker diagrams --check` says whether it is fresh.",
        "",
        "The machines leave out the rows that refuse a message. A flaw's chart is the trace that "
        "`python -m checker verify --flaw NAME` prints, a shortest one.",
        "",
        "Which alert each state answers each message with: [alerts.md](alerts.md), as data in "
        "[alerts.json](alerts.json).",
        "",
        screenshot.ABOUT,
        "",
        f"![{picture}]({picture})",
    ]
    for section in sections:
        lines += ["", f"**{section}**", ""]
        lines += [f"- [{p.name}](#{p.name}): {p.title}" for p in shown if p.section == section]
    for p in shown:
        lines += ["", f"## {p.name}", "", p.title, "", f"![{p.name}]({p.name}.svg)"]
    return "\n".join(lines) + "\n"


def main(check: bool, folder: Path = FOLDER) -> int:
    """Write the gallery, or with `check` print the files that are not fresh; 1 if any, else 0.

    FileNotFoundError, before anything is written, if Graphviz is needed and missing.
    """
    shown = list(pictures())
    if check:
        problems = stale(shown, folder)
        for line in problems:
            sys.stdout.write(f"{line}\n")
        sys.stdout.write(
            f"the gallery is not fresh: {len(problems)} files; type `make diagrams`\n"
            if problems
            else f"the gallery is fresh: {len(shown)} pictures\n"
        )
        return 1 if problems else 0
    drawn = {
        f"{p.name}.svg": svg(p.text) for p in shown if p.drawn and problem(p, folder) is not None
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (exact(shown) | drawn).items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    for name in sorted(_present(folder) - _expected(shown)):
        if name.endswith((".dot", ".svg")):
            (folder / name).unlink()
    sys.stdout.write(f"{len(shown)} pictures, {len(drawn)} drawn, in {folder}\n")
    if not screenshot.fresh(folder):
        try:
            (folder / screenshot.NAME).write_bytes(screenshot.taken())
        except FileNotFoundError as e:
            sys.stdout.write(f"{screenshot.NAME} is not taken anew: {e}\n")
    return 0


def stale(shown: Sequence[Picture], folder: Path = FOLDER) -> list[str]:
    """One line for each stale, missing or extra file of the folder, sorted by name."""
    present, expected = _present(folder), _expected(shown)
    out = {name: f"missing: {name}" for name in expected - present}
    out |= {name: f"extra: {name}" for name in present - expected}
    for name, text in exact(shown).items():
        if name in present and (folder / name).read_bytes() != text.encode():
            out[name] = f"stale: {name}"
    for p in shown:
        if p.drawn and f"{p.name}.svg" in present and (why := problem(p, folder)) is not None:
            out[f"{p.name}.svg"] = f"stale: {p.name}.svg{why}"
    if screenshot.NAME in present and not screenshot.fresh(folder):
        out[screenshot.NAME] = f"stale: {screenshot.NAME}: the page has changed"
    return [out[name] for name in sorted(out)]


def exact(shown: Sequence[Picture]) -> dict[str, str]:
    """The texts that do not depend on Graphviz, by file name."""
    return {p.files[0]: p.text for p in shown} | documents(shown)


def problem(p: Picture, folder: Path) -> str | None:
    """The reason, to end a line, why the SVG does not fit the DOT text; None if it fits."""
    file = folder / f"{p.name}.svg"
    there = file.read_text(encoding="utf-8") if file.is_file() else ""
    if digest_in(there) != digest(p.text):
        return ""
    lost = [x for x in node_labels(p.text) if x not in texts(there)]
    return f": it does not show {', '.join(lost)}" if lost else None


def _present(folder: Path) -> set[str]:
    return {f.name for f in folder.iterdir()} if folder.is_dir() else set()


def _expected(shown: Sequence[Picture]) -> set[str]:
    return {screenshot.NAME, *documents(shown), *(f for p in shown for f in p.files)}

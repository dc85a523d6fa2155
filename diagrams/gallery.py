"""The gallery: every picture as SVG, checked in, with an index; the alert table.

Sequence charts are drawn here, as text; the others are DOT text that Graphviz draws. `main` with
`check` makes all texts again and compares: a chart with its file, a DOT text with the `.dot` file
and with the digest that the SVG carries, whose text must have every label of a node. No Graphviz is
needed for that. An SVG that carries the right digest is not drawn again: delete it to have it
redrawn by another Graphviz.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from checker.attack import attack, handshake
from checker.pool import cores
from diagrams import alerts
from diagrams.machine import GENERATIONS, machine, node_labels, overlay
from diagrams.product import product
from diagrams.render import digest, digest_in, svg, texts
from diagrams.sequence import sequence
from model.extensions import extensions, with_needed
from model.flaws import flaws
from model.roles import role
from model.scenario import scenario

FOLDER = Path(__file__).with_name("gallery")
INDEX = "README.md"

PRODUCTS = ("honest",)
"""The scenarios whose product graph is drawn: small, and on a reliable network."""

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
"""Honest runs by name: what it is, version, suite, the client's certificate."""


@dataclass(frozen=True)
class Picture:
    """One picture: the name of its files, its heading in the index, one line about it.

    `text` is the SVG itself or, if it is `drawn` by Graphviz, the DOT text.
    """

    name: str
    section: str
    title: str
    text: str
    drawn: bool = True

    @property
    def files(self) -> tuple[str, ...]:
        """The names of its files."""
        return (f"{self.name}.dot", f"{self.name}.svg") if self.drawn else (f"{self.name}.svg",)


def pictures() -> Iterator[Picture]:
    """Every picture, in the order of the index."""
    # The longest searches are those of several handshakes: they are begun first.
    sizes = {n: scenario(f.scenario) for n, f in flaws().items()}
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
    """An honest handshake of HONEST, until both ends are connected."""
    title, version, suite, certificate = HONEST[name]
    values = {
        "state": "CONNECTED",
        "max_version": version,
        "version": version,
        "suite": suite,
        "client_certificate": certificate,
    }
    trace = handshake("honest", values, title)
    return Picture(name, "Honest runs", title, sequence(trace, title), drawn=False)


def flaw(name: str) -> Picture:
    """The attack that tells a published flaw, at the ends that come first."""
    of = flaws()[name]
    result = attack(of, of.ends[0])
    at = "both ends" if of.ends[0] == "both" else f"the {of.ends[0]}"
    title = (
        f"{of.title[:1].upper()}{of.title[1:]}, at {at}.\nSource: {of.source}.\n"
        f"Broken at the end: {result.id} {result.property.replace('_', ' ')}."
    )
    about = f"{' '.join(title.splitlines())} {len(result.trace)} steps."
    return Picture(f"flaw-{name}", "Flaws", about, sequence(result.trace, title), drawn=False)


def documents(shown: Sequence[Picture]) -> dict[str, str]:
    """The texts beside the pictures, by file name: the index, the alert table."""
    ends = [role(name) for name in ("client", "server")]
    return {
        INDEX: index(shown),
        "alerts.md": alerts.as_markdown(ends),
        "alerts.json": alerts.as_json(ends),
    }


def machines() -> Iterator[Picture]:
    """Each role in full, then by generation; then what each extension adds."""
    for name in ("client", "server"):
        for generation in (None, *GENERATIONS):
            graph = machine(role(name), generation)
            what = GENERATIONS[generation] if generation else "every generation"
            yield Picture(str(graph.name), "Machines", f"The {name}, {what}.", graph.source)
    for extension in extensions().values():
        for name in ("client", "server"):
            drawn = overlay(role(name, with_needed(extension.name)), extension)
            if drawn is not None:
                title = f"The {name}: {extension.summary} (RFC {extension.rfc})."
                yield Picture(str(drawn.name), "Extensions", title, drawn.source)


def index(shown: Sequence[Picture]) -> str:
    """The README: one line a picture, then the pictures."""
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
    ]
    for section in sections:
        lines += ["", f"**{section}**", ""]
        lines += [f"- [{p.name}](#{p.name}): {p.title}" for p in shown if p.section == section]
    for p in shown:
        lines += ["", f"## {p.name}", "", p.title, "", f"![{p.name}]({p.name}.svg)"]
    return "\n".join(lines) + "\n"


def main(check: bool, folder: Path = FOLDER) -> int:
    """Write the gallery, or with `check` say what in it is not fresh: 0 if all is, else 1.

    FileNotFoundError, before anything is written, if it has to draw and there is no Graphviz.
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
    return 0


def stale(shown: Sequence[Picture], folder: Path = FOLDER) -> list[str]:
    """One line for each file of the folder that is stale, missing or extra, sorted by name."""
    present, expected = _present(folder), _expected(shown)
    out = {name: f"missing: {name}" for name in expected - present}
    out |= {name: f"extra: {name}" for name in present - expected}
    for name, text in exact(shown).items():
        if name in present and (folder / name).read_bytes() != text.encode():
            out[name] = f"stale: {name}"
    for p in shown:
        if p.drawn and f"{p.name}.svg" in present and (why := problem(p, folder)) is not None:
            out[f"{p.name}.svg"] = f"stale: {p.name}.svg{why}"
    return [out[name] for name in sorted(out)]


def exact(shown: Sequence[Picture]) -> dict[str, str]:
    """The files, by name, whose text does not depend on Graphviz."""
    return {p.files[0]: p.text for p in shown} | documents(shown)


def problem(p: Picture, folder: Path) -> str | None:
    """Why an SVG of Graphviz is not that of its DOT text, as the end of a line; None if it is."""
    file = folder / f"{p.name}.svg"
    there = file.read_text(encoding="utf-8") if file.is_file() else ""
    if digest_in(there) != digest(p.text):
        return ""
    lost = [x for x in node_labels(p.text) if x not in texts(there)]
    return f": it does not show {', '.join(lost)}" if lost else None


def _present(folder: Path) -> set[str]:
    return {f.name for f in folder.iterdir()} if folder.is_dir() else set()


def _expected(shown: Sequence[Picture]) -> set[str]:
    return {*documents(shown), *(f for p in shown for f in p.files)}

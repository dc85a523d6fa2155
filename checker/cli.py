"""The command line: one function for each command of `COMMANDS`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from checker.verdict import EXIT

ENGINES = {
    "reference": "fires the transitions machines into a networkx graph; judges the others",
    "explicit": "breadth-first search compiled to C or, without a compiler, to numpy",
    "symbolic": "unbounded proof by PDR, then Spacer (Z3), each invariant re-checked",
}


def parser() -> argparse.ArgumentParser:
    """The argument parser."""
    top = argparse.ArgumentParser(
        prog="python -m checker",
        description="Model checker for the TLS handshake.",
        epilog=EXIT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--traceback", action="store_true", help="show tracebacks of internal errors")
    sub = top.add_subparsers(dest="command", required=True)
    v = sub.add_parser(
        "verify",
        help="decide properties",
        epilog=EXIT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    v.add_argument("properties", nargs="*", metavar="PROPERTY", help="names or ids; default: all")
    which = v.add_mutually_exclusive_group()
    which.add_argument("--scenario", help="one scenario; default: all default ones")
    which.add_argument("--all", action="store_true", help="every scenario, the long ones too")
    v.add_argument(
        "--engine",
        choices=[*sorted(ENGINES), "all"],
        help="one engine, or all: search and proof of each property, which must agree; "
        "default: the scenario's",
    )
    v.add_argument(
        "--flaw",
        metavar="NAME[@END]",
        help="a published flaw at client, server or both, or a file with FLAW",
    )
    v.add_argument("--drop", metavar="RULE[:CHECK]", help="drop one check of a rule")
    v.add_argument("--time", type=_positive(float), metavar="S", help="seconds for each task")
    v.add_argument("--memory", type=_bytes, metavar="M", help="bytes for each search: 500M, 2G")
    v.add_argument("--states", type=_positive(int), metavar="N", help="states for each search")
    v.add_argument("--backend", choices=("c", "numpy"), help="of a search; default: C, if it can")
    kept = v.add_mutually_exclusive_group()
    kept.add_argument("--checkpoint", metavar="DIR", help="keep each search there as it goes")
    kept.add_argument("--resume", metavar="DIR", help="go on with the searches kept there")
    v.add_argument(
        "--spill",
        metavar="DIR",
        help="keep the states in files there, not in memory; default: in the temporary folder "
        "when memory is short; none: never",
    )
    v.add_argument("--cluster", metavar="ADDRESS", help="search on a Dask cluster: its scheduler")
    v.add_argument(
        "--stop-at-first", action="store_true", help="end a search at its first violation"
    )
    v.add_argument("--rfc", metavar="NUMBER", help="group the verdicts by the sections of an RFC")
    v.add_argument("--format", choices=("text", "json"), default="text")
    v.add_argument("-o", "--output", metavar="FILE", help="write there instead of to stdout")
    v.add_argument("--certificates", metavar="DIR", help="write each proof as a file there")
    from checker.certificate.solvers import SOLVERS
    from checker.report.certificates import EXIT as CERTIFIED

    ct = sub.add_parser(
        "certify",
        help="check certificates again by SMT solvers",
        epilog=CERTIFIED,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    ct.add_argument("files", nargs="+", metavar="FILE", help="written by verify --certificates")
    ct.add_argument(
        "--solver",
        action="append",
        choices=list(SOLVERS),
        help="may be repeated; default: all that are installed",
    )
    ct.add_argument(
        "--time",
        type=_positive(float),
        metavar="S",
        help="seconds for each solver and file (default: 60)",
    )
    ct.add_argument("--format", choices=("text", "json"), default="text")
    ls = sub.add_parser("list", help="properties, scenarios, capabilities, flaws, rules, engines")
    ls.add_argument("--format", choices=("text", "json"), default="text")
    d = sub.add_parser("diagrams", help="draw the gallery")
    d.add_argument("--check", action="store_true", help="prove the gallery fresh, write nothing")
    m = sub.add_parser("monitor", help="hold a real handshake against the machines")
    m.add_argument("file", nargs="?", metavar="FILE", help="a recorded message list (JSON lines)")
    m.add_argument("--live", action="store_true", help="run real handshakes on loopback")
    m.add_argument("--record", metavar="FILE", help="with --live: write what was recorded")
    a = sub.add_parser(
        "audit",
        help="hold machines learned from real stacks against the model",
        epilog="exit status: 0 no file is laxer than the model, 1 one is, 2 one cannot be read",
    )
    a.add_argument("files", nargs="+", metavar="FILE.dot", help="a learned Mealy machine")
    a.add_argument("--role", choices=("server", "client"), help="default: read off the file")
    a.add_argument("--version", choices=("1.0", "1.1", "1.2", "1.3"), help="default: 1.2 or 1.3")
    a.add_argument("--format", choices=("text", "json"), default="text")
    c = sub.add_parser("coverage", help="rules never taken, checks that never decided anything")
    c.add_argument("--scenario", required=True, help="one scenario")
    c.add_argument("--flaw", metavar="NAME[@END]", help="with a published flaw")
    c.add_argument("--time", type=_positive(float), metavar="S", help="seconds for the search")
    c.add_argument("--states", type=_positive(int), metavar="N", help="states for the search")
    c.add_argument("--format", choices=("text", "json"), default="text")
    t = sub.add_parser("tightness", help="which demands a property rests on: drop each alone")
    t.add_argument(
        "properties",
        nargs="*",
        metavar="PROPERTY",
        help="invariants, by name or id; default: all declared to hold",
    )
    t.add_argument("--scenario", help="default: the smallest searched one in which it holds")
    t.add_argument("--time", type=_positive(float), metavar="S", help="seconds for each search")
    t.add_argument("--format", choices=("text", "json"), default="text")
    from checker.export import formats

    x = sub.add_parser("export", help="write a scenario for another model checker")
    x.add_argument(
        "export_format",
        choices=list(formats()),
        metavar="FORMAT",
        help="; ".join(f"{n}: {m.SUMMARY}" for n, m in formats().items()),
    )
    x.add_argument("properties", nargs="*", metavar="PROPERTY", help="names or ids; default: all")
    x.add_argument("--scenario", required=True, help="one scenario")
    x.add_argument("--flaw", metavar="NAME[@END]", help="a published flaw, as in verify")
    x.add_argument("-o", "--output", metavar="FILE", help="write there instead of to stdout")
    return top


def _positive(kind: Any) -> Any:
    def parse(text: str) -> Any:
        value = kind(text)
        if value <= 0:
            raise ValueError
        return value

    parse.__name__ = f"positive {kind.__name__}"
    return parse


def _bytes(text: str) -> int:
    units = {"K": 2**10, "M": 2**20, "G": 2**30}
    unit = units.get(text[-1:].upper(), 1)
    value = float(text[:-1] if unit > 1 else text) * unit
    if value <= 0:
        raise ValueError
    return int(value)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit status (see `--help`)."""
    args = parser().parse_args(argv)
    from model.rule import ModelError

    try:
        return COMMANDS[args.command](args)
    except (LookupError, FileNotFoundError) as e:
        if args.traceback:
            raise
        sys.stderr.write(f"error: {e.args[0] if e.args else e}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130
    except ModelError as e:
        if args.traceback:
            raise
        sys.stderr.write(f"error in the model: {e}\n")
        return 4
    except Exception as e:
        if args.traceback:
            raise
        sys.stderr.write(f"internal error: {type(e).__name__}: {e}; --traceback shows where\n")
        return 4


EVERY = 10.0
"""Seconds between two lines of progress where stderr is no terminal."""
_told = [0.0]


def _progress(line: str) -> None:
    """The present state of long work: one line that changes on a terminal, else one every 10 s."""
    import time

    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{line}")
        sys.stderr.flush()
        return
    _told[0] = _told[0] or time.monotonic()
    if line and time.monotonic() - _told[0] > EVERY:
        _told[0] = time.monotonic()
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


def _note(line: str) -> None:
    """A line on stderr that stays."""
    start = "\r\x1b[K" if sys.stderr.isatty() else ""
    sys.stderr.write(f"{start}{line}\n")
    sys.stderr.flush()


def _verify(args: argparse.Namespace) -> int:
    from checker.decide import in_c
    from checker.report import machine_readable, text
    from checker.report.requirements import requirements
    from checker.request import Request, patch_of, properties_of, scenarios_of
    from checker.verdict import exit_status
    from checker.verify import verify

    request = Request(
        tuple(args.properties),
        args.scenario,
        args.engine,
        args.flaw,
        args.drop,
        args.time,
        args.memory,
        args.states,
        args.stop_at_first,
        args.backend or "",
        args.checkpoint or args.resume or "",
        args.resume is not None,
        args.spill or "",
        args.cluster or "",
        args.certificates or "",
        args.all,
    )
    patch_of(request)
    if args.all and args.flaw:
        raise LookupError("--all goes with no --flaw: a flaw has a scenario of its own")
    if request.certificates:
        if request.flaw and request.flaw.partition("@")[0].endswith(".py"):
            raise LookupError("--certificates goes with no flaw of a file: it could not be checked")
        Path(request.certificates).mkdir(parents=True, exist_ok=True)
    in_c(request)
    if args.rfc:
        requirements(args.rfc)
    applicable = [p for s in scenarios_of(request) for p in properties_of(request, s)]
    if not applicable:
        raise LookupError("no property asked for applies in the scenario asked for")
    outcome = verify(request, _progress, note=_note)
    _progress("")
    results = outcome.results
    status = exit_status(results, interrupted=outcome.interrupted)
    if args.rfc:
        out = _by_section(args, scenarios_of(request), results)
        out += "\n\n" + text.summary(results) if args.format == "text" else ""
    elif args.format == "json":
        out = machine_readable.as_json(results, interrupted=outcome.interrupted)
    else:
        parts = [text.table(results)]
        shown = [
            r
            for r in results
            if r.trace is not None
            and (not r.as_declared or request.flaw or request.drop or request.properties)
        ]
        if request.flaw or request.drop:
            # Several properties may fall to one attack: show the one that tells it, or else the
            # shortest.
            found = patch_of(request)
            best = found[0].shows if found else ""
            shown = sorted(shown, key=lambda r: (r.property != best, len(r.trace)))[:1]
        parts += [text.chart(r.trace) for r in shown]
        parts += [
            f"{r.property}: the invariant that says otherwise\n\n{r.certificate}"
            for r in results
            if r.error and r.certificate
        ]
        parts.append(text.summary(results))
        if outcome.interrupted:
            parts.append("interrupted: these are the results so far")
        out = "\n\n".join(parts)
    if args.output:
        with open(args.output, "w", encoding="utf-8") as f:
            f.write(out + "\n")
    else:
        sys.stdout.write(out + "\n")
    return status


def _by_section(args: argparse.Namespace, where: Sequence[Any], results: Sequence[Any]) -> str:
    from checker.report import requirements
    from model.roles import role
    from properties import catalogue

    kinds = dict.fromkeys(s.extensions for s in where)
    ends = [role(end, names) for names in kinds for end in ("client", "server")]
    rules = {r.name: r for end in ends for r in end.rules}
    found = requirements.sections(args.rfc, results, [*rules.values()], [*catalogue().values()])
    form = requirements.as_json if args.format == "json" else requirements.as_text
    return form(args.rfc, found)


def _certify(args: argparse.Namespace) -> int:
    from checker.certificate.check import certify_all
    from checker.report import certificates as report

    found, interrupted = certify_all(args.files, args.solver, args.time, _progress)
    _progress("")
    form = report.as_json if args.format == "json" else report.as_text
    sys.stdout.write(form(found, interrupted=interrupted) + "\n")
    return 130 if interrupted else report.exit_status(found)


def listing() -> dict[str, Any]:
    """Everything there is, by kind."""
    from checker.request import expectations
    from model.adversary.capabilities import capabilities
    from model.flaws import flaws
    from model.roles import role
    from model.scenario import SCENARIOS
    from properties import catalogue

    expectations()
    return {
        "schema_version": 1,
        "properties": [
            {
                "name": p.name,
                "id": p.id,
                "rfc": p.rfc,
                "kind": p.kind,
                "needs": list(p.needs),
                "says": " ".join((p.function.__doc__ or "").split()),
            }
            for p in catalogue().values()
        ],
        "scenarios": [
            {
                "name": s.name,
                "summary": s.summary,
                "methods": list(s.methods),
                "default": s.default,
                "features": sorted(s.features),
            }
            for s in SCENARIOS
        ],
        "capabilities": [{"name": n, "summary": str(m.SUMMARY)} for n, m in capabilities().items()],
        "flaws": [
            {
                "name": f.name,
                "number": f.number,
                "title": f.title,
                "source": f.source,
                "scenario": f.scenario,
                "ends": list(f.ends),
                "capability": f.capability,
            }
            for f in flaws().values()
        ],
        "rules": [
            {
                "name": r.name,
                "role": r.role,
                "rfc": r.rfc,
                "from": list(r.sources),
                "to": r.target,
                "checks": [c.name for c in r.checks],
            }
            for name in ("client", "server")
            for r in role(name).table
        ],
        "engines": [{"name": n, "summary": s} for n, s in ENGINES.items()],
    }


def decided(methods: Sequence[str]) -> str:
    """How a scenario is decided: "searched", "proved", or "searched and proved"."""
    words = {"explicit": "searched", "symbolic": "proved"}
    return " and ".join(words[m] for m in methods)


def _list(args: argparse.Namespace) -> int:
    every = listing()
    if args.format == "json":
        sys.stdout.write(json.dumps(every, indent=1) + "\n")
        return 0
    for kind, rows in every.items():
        if not isinstance(rows, list):
            continue
        sys.stdout.write(f"{kind}:\n")
        for row in rows:
            about = row.get("says") or row.get("summary") or row.get("title") or row.get("rfc")
            more = f" [{', '.join(row['checks'])}]" if row.get("checks") else ""
            if kind == "scenarios":
                more = f" [{decided(row['methods'])}{'' if row['default'] else ', not by default'}]"
            line = f"  {row.get('id', ''):8}{row['name']}{more}  {about}".rstrip()
            sys.stdout.write(f"{line}\n")
        sys.stdout.write("\n")
    return 0


def _diagrams(args: argparse.Namespace) -> int:
    from diagrams.gallery import main as draw

    return draw(check=args.check)


def _monitor(args: argparse.Namespace) -> int:
    from checker.conformance.monitor import main as watch

    return watch(args)


def _audit(args: argparse.Namespace) -> int:
    from checker.conformance.audit import audit_all
    from checker.report import audit as report

    results, interrupted = audit_all(args.files, args.role, args.version, _progress)
    _progress("")
    form = report.as_json if args.format == "json" else report.as_text
    sys.stdout.write(form(results, interrupted=interrupted) + "\n")
    return 130 if interrupted else report.exit_status(results)


def _coverage(args: argparse.Namespace) -> int:
    from checker.coverage import as_json, as_text, coverage
    from checker.request import Request

    found = coverage(
        Request(scenario=args.scenario, flaw=args.flaw, seconds=args.time, states=args.states)
    )
    sys.stdout.write((as_json if args.format == "json" else as_text)(found) + "\n")
    return 3 if found.reason else 0


def _tightness(args: argparse.Namespace) -> int:
    from checker.report import tightness as report
    from checker.request import Request
    from checker.tightness import Tightness, tightness

    found: list[Tightness] = []
    interrupted = False
    try:
        for so_far in tightness(
            args.properties, args.scenario, Request(seconds=args.time), _progress
        ):
            found = so_far
    except KeyboardInterrupt:
        interrupted = True
    _progress("")
    if args.format == "json":
        out = report.as_json(found)
    elif len(args.properties) == 1:
        out = "\n".join(map(report.as_text, found))
    else:
        out = report.overview(found) if found else ""
    sys.stdout.write(f"{out}\n")
    if interrupted:
        sys.stderr.write("interrupted: these are the drops so far\n")
    return 130 if interrupted else report.status(found)


def _export(args: argparse.Namespace) -> int:
    from checker.export import main as write

    return write(args)


COMMANDS = {
    "verify": _verify,
    "certify": _certify,
    "list": _list,
    "diagrams": _diagrams,
    "monitor": _monitor,
    "audit": _audit,
    "coverage": _coverage,
    "export": _export,
    "tightness": _tightness,
}

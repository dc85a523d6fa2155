"""The command line: one function for each command of `COMMANDS`."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checker import output
from checker.arguments import KINDS, parser
from checker.signals import stoppable
from model.near import UsageError, meant

if TYPE_CHECKING:
    from checker.request import Request
    from checker.verdict import Result
    from checker.verify import Outcome


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit status (see `--help`)."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - until the process ends
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr does
    if "_ARGCOMPLETE" in os.environ:
        from checker.completion import offer

        offer()
    words = sys.argv[1:] if argv is None else argv
    args = parser(words).parse_args(words)
    try:
        if args.command not in LIGHT and (why := _lacking()):
            output.complain(f"not decided: {why}")
            return 3
        with stoppable():
            return COMMANDS[args.command](args)
    except BrokenPipeError:
        output.mute()
        return 141  # the status of a process ended by SIGPIPE
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130
    except Exception as e:
        if args.traceback:
            raise
        says, status = failed(e)
        output.complain(says)
        return status


def _lacking() -> str:
    """What the engines lack to be loaded; empty if nothing."""
    from checker.engines.room import lacking

    return lacking()


def failed(e: Exception) -> tuple[str, int]:
    """The message of an error, and its exit status."""
    from checker.pool import DiedError, LateError
    from model.rule import ModelError
    from model.solver import UndecidedError

    if isinstance(e, UsageError):
        return f"error: {e}", 2
    if isinstance(e, OSError) and e.filename:
        return f"error: {e.filename}: {e.strerror}", 2
    if isinstance(e, MemoryError):
        return "not decided: the system gave no more memory", 3
    if isinstance(e, UndecidedError | DiedError | LateError):
        return f"not decided: {e}", 3
    if isinstance(e, ModelError):
        return f"error in the model: {e}", 4
    return f"internal error: {type(e).__name__}: {e}; --traceback shows where", 4


LIGHT = ("list", "cache", "export", "docs", "doctor")
"""The commands that load no engine."""
EVERY = 10.0
"""Seconds between two lines of progress if stderr is no terminal."""
told = [0.0]


def progress(line: str) -> None:
    """Show the progress of long work: one changing line on a terminal, else a line every 10 s."""
    import time

    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{output.line(line)}")
        sys.stderr.flush()
        return
    told[0] = told[0] or time.monotonic()
    if line and time.monotonic() - told[0] > EVERY:
        told[0] = time.monotonic()
        output.complain(line)


def note(line: str) -> None:
    """Write a permanent line to stderr."""
    start = "\r\x1b[K" if sys.stderr.isatty() else ""
    sys.stderr.write(f"{start}{output.line(line)}\n")
    sys.stderr.flush()


def _verify(args: argparse.Namespace) -> int:
    from checker.patched import IDLE
    from checker.replay import keep
    from checker.report import junit, machine_readable, markdown, sarif, terminal, text
    from checker.report.requirements import requirements
    from checker.request import Request, checked, left_out, scenarios_of
    from checker.verdict import exit_status
    from checker.verify import verify
    from model.flaws import of_file

    request = Request(
        tuple(args.properties),
        args.scenario,
        args.engine,
        args.flaw,
        tuple(args.drop or ()),
        args.time,
        args.memory,
        args.states,
        args.stop_at_first,
        args.certificates or "",
        args.all,
        not args.fresh,
        args.file or "",
        backend=args.backend or "",
        checkpoint=args.checkpoint or args.resume or "",
        resume=args.resume is not None,
        spill=args.spill or "",
    )
    if args.all and args.flaw:
        raise UsageError("--all cannot be combined with --flaw (a flaw has its own scenario)")
    if args.rfc and args.format not in ("text", "json"):
        raise UsageError(f"--rfc cannot be combined with --format {args.format}: text or json")
    notes = checked(request)
    if request.certificates:
        if request.file or (request.flaw and of_file(request.flaw)):
            raise UsageError(
                "--certificates cannot be combined with a file of your own (it is not run again)"
            )
        output.check_folder("--certificates", request.certificates)
    if args.traces:
        output.check_folder("--traces", args.traces)
    if args.output:
        output.check_file("-o", args.output)
    if args.rfc:
        requirements(args.rfc)
    for line in notes:
        note(line)
    here = args.format == "text" and not args.output
    width = terminal.width() if here else None
    paint = [terminal.painted] if here and terminal.coloured() else []
    stream = output.Stream(args.output, *paint)
    streamed = args.format == "jsonl" or (args.format == "text" and not args.rfc)
    streamed &= not _by_property(request)
    told: list[Result] = []

    def report(results: Sequence[Result]) -> None:
        told.extend(results)
        progress("")
        if args.traces:
            keep(results, request, args.traces)
        if args.format == "jsonl":
            stream.say(machine_readable.as_lines(results))
        elif streamed:
            stream.say(f"{text.table(results, width)}\n\n")

    try:
        outcome = verify(request, progress, note=note, report=report)
    except BrokenPipeError:
        output.mute()
        return exit_status(told)
    progress("")
    results = outcome.results
    if results and all(r.error and r.reason.startswith(IDLE) for r in results):
        raise UsageError(
            f"{request.patch}: {results[0].reason}; in {results[0].scenario} it can "
            "never take what it should: look at its states, its guard, and the scenario"
        )
    if args.rfc:
        out = _by_section(args, scenarios_of(request), results)
        out += "\n\n" + text.summary(results) if args.format == "text" else ""
    elif args.format == "json":
        out = machine_readable.as_json(outcome, left_out(request))
    elif args.format == "junit":
        out = junit.as_junit(outcome, left_out(request))
    elif args.format == "sarif":
        out = sarif.as_sarif(results, request, interrupted=outcome.interrupted)
    elif args.format == "markdown":
        out = markdown.as_markdown(outcome, left_out(request), request)
    elif args.format == "html":
        out = _page("verdicts", request, outcome, progress)
    elif args.format == "jsonl":
        out = machine_readable.last_line(outcome, left_out(request))
    else:
        out = _as_text(request, outcome, width, table=not streamed)
        out += "\n\ninterrupted: these are the results so far" if outcome.interrupted else ""
    stream.say(f"{out}\n")
    stream.close()
    return exit_status(results, odd_cases=bool(outcome.odd_cases), interrupted=outcome.interrupted)


def _page(kind: str, *given: Any) -> str:
    """The page that a module of `checker.report.html` makes."""
    from importlib import import_module

    from checker.report.html.bundle import bundled

    out = bundled(import_module(f"checker.report.html.{kind}").page(*given))
    progress("")
    return out


def _by_property(request: Request) -> bool:
    """Whether the table of verdicts is by property, over many scenarios."""
    return bool(request.drop and not request.flaw and not request.scenario)


def _give(text: str, path: str | None = None) -> None:
    """Write the result of a command to a file, or to stdout."""
    if path:
        output.write(path, f"{text}\n")
    else:
        output.say(f"{text}\n")


def _as_text(request: Request, outcome: Outcome, width: int | None, *, table: bool) -> str:
    """The table of verdicts if asked for, the chart of a violation, the summary, and what fell."""
    from checker.attack import telling
    from checker.patched import fallen
    from checker.report import text
    from checker.report.columns import WIDTH
    from checker.report.sequence import chart
    from checker.request import omissions, patch_of

    results = outcome.results
    traced = [r for r in results if r.trace is not None]
    shown = [r for r in traced if not r.as_declared or fallen(r) or request.properties]
    found = patch_of(request)
    best = telling(shown, found[0].shows if found else "")
    form = text.by_property if _by_property(request) else text.table
    parts = [form(results, width)] if table else []
    if best is not None:
        parts.append(chart(best.trace, width or WIDTH, best.rows))
    parts += [
        f"{r.property}: the invariant that says otherwise\n\n{r.certificate}"
        for r in results
        if r.error and r.certificate
    ]
    said = [
        text.of_patch(outcome.rows, results),
        "\n".join(omissions(request)),
        "\n".join(f"! {x}" for x in outcome.odd_cases),
    ]
    last = filter(None, (text.summary(results), text.fell(results)))
    return "\n\n".join([*parts, *filter(None, said), "\n".join(last)])


def _by_section(args: argparse.Namespace, where: Sequence[Any], results: Sequence[Any]) -> str:
    from checker.report import requirements
    from model.roles import role

    kinds = dict.fromkeys(s.extensions for s in where)
    ends = [role(end, names) for names in kinds for end in ("client", "server")]
    rules = {r.name: r for end in ends for r in end.rules}
    found = requirements.sections(args.rfc, results, [*rules.values()])
    form = requirements.as_json if args.format == "json" else requirements.as_text
    return form(args.rfc, found)


def _attacks(args: argparse.Namespace) -> int:
    from checker.report.attacks import main as attack

    return attack(args, progress)


def _certify(args: argparse.Namespace) -> int:
    from checker.certificate.check import certify_all
    from checker.report import certificates as report

    found, interrupted = certify_all(args.files, args.solver, args.time, progress)
    progress("")
    form = report.as_json if args.format == "json" else report.as_text
    _give(form(found, interrupted=interrupted))
    return 130 if interrupted else report.exit_status(found)


def _list(args: argparse.Namespace) -> int:
    from checker import listing

    if args.touching:
        return listing.touching(args.touching, args.format, progress)
    kinds = (meant("kind of thing", args.kind, KINDS),) if args.kind else KINDS
    form = listing.as_json if args.format == "json" else listing.as_text
    _give(form(kinds))
    return 0


def _docs(args: argparse.Namespace) -> int:
    from checker.docs import refresh

    lines, status = refresh(check=args.check)
    _give("\n".join(lines))
    return status


def _diagrams(args: argparse.Namespace) -> int:
    from diagrams.gallery import main as draw

    return draw(check=args.check)


def _monitor(args: argparse.Namespace) -> int:
    from checker.report.monitor import main as watch

    return watch(args, progress, lambda reports: _page("recordings", reports))


def _audit(args: argparse.Namespace) -> int:
    from checker.conformance.audit import Asked, audit_all
    from checker.report import audit as report

    if args.output:
        output.check_file("-o", args.output)
    if args.compare and args.format == "html":
        raise UsageError("--compare cannot be combined with --format html")
    if args.compare:
        text, status = report.compared(args.files, args.format)
        _give(text, args.output)
        return status
    asked = Asked(args.role, args.version, args.client_auth, args.time)
    results, why = audit_all(args.files, asked, progress)
    progress("")
    if args.format == "html":
        out = _page("audits", results, why)
    else:
        out = (report.as_json if args.format == "json" else report.as_text)(results, why)
    _give(out, args.output)
    return report.exit_status(results, why)


def _live(args: argparse.Namespace) -> int:
    import importlib.util

    if importlib.util.find_spec("cryptography") is None:
        raise UsageError(
            f"{args.command} needs the package cryptography: run `pip install '.[live]'`"
        )
    from checker.report import conform, learn

    run = conform.main if args.command == "conform" else learn.main
    return run(args, progress, _give, note)


def _explore(args: argparse.Namespace) -> int:
    from checker.explore.command import main as explore

    return explore(args, note)


def _coverage(args: argparse.Namespace) -> int:
    from checker.coverage import as_json, as_text, coverage
    from checker.request import Request

    found = coverage(
        Request(scenario=args.scenario, flaw=args.flaw, seconds=args.time, states=args.states)
    )
    _give((as_json if args.format == "json" else as_text)(found))
    return 130 if found.reason == "interrupted" else 3 if found.reason else 0


def _mutants(args: argparse.Namespace) -> int:
    from checker.mutants.run import Asked, Fates, judged, scenarios
    from checker.mutants.survivors import write
    from checker.report import mutants as report

    if args.write and (args.scenario or args.row):
        raise UsageError("--write is for a run of all scenarios and all rows")
    if args.record:
        output.check_file("--record", args.record)
    if args.output:
        output.check_file("-o", args.output)
    where, found, interrupted = scenarios(args.scenario), Fates(), False
    seconds = args.time or (ROW_SECONDS if args.row and not args.scenario else None)
    try:
        for so_far in judged(where, Asked(args.row), args.record, seconds, progress):
            found = so_far
    except KeyboardInterrupt:
        interrupted = True
    progress("")
    if not found and not interrupted:
        raise UsageError(f"no mutant: {args.row or args.scenario} has no row that can fire")
    single = bool(args.scenario or args.row)
    if args.format == "html":
        out = _page("mutants", found, interrupted)
    else:
        out = (
            report.as_json(found) if args.format == "json" else report.as_text(found, every=single)
        )
    _give(out, args.output)
    if interrupted:
        sys.stderr.write("interrupted: these are the mutants so far\n")
        return 130
    if args.write:
        write(found)
    return report.status(found)


ROW_SECONDS = 8.0
"""Seconds for the mutants of one row over all scenarios, if none are given."""


def _tightness(args: argparse.Namespace) -> int:
    from checker.report import mutants as report
    from checker.tightness import Tightness, tightness

    found: list[Tightness] = []
    interrupted = False
    try:
        for so_far in tightness(args.properties, args.scenario, progress):
            found = so_far
    except KeyboardInterrupt:
        interrupted = True
    progress("")
    if args.format == "json":
        out = report.tightness_as_json(found)
    elif len(args.properties) == 1:
        out = "\n".join(map(report.tightness_as_text, found))
    else:
        out = report.overview(found) if found else ""
    _give(out)
    if interrupted:
        sys.stderr.write("interrupted: these are the mutants so far\n")
    return 130 if interrupted else 0


def _replay(args: argparse.Namespace) -> int:
    from checker.replay import read, replayed
    from checker.report import as_test, markup, replay
    from diagrams.sequence import sequence

    if args.output:
        output.check_file("-o", args.output)
    found = replayed(read(args.file))
    if args.format == "text":
        out = replay.as_text(found)
    elif args.format == "python":
        out = as_test.as_test(replace(found.recorded, trace=found.trace), found.system)
    elif args.format == "svg":
        out = sequence(found.trace, f"{found.trace.property}\n{replay.end(found)}")
    else:
        out = getattr(markup, args.format)(found.trace)
    _give(out, args.output)
    if found.why and args.format != "text":
        output.complain(replay.end(found))
    return 1 if found.why else 0


def _diff(args: argparse.Namespace) -> int:
    from checker.diff.meaning import Change, compare, tree
    from checker.report import diff

    if args.output:
        output.check_file("-o", args.output)
    found = Change(args.old, "")
    with tree(args.old) as old:
        try:
            for so_far in compare(old, args.scenario, args.time, progress):
                found = so_far
        except KeyboardInterrupt:
            found.interrupted = True
    progress("")
    _give(diff.as_markdown(found), args.output)
    return 130 if found.interrupted else int(found.differs)


def _export(args: argparse.Namespace) -> int:
    from checker.export import files

    if args.output:
        output.check_file("-o", args.output)
    found = files(args.export_format, args.scenario, args.flaw, args.properties)
    if not args.output:
        output.say(found[""])
        return 0
    for suffix, text in found.items():
        output.write(str(Path(args.output).with_suffix(suffix)) if suffix else args.output, text)
    return 0


def _cache(args: argparse.Namespace) -> int:
    from checker import cache

    where = cache.folder()
    if args.clear:
        cache.clear(where)
    sizes = {p: info.st_size for p, info in cache.files(where).items()}
    lines = [f"{where}: {sum(sizes.values()):,} bytes, of {cache.CACHED:,} at most"]
    kinds = {
        "compiled": "so",
        "systems": "system",
        "searches": "search",
        "proofs": "proofs",
        "paths": "witnesses",
        "order": "turn",
    }
    for what, suffix in kinds.items():
        found = [n for p, n in sizes.items() if p.suffix == f".{suffix}"]
        lines.append(f"{what:10}{len(found):5} files {sum(found):13,} bytes")
    _give("\n".join(lines))
    return 0


def _doctor(args: argparse.Namespace) -> int:
    from checker import doctor

    found = [*doctor.packages(), *doctor.programs()]
    form = doctor.as_json if args.format == "json" else doctor.as_text
    _give(form(found, doctor.machine()))
    return doctor.status(found)


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "verify": _verify,
    "attacks": _attacks,
    "certify": _certify,
    "list": _list,
    "diagrams": _diagrams,
    "docs": _docs,
    "monitor": _monitor,
    "audit": _audit,
    "conform": _live,
    "learn": _live,
    "explore": _explore,
    "coverage": _coverage,
    "mutants": _mutants,
    "tightness": _tightness,
    "replay": _replay,
    "diff": _diff,
    "export": _export,
    "cache": _cache,
    "doctor": _doctor,
}
"""The function of each command."""

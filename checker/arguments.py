"""The commands and their arguments, as data; the parser made of them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from checker import output
from checker.engines.choice import ENGINES
from checker.verdict import EXIT
from model.near import shown

ABOUT = {
    "verify": "decide properties",
    "attacks": "find each published attack, and show that sound ends refuse it",
    "certify": "check certificates again by SMT solvers",
    "list": "what there is, by kind; the scenarios that a rule touches",
    "diagrams": "draw the gallery",
    "docs": "fill the generated tables of the READMEs",
    "monitor": "hold a real handshake against the machines",
    "audit": "hold machines learned from real stacks against the model",
    "conform": "hold running stacks against the model: a port, or a stack that is started",
    "learn": "learn the machine of a running stack, and audit it",
    "explore": "step through a scenario: what can happen next, and how something comes about",
    "coverage": "rules never taken, checks that never decided anything",
    "mutants": "change each row in every way, and see which property notices",
    "tightness": "which mutants break a property, and which it alone notices",
    "replay": "replay a trace on the machines, step by step, or draw it",
    "diff": "what a change of the tables means: rows, messages accepted, verdicts",
    "export": "write a scenario for another model checker",
    "cache": "what is kept of earlier runs: compiled searches, systems and answers",
    "doctor": "what is installed here, what each part gives, how to get the others",
}
"""What each command is for."""
KINDS = ("properties", "scenarios", "capabilities", "flaws", "rules", "engines")
"""What `list` lists."""
MUTATED = (
    "exit status: 0 every survivor has its reason, 1 one has none, 3 a mutant is undecided, "
    "130 interrupted"
)
ATTACKED = (
    "exit status: 0 each attack is found in its length, refused by sound ends, and gone without "
    "what it needs, 1 one is not, 2 usage, 4 a trace does not replay, 130 interrupted"
)
CONFORMED = (
    "exit status: 0 no target is laxer than the model, 1 one is, 2 one could not be checked, "
    "130 interrupted"
)
DIFFERS = "exit status: 0 the tables mean the same, 1 they do not, 2 usage, 130 interrupted"
REPLAYED = "exit status: 0 the trace goes through, 1 it does not, 2 usage"
CERTIFIED = """exit status, the first that fits:
  130  interrupted; what was found is printed
  4    solvers disagree, or an internal error
  1    a certificate is refused: it is not what the model says, or its invariant is none
  2    usage, or a file is no certificate
  3    a solver gave up, or did not end in time
  0    each is what the model says, and each solver refutes each query
"""
DIAGNOSED = "exit status: 0 all that is necessary is there, 1 something of it is missing"
OTHERWISE = "exit status: 0 done, 2 usage, 3 inconclusive, 4 an internal error, 130 interrupted"
AUDITED = "exit status: 0 no file is laxer than the model, 1 one is, 2 one cannot be read"


def _number(what: str, kind: Any, most: float, units: Mapping[str, int] | None = None) -> Any:
    """The parser of a number above 0; `units` are letters that may come after it."""

    def parse(text: str) -> Any:
        unit = (units or {}).get(text[-1:].upper(), 0)
        try:
            value = kind(text[:-1] if unit else text) * (unit or 1)
            if 0 < value <= most:  # also false for what is no number
                return value
        except ValueError:
            pass
        letters = f", or such a number with {', '.join(units)}" if units else ""
        raise argparse.ArgumentTypeError(
            f"expected {what} above 0, at most {most:,.0f}{letters}, got {shown(text)}"
        )

    return parse


def _bytes(text: str) -> int:
    units = {"K": 2**10, "M": 2**20, "G": 2**30}
    return int(_number("a number of bytes", float, 10**15, units)(text))


_seconds = _number("a number of seconds", float, 1e6)
_states = _number("a whole number of states", int, 10**15)


def arg(*names: str, **options: Any) -> tuple[tuple[str, ...], dict[str, Any]]:
    """An argument of a command, as `add_argument` takes it."""
    return names, options


PROPERTIES = arg("properties", nargs="*", metavar="PROPERTY", help="names or ids; default: all")
SCENARIO = arg("--scenario", required=True, help="one scenario")
FLAW = arg(
    "--flaw",
    metavar="NAME[@END]",
    help="a published flaw at client, server or both, or a file with FLAW",
)
ENGINE = arg(
    "--engine",
    choices=[*sorted(ENGINES), "all"],
    help="one engine, or all: search and proof of each property, which must agree; "
    "default: the scenario's",
)
DROP = arg(
    "--drop",
    action="append",
    metavar="RULE[:CHECK]",
    help="drop one check of a rule; may be repeated, and goes with --flaw",
)
SECONDS = arg("--time", type=_seconds, metavar="S", help="seconds for each search")
STATES = arg("--states", type=_states, metavar="N", help="states for each search")
FORMAT = arg("--format", choices=("text", "json"), default="text")
PAGE = arg("--format", choices=("text", "json", "html"), default="text")
OUTPUT = arg("-o", "--output", metavar="FILE", help="write there instead of to stdout")
CHECK = arg("--check", action="store_true", help="write nothing; exit 1 if something is stale")
ARGUMENTS: dict[str, list[Any]] = {
    "verify": [
        PROPERTIES,
        [
            arg("--scenario", help="one scenario; default: all default ones"),
            arg("--all", action="store_true", help="every scenario, the long ones too"),
        ],
        ENGINE,
        FLAW,
        DROP,
        arg(
            "--time",
            type=_seconds,
            metavar="S",
            help="seconds for each search and each proof",
        ),
        arg("--memory", type=_bytes, metavar="M", help="bytes for each search: 500M, 2G"),
        STATES,
        arg("--backend", choices=("c", "numpy"), help="of a search; default: C, if it can"),
        [
            arg("--checkpoint", metavar="DIR", help="keep each search there as it goes"),
            arg("--resume", metavar="DIR", help="go on with the searches kept there"),
        ],
        arg(
            "--spill",
            metavar="DIR",
            help="keep the states in files there, not in memory; default: in the temporary "
            "folder when memory is short; none: never",
        ),
        arg(
            "--from",
            dest="file",
            metavar="FILE.py",
            help="properties, scenarios and an extension of your own; without names, these alone",
        ),
        arg("--fresh", action="store_true", help="use nothing that is kept of earlier runs"),
        arg("--stop-at-first", action="store_true", help="end a search at its first violation"),
        arg("--rfc", metavar="NUMBER", help="group the verdicts by the sections of an RFC"),
        arg(
            "--format",
            choices=("text", "json", "jsonl", "junit", "sarif", "markdown", "html"),
            default="text",
            help="jsonl: a line for each verdict as soon as it is there; junit, sarif: for build "
            "servers and code hosts; markdown: the summary of a pull request; html: a page to step "
            "through each trace",
        ),
        OUTPUT,
        arg("--certificates", metavar="DIR", help="write each proof as a file there"),
        arg("--traces", metavar="DIR", help="write each trace there, a file that replay reads"),
    ],
    "list": [
        [
            arg("kind", nargs="?", metavar="KIND", help=f"one of {', '.join(KINDS)}"),
            arg("--touching", metavar="RULE", help="the scenarios in which a rule can fire"),
        ],
        FORMAT,
    ],
    "diagrams": [CHECK],
    "docs": [CHECK],
    "monitor": [
        arg("file", nargs="?", metavar="FILE", help="a capture, or recorded messages"),
        arg("--keys", metavar="FILE", help="the secrets of a capture, as by SSLKEYLOGFILE"),
        arg("--words", metavar="WORDS", help="'>CH <SH ...', or a file of such lines"),
        arg("--live", action="store_true", help="run real handshakes on loopback"),
        arg(
            "--proxy",
            nargs=2,
            metavar=("LISTEN", "TARGET"),
            help="forward connections on loopback, and follow them",
        ),
        arg(
            "--connections",
            type=_number("a whole number of connections", int, 10**6),
            metavar="N",
            help="with --proxy: end after N",
        ),
        arg("--record", metavar="FILE", help="with --live: write what was recorded"),
        arg("--format", choices=("text", "html"), default="text"),
        OUTPUT,
    ],
    "audit": [
        arg("files", nargs="+", metavar="FILE.dot", help="a learned Mealy machine"),
        arg("--role", choices=("server", "client"), help="default: read off the file"),
        arg("--version", choices=("1.0", "1.1", "1.2", "1.3"), help="default: 1.2 or 1.3"),
        arg(
            "--client-auth",
            choices=("none", "optional", "mandatory"),
            help="what a server asks of its clients; default: what fits the file",
        ),
        arg("--time", type=_seconds, metavar="S", help="seconds for all files"),
        arg("--compare", action="store_true", help="where two machines differ from each other"),
        PAGE,
        OUTPUT,
    ],
    "conform": [
        arg(
            "targets",
            nargs="+",
            metavar="TARGET",
            help="host:port, a known stack (python-ssl, openssl, ...), or all",
        ),
        arg(
            "--version",
            action="append",
            choices=("1.0", "1.1", "1.2", "1.3"),
            help="may be repeated; default: 1.2 and 1.3",
        ),
        arg(
            "--client-auth",
            action="append",
            choices=("off", "optional", "mandatory"),
            help="may be repeated; default: off and mandatory, of a port what it shows",
        ),
        arg(
            "--role",
            choices=("server", "client"),
            default="server",
            help="of the target; a client is one that connects to the port again and again",
        ),
        arg(
            "--extensions",
            action="append",
            choices=("retry", "key_update", "psk"),
            help="may be repeated; in TLS 1.3 also HelloRetryRequest (retry), KeyUpdate "
            "(key_update) or resumption by tickets (psk), each in a setting of its own",
        ),
        arg(
            "--runs",
            type=_number("a whole number of runs", int, 100),
            default=1,
            metavar="N",
            help="check N times; a word on which the runs differ is named and not judged",
        ),
        arg("--word", metavar="WORD", help='replay one word: "ClientHello ChangeCipherSpec"'),
        arg("--allow", metavar="FILE", help="known deviations, with reasons (TOML)"),
        arg("--certificate", metavar="FILE", help="ours, that a port trusts (PEM)"),
        arg("--key", metavar="FILE", help="its key (PEM)"),
        arg("--remote", action="store_true", help="allow addresses that are not loopback"),
        FORMAT,
    ],
    "learn": [
        arg("target", metavar="TARGET", help="host:port, or a known stack (see conform)"),
        arg(
            "-o",
            "--output",
            required=True,
            metavar="FILE.dot",
            help="the machine; the queries are kept beside it, and used again",
        ),
        arg("--version", choices=("1.0", "1.1", "1.2", "1.3"), default="1.2"),
        arg("--client-auth", choices=("off", "optional", "mandatory"), default="off"),
        arg("--role", choices=("server", "client"), default="server", help="of the target"),
        arg("--remote", action="store_true", help="allow addresses that are not loopback"),
        FORMAT,
    ],
    "replay": [
        arg("file", metavar="FILE", help="written by verify --traces"),
        arg(
            "--format",
            choices=("text", "mermaid", "plantuml", "svg", "python"),
            default="text",
            help="text: each step with what it changed; python: a test that drives the machines",
        ),
        OUTPUT,
    ],
    "diff": [
        arg(
            "old",
            nargs="?",
            default="HEAD",
            metavar="REV|DIR",
            help="a revision or another tree, which this one is compared with; default: HEAD",
        ),
        arg("--scenario", help="one scenario; default: for each row the smallest that has it"),
        SECONDS,
        OUTPUT,
    ],
    "doctor": [FORMAT],
    "cache": [arg("--clear", action="store_true", help="delete it")],
    "explore": [
        arg("--scenario", help="default: the flaw's, or tls12-small"),
        FLAW,
        DROP,
        arg("--walk", metavar="WALK", help="begin with a saved walk: a file, or its word"),
        arg("--text", action="store_true", help="in the terminal, without a browser"),
    ],
    "coverage": [SCENARIO, FLAW, SECONDS, STATES, FORMAT],
    "mutants": [
        arg("--scenario", help="one scenario; default: all default ones, until one kills"),
        arg("--row", metavar="RULE", help="the mutants of one row"),
        arg("--record", metavar="FILE", help="keep each judgement there, and go on from it"),
        arg("--write", action="store_true", help="write the counts to properties/mutants.toml"),
        arg("--time", type=_seconds, metavar="S", help="seconds for all"),
        PAGE,
        OUTPUT,
    ],
    "attacks": [
        arg("flaws", nargs="*", metavar="FLAW[@END]", help="default: all of the catalogue"),
        arg(
            "--pairs",
            action="store_true",
            help="instead: each FLAW, or all changes harmless alone, at the client with each at "
            "the server, and what falls only to both",
        ),
        FORMAT,
        OUTPUT,
    ],
    "tightness": [
        arg(
            "properties",
            nargs="*",
            metavar="PROPERTY",
            help="invariants, by name or id; default: all declared to hold",
        ),
        arg("--scenario", help="default: the smallest searched one in which it holds"),
        FORMAT,
    ],
}
"""The arguments of each command; those of a list in the list exclude each other."""


def arguments(command: str) -> list[Any]:
    """The arguments of a command; some have choices that are found in files."""
    if command == "certify":
        from checker.certificate.solvers import SOLVERS

        return [
            arg("files", nargs="+", metavar="FILE", help="written by verify --certificates"),
            arg(
                "--solver",
                action="append",
                choices=list(SOLVERS),
                help="may be repeated; default: all that are installed",
            ),
            arg(
                "--time",
                type=_seconds,
                metavar="S",
                help="seconds for each solver and file (default: 60)",
            ),
            FORMAT,
        ]
    if command == "export":
        from checker.export import formats

        return [
            arg(
                "export_format",
                choices=list(formats()),
                metavar="FORMAT",
                help="; ".join(f"{n}: {m.SUMMARY}" for n, m in formats().items()),
            ),
            PROPERTIES,
            SCENARIO,
            FLAW,
            OUTPUT,
        ]
    return ARGUMENTS[command]


EXAMPLES = {
    "": ("verify --scenario tls13", "verify --flaw goto_fail", "list flaws"),
    "verify": (
        "verify AUT-1 --scenario tls12",
        "verify --flaw goto_fail",
        "verify --scenario tls12-small --drop client_receive_finished_WAIT_FIN_to_CONNECTED",
        "verify --from my_properties.py",
    ),
    "certify": ("certify proofs/*.smt2",),
    "list": ("list scenarios", "list --touching client_receive_finished_WAIT_FIN_to_CONNECTED"),
    "diagrams": ("diagrams", "diagrams --check"),
    "docs": ("docs", "docs --check"),
    "monitor": (
        "monitor handshake.pcap --keys secrets.txt",
        "monitor --words '>CH <SH <C <SHD'",
        "monitor --live",
    ),
    "audit": ("audit server.dot", "audit --compare old.dot new.dot"),
    "conform": ("conform localhost:4433", "conform python-ssl --version 1.2"),
    "learn": ("learn python-ssl -o server.dot",),
    "coverage": ("coverage --scenario tls12-small",),
    "mutants": ("mutants --scenario tls12-small",),
    "tightness": ("tightness ORD-1",),
    "attacks": ("attacks", "attacks goto_fail early_ccs"),
    "replay": ("replay trace.json", "replay trace.json --format svg -o trace.svg"),
    "diff": ("diff", "diff main --scenario tls13"),
    "explore": ("explore --scenario tls12-small", "explore --flaw early_ccs --text"),
    "export": ("export promela ORD-1 --scenario tls12-small -o model.pml",),
    "cache": ("cache", "cache --clear"),
    "doctor": ("doctor",),
}
"""Command lines to start from; those of no command are shown by `--help` alone."""
ENDS = {
    "": EXIT,
    "verify": EXIT,
    "certify": CERTIFIED,
    "audit": AUDITED,
    "conform": CONFORMED,
    "learn": AUDITED,
    "mutants": MUTATED,
    "attacks": ATTACKED,
    "replay": REPLAYED,
    "diff": DIFFERS,
    "doctor": DIAGNOSED,
}
"""The exit statuses of each command; those of the others are 0, or as without a command."""


def _epilog(command: str) -> str:
    lines = [f"  {program()} {x}" for x in EXAMPLES[command]]
    return "\n".join(["examples:", *lines, "", ENDS.get(command, OTHERWISE)])


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, however long or strange the words are."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        output.complain(f"{self.prog}: error: {message}")
        sys.exit(2)


class _Version(argparse.Action):
    """Prints the version, which is looked for only then."""

    def __call__(self, parser: argparse.ArgumentParser, *rest: object) -> NoReturn:
        output.say(f"{version()}\n")
        parser.exit()


def parser(words: Sequence[str] | None = None) -> argparse.ArgumentParser:
    """The argument parser; with the `words` of a command line, only that command has arguments."""
    raw = argparse.RawDescriptionHelpFormatter
    top = _Parser(
        prog=program(),
        description="Model checker for the TLS handshake.",
        epilog=_epilog(""),
        formatter_class=raw,
    )
    top.add_argument("--traceback", action="store_true", help="show tracebacks of internal errors")
    top.add_argument("--version", action=_Version, nargs=0, help="show the version")
    sub = top.add_subparsers(dest="command", required=True)
    asked = ABOUT if words is None else {w for w in words if w in ABOUT}
    for name, about in ABOUT.items():
        command = sub.add_parser(name, help=about, epilog=_epilog(name), formatter_class=raw)
        for a in arguments(name) if name in asked else ():
            several = isinstance(a, list)
            into = command.add_mutually_exclusive_group() if several else command
            for names, options in a if several else [a]:
                into.add_argument(*names, **options)
    return top


def program() -> str:
    """The command as it was called: the console script, or the module."""
    called = Path(sys.argv[0]).name
    return called if called == SCRIPT else "python -m checker"


SCRIPT = "tls-checker"
"""The name of the console script."""


def version() -> str:
    """The version: that of the source tree, or that of the package if it is installed."""
    import tomllib
    from importlib import metadata

    source = Path(__file__).parents[1] / "pyproject.toml"
    if source.is_file():
        return str(tomllib.loads(source.read_text(encoding="utf-8"))["project"]["version"])
    return metadata.version("tls-handshake-model-checker")

"""The command `learn`, and what it prints: the audit of the machine, its laxer words replayed."""

from __future__ import annotations

import importlib.util
from argparse import Namespace
from collections.abc import Callable
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from checker import output
from checker.conformance import audit, sweep
from checker.conformance.comparison import LAXER
from checker.conformance.conform import Prober
from checker.conformance.honest import VERSIONS, Configuration
from checker.conformance.known import missing
from checker.conformance.learning import Asker, LearningError, confirmed, learn
from checker.conformance.trial import Target, TargetError
from checker.report.audit import as_json, as_text, exit_status
from model.near import UsageError

UNCONFIRMED = "replayed live, this word is not laxer: the learner merged two states"


def main(
    args: Namespace,
    progress: Callable[[str], None],
    give: Callable[[str], None],
    note: Callable[[str], None],
) -> int:
    """Run the command; its exit status."""
    if importlib.util.find_spec("aalpy") is None:
        raise UsageError("learn needs the package aalpy: run `pip install '.[learn]'`")
    auth = sweep.AUTHS[args.client_auth]
    asked = sweep.Asked(args.role, (args.version,), (auth,), remote=args.remote)
    (name, *more) = sweep.checked([args.target], asked)
    if more:
        raise UsageError(f"learn {args.target}: expected one target")
    output.check_file("-o", args.output)
    kept = Path(f"{args.output}.queries")
    with ExitStack() as ends:
        try:
            target, config, release = _target(name, asked, ends)
            asker = Asker(target, config, sweep.made(asked), kept, progress)
            try:
                found = learn(asker)
            except LearningError as e:
                raise UsageError(f"{name}: {e}; what was asked is kept in {kept}") from None
            progress("")
            output.write(args.output, f"{_head(name, release, config)}\n{found.dot}")
            note(f"{args.output}: {len(found.rows)} states, {found.queries} queries")
            said = audit.Asked(config.role, _number(config.version), auth)
            (result,), why = audit.audit_all([args.output], said, progress)
            progress("")
            prober = Prober(asker.target, config, sweep.made(asked))
            for d in result.divergences:
                if d.kind == LAXER and not d.behind and not confirmed(prober, d):
                    d.kind, d.note, d.weakening, d.flaw = "late-reject", UNCONFIRMED, None, ""
        except TargetError as e:
            raise UsageError(str(e)) from None
    give((as_json if args.format == "json" else as_text)([result], why))
    return exit_status([result], why)


def _target(name: str, asked: sweep.Asked, ends: ExitStack) -> tuple[Target, Configuration, str]:
    """The running target, which `ends` ends, its configuration, and what it says of its version."""
    if sweep.split(name) is not None:
        target = ends.enter_context(sweep.at_port(name, asked))
        return target, next(sweep.shown(target, asked)), ""
    why = missing(name, asked.role)
    if why:
        raise UsageError(f"{name}: {why}")
    folder = ends.enter_context(TemporaryDirectory(prefix="checker-"))
    stack = sweep.ready(name, asked, folder)
    ((version, auth),) = sweep.settings(name, asked)
    target = ends.enter_context(sweep.started(stack, asked, version, auth))
    return target, asked.configuration(version, auth, stack.stack.suite), stack.release


def _head(name: str, release: str, config: Configuration) -> str:
    """The comment at the beginning of the file: of what the machine is, and of when."""
    said = f" ({output.line(release)})" if release else ""
    kind = f"{config.role}, TLS {_number(config.version)}, client authentication {config.asks}"
    return f"// {name}{said}, {kind}; learned on {date.today()}"


def _number(version: str) -> str:
    return next(n for n, v in VERSIONS.items() if v == version)

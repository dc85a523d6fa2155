"""The command `conform`, and its report as text and as JSON."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Sequence
from typing import Any

from checker.conformance import allowance, sweep
from checker.conformance.allowance import Allowance
from checker.conformance.comparison import EXTRA
from checker.conformance.conform import Conformance
from checker.conformance.honest import VERSIONS
from checker.report.audit import SAYS, divergence, sentence
from checker.report.columns import columns
from checker.report.document import document
from checker.report.words import count
from model.near import UsageError

_NUMBER = {v: k for k, v in VERSIONS.items()}
_CLASSES = [k for k in SAYS if k != EXTRA]
_AUTH = {v: k for k, v in sweep.AUTHS.items()}


def main(
    args: Namespace,
    progress: Callable[[str], None],
    give: Callable[[str], None],
    note: Callable[[str], None],
) -> int:
    """Run the command; its exit status."""
    asked = sweep.Asked(
        args.role,
        tuple(args.version or ()),
        tuple(sweep.AUTHS[a] for a in args.client_auth or ()),
        remote=args.remote,
        certificate=args.certificate or "",
        key=args.key or "",
        runs=args.runs,
        extensions=tuple(dict.fromkeys(args.extensions or ())),
    )
    if bool(args.certificate) != bool(args.key):
        raise UsageError("--certificate and --key: expected both, or none")
    targets = sweep.checked(args.targets, asked)
    known = allowance.read(args.allow) if args.allow else []
    if args.word:
        return _replay(args.word, targets, asked, give)
    if asked.remote:
        far = [t for t in targets if sweep.split(t) is not None]
        note(
            f"sending some hundreds of handshakes that are broken on purpose, and an HTTP request "
            f"in some, one after another, to {', '.join(far)}"
        )
    results, interrupted = sweep.sweep(targets, asked, progress)
    progress("")
    idle = allowance.apply(known, results)
    form = as_json if args.format == "json" else as_text
    give(form(results, idle, interrupted=interrupted))
    return 130 if interrupted else exit_status(results, every=len(targets) == 1)


def exit_status(results: Sequence[Conformance], *, every: bool = False) -> int:
    """1 if a target is laxer; 2 if one had an error or, with `every`, was not checked; else 0."""
    if any(r.lax for r in results):
        return 1
    if any(r.error for r in results) or not any(r.checks for r in results):
        return 2
    return 0


def _kind(r: Conformance) -> str:
    if r.skipped:
        return "SKIPPED"
    if r.error:
        return "ERROR"
    if not r.offered:
        return "NOT OFFERED"
    if r.lax:
        return "LAXER"
    return "DIFFERS" if any(not d.allowed for d in r.divergences) else "CONFORMS"


def _auth(r: Conformance) -> str:
    """The client authentication: what a server demands, or whether a client has a certificate."""
    if r.config is None:
        return ""
    if r.config.role == "client":
        return "certificate" if r.config.certificate == "honest" else "none"
    return _AUTH[r.config.asks]


def _with(r: Conformance) -> str:
    """The extension that the setting has."""
    return ", ".join(r.config.extensions) if r.config else ""


def as_text(
    results: Sequence[Conformance], idle: Sequence[Allowance] = (), *, interrupted: bool = False
) -> str:
    """The table of results; then the divergences of each as sentences."""
    rows: list[tuple[object, ...]] = [
        ("", "target", "verdict", "version", "client auth", "with", "checks", "seconds", *_CLASSES)
    ]
    for n, r in enumerate(results, 1):
        found = [sum(d.kind == k for d in r.divergences) or "" for k in _CLASSES]
        config = r.config
        rows.append(
            (
                n,
                r.target,
                _kind(r),
                _NUMBER[config.version] if config else "",
                _auth(r),
                _with(r),
                r.checks or "",
                f"{r.seconds:.1f}" if r.checks else "",
                *found,
            )
        )
    lines = columns(rows)
    for n, r in enumerate(results, 1):
        lines += ["", *_details(n, r)]
    lines += [
        f"note: --allow: nothing fits {a.message}{' in ' + a.state if a.state else ''}"
        for a in idle
    ]
    kinds = [_kind(r) for r in results]
    total = ", ".join(f"{kinds.count(k)} {k}" for k in dict.fromkeys(kinds))
    checks = sum(r.checks for r in results)
    lines += ["", f"{count(len(results), 'result')}, {count(checks, 'check')}: {total}"]
    if interrupted:
        lines.append("interrupted: these are the results so far")
    return "\n".join(lines)


def _details(n: int, r: Conformance) -> list[str]:
    name = f"{r.target} ({r.release})" if r.release else r.target
    if r.config is not None:
        name += f", {_NUMBER[r.config.version]}, client authentication {_auth(r)}"
        name += f", with {_with(r)}" if _with(r) else ""
    lines = [f"{n}. {name}: {_kind(r)}"]
    if r.skipped or r.error:
        return [*lines, f"   {r.skipped or r.error}"]
    if not r.offered:
        return [*lines, f"   no legal handshake completes: {r.why}"]
    if not r.divergences:
        lines.append("   no divergence")
    for d in r.divergences:
        lines.append(f"   {sentence(d)}")
        if d.allowed:
            lines.append(f"   allowed: {d.allowed}")
        more = f" --extensions {_with(r)}" if _with(r) else ""
        lines.append(f'   --word "{" ".join(d.word)}"{more}')
    if r.unreached:
        lines.append(f"   not reached by legal words: {', '.join(r.unreached)}")
    lines += [f"   not steady, so not judged: {w}" for w in r.unsteady]
    return lines


def as_json(
    results: Sequence[Conformance], idle: Sequence[Allowance] = (), *, interrupted: bool = False
) -> str:
    """The JSON document: `interrupted`, `results`, one for each target and setting."""
    return document(
        "conform",
        interrupted=interrupted,
        results=[_result(r) for r in results],
        idle_allowances=[a.message for a in idle],
    )


def _result(r: Conformance) -> dict[str, Any]:
    config = r.config
    return {
        "target": r.target,
        "release": r.release or None,
        "role": config.role if config else None,
        "version": _NUMBER[config.version] if config else None,
        "client_auth": _auth(r) or None,
        "extensions": list(config.extensions) if config else [],
        "verdict": _kind(r),
        "checks": r.checks,
        "seconds": round(r.seconds, 2),
        "divergences": [divergence(d) | {"allowed": d.allowed or None} for d in r.divergences],
        "unreached": list(r.unreached),
        "unsteady": [{"word": list(u.word), "outcomes": list(u.outcomes)} for u in r.unsteady],
        "not_offered": r.why or None,
        "skipped": r.skipped or None,
        "error": r.error or None,
    }


def _replay(
    text: str, targets: Sequence[str], asked: sweep.Asked, give: Callable[[str], None]
) -> int:
    """Replay one word on each target and setting."""
    from checker.conformance.replay import replay

    status = 0
    out = []
    for found in replay(text, targets, asked):
        rows = [("#", "sent", "answer", "the model")]
        rows += [(str(n), *row) for n, row in enumerate(found.rows, 1)]
        out += [found.title, *(f"  {line}" for line in columns(rows))]
        if found.judged is not None:
            out.append(f"  {sentence(found.judged)}")
            status = max(status, int(found.lax))
        elif found.said:
            out.append(f"  {found.said}")
        out.append("")
    give("\n".join(out).rstrip())
    return status

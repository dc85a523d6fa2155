"""The command `explore`."""

from __future__ import annotations

import shlex
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from checker import output
from checker.explore.walk import Walk
from checker.request import Request, checked, scenarios_of
from model.near import UsageError

SMALL = "tls12-small"
"""The scenario that is explored if none is named."""


def main(args: Namespace, note: Callable[[str], None]) -> int:
    """Serve the page until Ctrl-C, or walk in the terminal; the exit status."""
    scenario = args.scenario or (None if args.flaw else SMALL)
    request = Request(scenario=scenario, flaw=args.flaw, drop=tuple(args.drop or ()))
    checked(request)
    (where,) = scenarios_of(request)
    walk = Walk(request, where)
    if args.walk:
        file = Path(args.walk)
        walk.read(file.read_text() if len(args.walk) < 256 and file.is_file() else args.walk)
    if args.text:
        from checker.explore import terminal

        return terminal.run(walk)
    from checker.explore.server import Server

    given = [f"--scenario {where.name}", f"--flaw {shlex.quote(args.flaw)}" if args.flaw else ""]
    given += [f"--drop {shlex.quote(d)}" for d in args.drop or ()]
    with Server(walk, " ".join(["python -m checker explore", *filter(None, given)])) as server:
        output.say(f"{server.url}\n")
        note("open this address in a browser of this machine; Ctrl-C ends it")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return 0
    raise UsageError("the server ended")

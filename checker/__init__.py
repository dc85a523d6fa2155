"""The checker: engines, traces, verdicts, exports, conformance, and the command line.

This package and its siblings have the names of other projects on PyPI. Importing `checker` fails at
once if one of those is found first.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

SIBLINGS = ("model", "properties", "diagrams")


def misplaced() -> str:
    """The error message if a sibling package is not found beside this one; empty if all are."""
    home = Path(__file__).resolve().parent.parent
    wrong = []
    for name in SIBLINGS:
        # `find_spec` imports nothing for a top-level name.
        spec = find_spec(name)
        if spec is None:
            wrong.append(f"{name} is not found")
            continue
        places = list(spec.submodule_search_locations or [])
        if str(home / name) not in (str(Path(p).resolve()) for p in places):
            wrong.append(f"{name} is {spec.origin or ', '.join(places) or 'not a package'}")
    if not wrong:
        return ""
    return (
        f"the packages {', '.join(SIBLINGS)} must lie beside checker in {home}, but "
        f"{'; '.join(wrong)}. Rename a file of your own; PyPI has other projects of these names: "
        f"uninstall them, or put {home} first on PYTHONPATH."
    )


# pytest loads the plugin in every project, also where a file has one of these names and nobody asks
# for the checker: there the plugin gives the message, to those who ask.
if "pytest" not in sys.modules and (_wrong := misplaced()):
    raise ImportError(_wrong)


def graph(scenario: str, *, flaw: str | None = None, drop: str | None = None) -> Any:
    """The reachable states of a scenario as a `networkx.MultiDiGraph`, by the reference engine.

    Nodes are tuples of values in the order of `graph.graph["variables"]`, with `depth` and
    `initial`; edges have `run`, `rule`, `source` and the message's `fields`. Variables that no
    guard depends on are left out. Meant for up to 10^5 states, of about 2 KB each. UsageError with
    the near names if there is no such scenario.
    """
    from checker.engines.reference import Reference
    from checker.request import Request, system_of
    from model.scenario import scenario as find

    where = find(scenario)
    system = system_of(Request(flaw=flaw, drop=(drop,) if drop else ()), where)
    return Reference(system.compile()).explore()

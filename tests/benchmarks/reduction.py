"""What `--reduce` saves: states and CPU seconds with and without, for every searched scenario.

python -m tests.benchmarks.reduction [SCENARIO ...]
"""

from __future__ import annotations

import sys
import time
from typing import Any

from checker.decide import _bad
from checker.request import Request, properties_of, searched
from model.scenario import SCENARIOS, scenario


def measure(name: str) -> dict[str, Any]:
    """States and CPU seconds without and with eager moves, with every property asked."""
    from checker.engines.explicit import Explicit, Question
    from checker.engines.native import Native
    from checker.engines.native_source import available
    from checker.reduction import reduce

    search: Any = Explicit if available() else Native
    where = scenario(name)
    system = where.system()
    props = [p for p in properties_of(Request(), where) if not p.live]
    exprs = [*(_bad(p, system) for p in props), *(p.witness(system) for p in props)]
    compiled = system.compile(*exprs)
    began = time.process_time()
    reduction = reduce(compiled, exprs)
    out: dict[str, Any] = {"reducing": time.process_time() - began, "places": len(reduction.eager)}
    for key, c in (("whole", compiled), ("reduced", reduction.compiled)):
        search(c).search([Question(str(i), e) for i, e in enumerate(exprs)], states=1)  # compiles
        engine = search(c)
        began = time.process_time()
        found = engine.search([Question(str(i), e) for i, e in enumerate(exprs)])
        out[key], out[f"{key}_seconds"] = found.states, time.process_time() - began
    return out


def main(names: list[str]) -> int:
    """Print the table as Markdown."""
    sys.stdout.write(
        "| scenario | states | with --reduce | factor | eager places | CPU s to reduce "
        "| search, CPU s | reduced, CPU s |\n|---|---|---|---|---|---|---|---|\n"
    )
    for name in names or [s.name for s in SCENARIOS if s.name in searched()]:
        m = measure(name)
        sys.stdout.write(
            f"| `{name}` | {m['whole']:,} | {m['reduced']:,} | {m['whole'] / m['reduced']:.2f} "
            f"| {m['places']} | {m['reducing']:.1f} | {m['whole_seconds']:.2f} "
            f"| {m['reduced_seconds']:.2f} |\n"
        )
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

"""How it is decided: engines, traces, verdicts, exports, conformance, and the command line.

The package's name, and those of its siblings, are names of other projects on PyPI. Importing it
fails if one of those is found first, rather than at some odd place later.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

SIBLINGS = ("model", "properties", "diagrams")


def _misplaced(home: Path) -> list[str]:
    """What is wrong with the siblings that should lie in `home`, one sentence each."""
    wrong = []
    for name in SIBLINGS:
        # Only a top-level name is looked up, so nothing is imported here.
        spec = find_spec(name)
        if spec is None:
            wrong.append(f"{name} is not found")
            continue
        places = list(spec.submodule_search_locations or [])
        if str(home / name) not in (str(Path(p).resolve()) for p in places):
            wrong.append(f"{name} is {spec.origin or ', '.join(places) or 'not a package'}")
    return wrong


_home = Path(__file__).resolve().parent.parent
if _wrong := _misplaced(_home):
    raise ImportError(
        f"the packages {', '.join(SIBLINGS)} must lie beside checker in {_home}, but "
        f"{'; '.join(_wrong)}. PyPI has other projects of these names: uninstall them, or put "
        f"{_home} first on PYTHONPATH."
    )

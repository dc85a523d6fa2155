"""What the adversary can do beyond the network: one file a capability.

A capability has a `SUMMARY` and the function `breaks(weak)`: given when a key is export-grade, when
the adversary gets its private part.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import ModuleType


@cache
def capabilities() -> dict[str, ModuleType]:
    """Every capability by name, sorted."""
    return {
        name: importlib.import_module(f"{__name__}.{name}")
        for name in sorted(info.name for info in pkgutil.iter_modules(__path__))
    }

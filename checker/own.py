"""Properties, scenarios and an extension in a file of one's own, beside the catalogue's."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from model import extensions, scenario
from model.folder import execute
from model.near import UsageError, shown
from model.rule import ModelError
from properties import catalogue, registry


@dataclass(frozen=True)
class Own:
    """The names of what a file declares."""

    properties: tuple[str, ...]
    scenarios: tuple[str, ...]


@cache
def read(path: str) -> Own:
    """What the file at `path` declares, which is known from then on.

    As in the folders of the catalogue, a property is a decorated function, `SCENARIOS` a tuple, and
    `EXTENSION` one extension. UsageError with the line, if the file fails or declares nothing.
    """
    before = set(catalogue())
    module = execute(Path(path))
    extension = getattr(module, "EXTENSION", None)
    scenarios = getattr(module, "SCENARIOS", ())
    if not isinstance(extension, extensions.Extension | None):
        raise UsageError(f"{path}: EXTENSION: expected an Extension, got {shown(extension)}")
    if not isinstance(scenarios, tuple | list) or not all(
        isinstance(s, scenario.Scenario) for s in scenarios
    ):
        raise UsageError(f"{path}: SCENARIOS: expected a tuple of Scenario, got {shown(scenarios)}")
    names = tuple(n for n in registry if n not in before)
    if not names and not scenarios and extension is None:
        raise UsageError(
            f"{path} declares no property, SCENARIOS or EXTENSION; see properties/README.md"
        )
    try:
        if extension is not None:
            extensions.own(extension, path)
        for s in scenarios:
            scenario.own(s)
        catalogue.cache_clear()
        catalogue()
    except ModelError as e:
        raise UsageError(f"{path}: {e}") from e
    return Own(names, tuple(s.name for s in scenarios))

"""Completion in the shell, by argcomplete: options, and the names of what there is."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable

from checker.arguments import parser


def _properties() -> Iterable[str]:
    from properties import catalogue

    return (n for p in catalogue().values() for n in (p.id, p.name))


def _scenarios() -> Iterable[str]:
    from model.scenario import known

    return known()


def _flaws() -> Iterable[str]:
    from model.flaws import flaws

    return flaws()


def _rules() -> Iterable[str]:
    from model.roles import role

    return (r.name for end in ("client", "server") for r in role(end).table)


NAMES: dict[str, Callable[[], Iterable[str]]] = {
    "properties": _properties,
    "scenario": _scenarios,
    "flaw": _flaws,
    "drop": _rules,
    "row": _rules,
    "touching": _rules,
}
"""By argument: the names that it takes."""


def offer() -> None:
    """Print the words that the shell asks for, and exit; return if argcomplete is missing."""
    try:
        import argcomplete
    except ImportError:
        return
    top = parser()
    for command in _commands(top):
        for action in command._actions:
            if action.dest in NAMES:
                completed = _completer(NAMES[action.dest])
                action.completer = completed  # type: ignore[attr-defined]
    argcomplete.autocomplete(top)


def _commands(top: argparse.ArgumentParser) -> Iterable[argparse.ArgumentParser]:
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.values()


def _completer(names: Callable[[], Iterable[str]]) -> Callable[..., list[str]]:
    def complete(prefix: str, **rest: object) -> list[str]:
        return [n for n in names() if n.startswith(prefix)]

    return complete

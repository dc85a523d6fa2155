"""Tables of the project in TOML: read, and held against the form that each must have."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from model.near import hint, shown
from model.rule import ModelError

Form = Any
"""A type; a tuple of texts, one of which it is; a list with the form of its parts; or a dictionary
with the form of each key, where a key that ends with `?` may be missing, and `*` is any other."""


def read(path: Path, form: Form) -> dict[str, Any]:
    """The table in a file; ModelError, with the place, if it has not this form."""
    name = f"{path.parent.name}/{path.name}"
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as e:
        why = "nested too deeply" if isinstance(e, RecursionError) else str(e)
        raise ModelError(f"{name}: expected TOML, got: {why}") from None
    wrong = _wrong(found, form, "")
    if wrong:
        raise ModelError(f"{name}{wrong}")
    return found


def _wrong(value: Any, form: Form, place: str) -> str:
    """The place of the first part that has not its form, and what is wrong; empty if there is none.

    Of a place only its names are said, each shortened.
    """
    if isinstance(form, type):
        fits = type(value) is form
        return "" if fits else f"{place}: expected {_WORDS[form]}, got {shown(value)}"
    if isinstance(form, tuple):
        fits = isinstance(value, str) and value in form
        return "" if fits else f"{place}: expected {' or '.join(form)}, got {shown(value)}"
    if isinstance(form, list):
        if not isinstance(value, list):
            return f"{place}: expected a list, got {shown(value)}"
        parts = ((x, form[0], f"{place}, {i}") for i, x in enumerate(value, 1))
        return next(filter(None, (_wrong(*p) for p in parts)), "")
    if not isinstance(value, dict):
        return f"{place}: expected a table, got {shown(value)}"
    known = {k.rstrip("?"): f for k, f in form.items()}
    missing = [k for k in form if k != "*" and not k.endswith("?") and k not in value]
    if missing:
        return f"{place}: expected {', '.join(missing)}, missing"
    for key, part in value.items():
        if key not in known and "*" not in known:
            return f"{place}: expected {', '.join(known)}, got {shown(key)}{hint(key, known)}"
        wrong = _wrong(part, known.get(key, known.get("*")), f"{place}, {_name(key)}")
        if wrong:
            return wrong
    return ""


def _name(key: str) -> str:
    return key if key.isidentifier() and len(key) < 80 else shown(key)


_WORDS = {str: "a text", int: "a whole number", bool: "true or false"}

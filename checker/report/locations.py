"""Where rows and properties are written: file and line, for formats that lead there."""

from __future__ import annotations

from dataclasses import dataclass

from model.role import Role
from model.rule import Rule
from properties import ROOT, Property


@dataclass(frozen=True)
class Location:
    """A line of a file below the project's folder; other files have their whole path."""

    file: str
    line: int


def of_row(role: Role, row: Rule) -> Location | None:
    """Where a row is written: a row that refuses is where the row is whose check fails."""
    if row.refuses is not None:
        return of_row(role, role.rule(row.refuses[0]))
    return Location(row.file, row.line) if row.file else None


def of_property(p: Property) -> Location | None:
    """Where a property's function begins."""
    code = getattr(p.function, "__code__", None)
    if code is None:
        return None
    inside = code.co_filename.removeprefix(f"{ROOT}/")
    return Location(inside, code.co_firstlineno)

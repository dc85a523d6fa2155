"""How a notebook shows a value: drawn by the package `diagrams`, which lies above this one."""

from __future__ import annotations

from importlib import import_module


def picture(value: object) -> str | None:
    """The value as SVG; None if there is nothing to draw, or no Graphviz to draw it with."""
    drawn: str | None = import_module("diagrams.notebook").picture(value)
    return drawn


def page(value: object) -> str:
    """The value as HTML."""
    written: str = import_module("diagrams.notebook").page(value)
    return written

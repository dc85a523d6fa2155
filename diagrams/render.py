"""DOT text to SVG, by Graphviz: the `dot` program, or the library that pygraphviz bundles.

Layouts differ between versions of Graphviz, so an SVG has the digest of its DOT text, which a
freshness check compares.
"""

from __future__ import annotations

import hashlib
import html
import re
import shutil
import warnings

_DIGEST = re.compile(r"<!-- sha256 of the DOT text: ([0-9a-f]{64}) -->")
_TEXT = re.compile(r"<text[^>]*>([^<]*)</text>")

MISSING = (
    "no Graphviz: there is no `dot` program on the PATH and no Python package pygraphviz (whose "
    "wheel bundles Graphviz); type `make diagrams`, or `pip install '.[dot]'`, or install Graphviz"
)


def digest(dot: str) -> str:
    """The SHA-256 of the DOT text, in hexadecimal."""
    return hashlib.sha256(dot.encode()).hexdigest()


def digest_in(svg: str) -> str | None:
    """The digest in an SVG, or None."""
    found = _DIGEST.search(svg)
    return found[1] if found else None


def texts(svg: str) -> set[str]:
    """The texts shown in an SVG."""
    return {html.unescape(x).replace("\xa0", " ").strip() for x in _TEXT.findall(svg)}


def svg(dot: str) -> str:
    """The SVG of a DOT text; FileNotFoundError, with what to type, without Graphviz."""
    text = by_program(dot) if shutil.which("dot") else by_library(dot)
    head, mark, rest = text.partition("<svg")
    if not mark:
        raise ValueError("Graphviz gave no <svg> element")
    picture = f"{head}<!-- sha256 of the DOT text: {digest(dot)} -->\n{mark}{rest}"
    return "\n".join(x.rstrip() for x in picture.splitlines()) + "\n"


def by_program(dot: str) -> str:
    """The SVG, drawn by the `dot` program."""
    import graphviz

    return str(graphviz.Source(dot).pipe(format="svg", encoding="utf-8"))


def by_library(dot: str) -> str:
    """The SVG, drawn by the library in pygraphviz."""
    try:
        import pygraphviz
    except ImportError as e:
        raise FileNotFoundError(MISSING) from e
    with warnings.catch_warnings():
        # Graphviz warns that the size of fonts is estimated; the picture is fine.
        warnings.simplefilter("ignore", RuntimeWarning)
        drawn = pygraphviz.AGraph(string=dot).draw(format="svg", prog="dot")
    return str(drawn.decode("utf-8"))

"""Nothing overlaps in a drawn picture: texts, boxes and lines, measured in the SVG."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

import pytest

from diagrams.gallery import FOLDER

# The widths of the letters from blank to ~, in thousandths of the size, and the heights of text:
# Adobe's metrics of Helvetica, which Arial and Liberation Sans have too.
_WIDTHS = """
278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556
556 556 278 278 584 584 584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778
667 778 722 667 611 722 667 944 667 667 611 278 278 278 469 556 333 556 556 500 556 556 278 556
556 222 222 500 222 833 556 556 556 556 333 500 278 556 500 722 500 500 500 334 260 334 584
"""
WIDTHS = dict(zip(map(chr, range(32, 127)), map(int, _WIDTHS.split()), strict=True))
ABOVE, BELOW = 0.718, 0.207
BOLD = 1.1
"""At most: the width of a word in bold, over its width."""
NEAR = 0.5
"""The overlap, in pixels, that is no more than a touch."""


@dataclass(frozen=True)
class Box:
    """A rectangle with the text in it, or of a node; `at` is its place in the order of drawing."""

    said: str
    left: float
    top: float
    right: float
    bottom: float
    at: int

    def overlaps(self, other: Box) -> bool:
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.bottom, other.bottom) - max(self.top, other.top)
        return wide > NEAR and high > NEAR

    def within(self, other: Box) -> bool:
        return self.overlaps(other) and not any(
            (
                self.left < other.left - NEAR,
                self.top < other.top - NEAR,
                self.right > other.right + NEAR,
                self.bottom > other.bottom + NEAR,
            )
        )

    def has(self, x: float, y: float) -> bool:
        return self.left + NEAR < x < self.right - NEAR and self.top + NEAR < y < self.bottom - NEAR


Line = tuple[int, list[tuple[float, float]]]
"""The place of a line in the order of drawing, and points on it."""


def measured(svg: str) -> tuple[Box, list[Box], list[Box], list[Line]]:
    """The frame, the texts, the boxes and the lines of a picture."""
    texts: list[Box] = []
    boxes: list[Box] = []
    lines: list[Line] = []
    nodes: set[str] = set()
    for at, (e, group) in enumerate(_elements(ElementTree.fromstring(svg))):
        tag = e.tag.rpartition("}")[2]
        node = group.startswith("node")
        if tag == "text" and (e.text or "").strip("\xa0 "):
            texts.append(_text(e, at))
        elif tag == "rect" or (tag == "polygon" and group.startswith("graph")):
            boxes.append(_corners(tag, _points(e), at))
        elif node and tag in ("path", "polygon", "polyline"):
            # A node of two borders is the outer one's, which comes last.
            boxes[len(boxes) - (group in nodes) :] = [_corners(group, _points(e), at)]
            nodes.add(group)
        elif tag == "line" or (tag == "path" and e.get("fill") == "none"):
            lines.append((at, _points(e)))
    return boxes[0], texts, boxes[1:], lines


def _elements(e: ElementTree.Element, group: str = "") -> Iterator[tuple[ElementTree.Element, str]]:
    """Each element, in the order of drawing, with the name of the group that it is in."""
    group = e.get("id", group)
    yield e, group
    for child in e:
        yield from _elements(child, group)


def _text(e: ElementTree.Element, at: int) -> Box:
    shown, size = (e.text or "").replace("\xa0", " "), float(e.attrib["font-size"])
    letter = size / 1000 * (BOLD if e.get("font-weight") == "bold" else 1)
    wide, blank = (
        sum(WIDTHS[c] for c in x) * letter for x in (shown, shown.partition(shown.strip())[0])
    )
    x, y = float(e.attrib["x"]), float(e.attrib["y"])
    left = x - wide / 2 if e.get("text-anchor") == "middle" else x
    return Box(shown.strip(), left + blank, y - ABOVE * size, left + wide, y + BELOW * size, at)


def _corners(said: str, points: list[tuple[float, float]], at: int) -> Box:
    xs, ys = zip(*points, strict=True)
    return Box(said, min(xs), min(ys), max(xs), max(ys), at)


def _points(e: ElementTree.Element) -> list[tuple[float, float]]:
    """Points at most two pixels apart on a line or curve; the corners of a box."""
    tag, of = e.tag.rpartition("}")[2], e.attrib
    if tag == "rect":
        x, y, w, h = (float(of.get(k, 0)) for k in ("x", "y", "width", "height"))
        return [(x, y), (x + w, y + h)]
    if tag == "line":
        (x, y, x2, y2) = (float(of[k]) for k in ("x1", "y1", "x2", "y2"))
        return _between([(x, y), (x2, y2)])
    if tag in ("polygon", "polyline"):
        return [_pair(p) for p in of["points"].split()]
    out: list[tuple[float, float]] = []
    for letter, rest in re.findall(r"([MCHVLZ])([^A-Za-z]*)", of["d"]):
        numbers = [float(n) for n in re.findall(r"-?[\d.]+", rest)]
        pairs = list(zip(numbers[::2], numbers[1::2], strict=False))
        match letter:
            case "M":
                out += pairs
            case "H":
                out += _between([out[-1], (numbers[0], out[-1][1])])
            case "V":
                out += _between([out[-1], (out[-1][0], numbers[0])])
            case "C":
                for i in range(0, len(pairs), 3):
                    out += _between([out[-1], *pairs[i : i + 3]])
    return out


def _pair(said: str) -> tuple[float, float]:
    x, y = said.split(",")
    return float(x), float(y)


def _between(ends: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Points of the line, or of the cubic curve, with these ends and control points."""
    a, b, c, d = ends if len(ends) == 4 else (ends[0], *ends, ends[1])
    far = sum(abs(p[k] - q[k]) for p, q in ((a, b), (b, c), (c, d)) for k in (0, 1))
    n = int(far / 2) + 1
    weights = [((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3) for t in
               (i / n for i in range(n + 1))]  # fmt: skip
    return [
        (sum(w * p[0] for w, p in zip(ws, (a, b, c, d), strict=True)),
         sum(w * p[1] for w, p in zip(ws, (a, b, c, d), strict=True)))
        for ws in weights
    ]  # fmt: skip


def collisions(svg: str) -> list[str]:
    """What overlaps in a picture, or leaves it."""
    frame, texts, boxes, lines = measured(svg)
    out = [f"out of the picture: {x.said}" for x in (*texts, *boxes) if not x.within(frame)]
    for i, a in enumerate(texts):
        out += [f"text on text: {a.said} / {b.said}" for b in texts[:i] if a.overlaps(b)]
        out += [
            f"text on the border of a box: {a.said}"
            for b in boxes
            if a.overlaps(b) and not a.within(b)
        ]
    for i, a in enumerate(boxes):
        out += [f"box on box: {a} / {b}" for b in boxes[:i] if a.overlaps(b)]
    for at, points in lines:
        seen = [p for p in points if not any(b.at > at and b.has(*p) for b in boxes)]
        out += [f"line on text: {t.said}" for t in texts if any(t.has(*p) for p in seen)]
    return out


def picture(*parts: str) -> str:
    return f'<svg><rect width="200" height="100"/>{"".join(parts)}</svg>'


TEXT = '<text x="20" y="50" font-size="10">Finished</text>'
LINE = '<line x1="0" y1="48" x2="99" y2="48"/>'


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ([TEXT], ""),
        ([TEXT, TEXT.replace('y="50"', 'y="60"')], ""),
        ([TEXT, TEXT.replace('y="50"', 'y="56"')], "text on text"),
        ([TEXT.replace("20", "-5")], "out of the picture"),
        ([TEXT, '<rect x="9" y="35" width="90" height="20"/>'], ""),
        ([TEXT, '<rect x="40" y="35" width="90" height="20"/>'], "text on the border of a box"),
        (['<rect width="9" height="9"/>', '<rect x="5" width="9" height="9"/>'], "box on box"),
        ([TEXT, LINE], "line on text"),
        ([LINE, '<rect x="9" y="35" width="90" height="20"/>', TEXT], ""),
    ],
)
def test_each_kind_of_overlap_is_found(parts: list[str], found: str) -> None:
    assert {x.partition(":")[0] for x in collisions(picture(*parts))} == ({found} - {""})


@pytest.mark.deep
@pytest.mark.parametrize("name", sorted(f.stem for f in FOLDER.glob("*.svg")))
def test_nothing_overlaps_in_the_gallery(name: str) -> None:
    assert collisions((FOLDER / f"{name}.svg").read_text()) == []

"""What a terminal adds to text: its width, and colour."""

from __future__ import annotations

import os
import re
import shutil
import sys

from checker.report.columns import WIDTH

BOLD, RED, GREEN, YELLOW, FAINT = "1", "31", "32", "33", "2"
"""The parameters of the escape sequences."""
INK = {
    r"\bPROVED\b": GREEN,
    r"\b(VIOLATED|VACUOUS)\b": RED,
    r"\b(UNKNOWN|HOLDS_TO_DEPTH)\b": YELLOW,
    r"^!": f"{BOLD};{RED}",
    r"(?<=\|)(<=|==)[^|]*": RED,  # the arrow of a message that the adversary made or changed
    r"^\* made or changed .*": RED,
    r"^wrong at the end:|^fell:": f"{BOLD};{RED}",
    r"^     (by|let through by:) .*": FAINT,
}
"""The colour of each piece of text that has one."""


def is_terminal() -> bool:
    """Whether stdout is a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


def width() -> int | None:
    """The columns of the terminal; None if stdout is none."""
    return shutil.get_terminal_size((WIDTH, 24)).columns if is_terminal() else None


def coloured() -> bool:
    """Whether stdout is a terminal, and nobody refuses colour (https://no-color.org)."""
    return is_terminal() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def painted(text: str) -> str:
    """The text with the colours of `INK`."""
    for pattern, ink in INK.items():
        coloured = f"\x1b[{ink}m\\g<0>\x1b[m"
        text = re.sub(pattern, coloured, text, flags=re.MULTILINE)
    return text

"""The page as one file: template, style, modules and data.

The modules import each other by name only, so in the file they stand one after another, each after
those that it imports, without the words `import` and `export`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from checker.report.html.sharing import shared
from model.rule import ModelError

FOLDER = Path(__file__).parents[1] / "page"
FIRST = "main.js"
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=async function|function|class|const)", re.MULTILINE)
_NAME = re.compile(r"^(?:async function|function|class|const|let) (\w+)", re.MULTILINE)
_COMMENT = re.compile(r"^[ \t]*/\*\*.*?\*/\n", re.MULTILINE | re.DOTALL)


def bundled(data: Mapping[str, Any], *, live: bool = False) -> str:
    """The page that shows `data` (a `Page`); with `live`, it may ask the server it came from.

    The data is compressed, and what repeats in it is written once. The page can load nothing: a
    policy in its head forbids it.
    """
    code = script()
    packed = base64.b64encode(zlib.compress(_json(data), 9)).decode()
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    policy = [
        "default-src 'none'",
        f"script-src 'sha256-{digest}'",
        "style-src 'unsafe-inline'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        *(["connect-src 'self'"] if live else []),
    ]
    parts = {
        "POLICY": "; ".join(policy),
        "STYLE": "".join(p.read_text(encoding="utf-8") for p in sorted(FOLDER.glob("*.css"))),
        "DATA": packed,
        "CODE": code,
    }
    template = (FOLDER / "page.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{([A-Z]+)\}\}", lambda found: parts[found[1]], template)


def _json(data: Mapping[str, Any]) -> bytes:
    return json.dumps(shared(data), separators=(",", ":"), default=str).encode()


@cache
def script() -> str:
    """All modules as one; ModelError if two of them define the same name."""
    done: dict[str, str] = {}

    def add(name: str) -> None:
        if name in done:
            return
        text = (FOLDER / name).read_text(encoding="utf-8")
        for needed in _IMPORT.findall(text):
            add(needed)
        done[name] = _COMMENT.sub("", _EXPORT.sub("", _IMPORT.sub("", text)))

    add(FIRST)
    owner: dict[str, str] = {}
    for file, text in done.items():
        for name in _NAME.findall(text):
            if name in owner:
                raise ModelError(f"page/{file}: {name} is defined in page/{owner[name]}, too")
            owner[name] = file
    return "\n".join(["", *done.values()])

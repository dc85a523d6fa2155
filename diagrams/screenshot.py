"""The screenshot of the HTML page in the gallery: a flaw's trace at its last step, in Chromium.

A PNG has, as text, the digest of the page's modules and style, which a freshness check compares.
"""

from __future__ import annotations

import hashlib
import shutil
import struct
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory

from checker.report.html import bundle, verdicts
from checker.request import Request
from checker.verify import verify

NAME = "page.png"
FLAW = "goto_fail"
ABOUT = (
    f"`python -m checker verify --flaw {FLAW} --format html -o report.html`: a trace at its last "
    "step, with what broke and what the sound machine does instead."
)
SIZE = (1300, 1000)
"""The width and height, in pixels."""
MISSING = "no Chromium, or no Python package playwright"
_HEAD = b"\x89PNG\r\n\x1a\n"
_MARK = b"page\0"


def digest() -> str:
    """The SHA-256 of the page's modules, style and template."""
    files = (f for f in sorted(bundle.FOLDER.iterdir()) if f.suffix in (".js", ".css", ".html"))
    return hashlib.sha256(b"\0".join(f.read_bytes() for f in files)).hexdigest()


def digest_in(png: bytes) -> str | None:
    """The digest in a PNG, or None."""
    at = png.find(b"tEXt" + _MARK)
    return None if at < 0 else png[at + 4 + len(_MARK) :][:64].decode("ascii", "replace")


def marked(png: bytes) -> bytes:
    """The PNG with the digest of the page as it is now, before its last chunk."""
    text = b"tEXt" + _MARK + digest().encode()
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    end = png.rindex(b"IEND") - 4
    return png[:end] + chunk + png[end:]


def fresh(folder: Path) -> bool:
    """Whether the screenshot in the folder is one of the page as it is now."""
    file = folder / NAME
    png = file.read_bytes() if file.is_file() else b""
    return png.startswith(_HEAD) and digest_in(png) == digest()


def chromium() -> str | None:
    """The path of a Chromium, or None."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return next((path for n in names if (path := shutil.which(n))), None)


def taken() -> bytes:
    """The screenshot; FileNotFoundError without a browser."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as e:
        raise FileNotFoundError(MISSING) from e
    path = chromium()
    if path is None:
        raise FileNotFoundError(MISSING)
    request = Request(flaw=FLAW)
    data = verdicts.page(request, verify(request))
    steps = len(data["stories"][0]["steps"])
    with TemporaryDirectory() as folder, sync_playwright() as p:
        file = Path(folder) / "report.html"
        file.write_text(bundle.bundled(data), encoding="utf-8")
        browser = p.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": SIZE[0], "height": SIZE[1]})
        page.goto(f"{file.as_uri()}#trace/0/{steps}")
        page.wait_for_selector(".panel.broken")
        png: bytes = page.screenshot()
        browser.close()
    return marked(png)

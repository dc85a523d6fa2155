"""The screenshot of the page: its digest, what is stale, and that a browser can take it."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest

from checker.report.html import bundle
from diagrams import gallery, screenshot


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


PLAIN = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", bytes(13)) + chunk(b"IEND")


def test_a_screenshot_carries_the_digest_of_the_page_in_a_chunk_of_its_own() -> None:
    png = screenshot.marked(PLAIN)
    text = b"page\0" + screenshot.digest().encode()
    assert png == PLAIN[:-12] + chunk(b"tEXt", text) + chunk(b"IEND")
    assert screenshot.digest_in(png) == screenshot.digest()
    assert screenshot.digest_in(PLAIN) is None


def test_a_screenshot_of_another_page_is_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not screenshot.fresh(tmp_path)
    (tmp_path / screenshot.NAME).write_bytes(screenshot.marked(PLAIN))
    assert screenshot.fresh(tmp_path)
    other = tmp_path / "page"
    other.mkdir()
    (other / "main.js").write_text("other")
    monkeypatch.setattr(bundle, "FOLDER", other)
    assert not screenshot.fresh(tmp_path)
    says = f"stale: {screenshot.NAME}: the page has changed"
    assert says in gallery.stale([], tmp_path)


def test_without_a_browser_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screenshot, "chromium", lambda: None)
    with pytest.raises(FileNotFoundError, match="no Chromium"):
        screenshot.taken()


def test_the_screenshot_in_the_gallery_is_of_the_page_as_it_is() -> None:
    assert screenshot.fresh(gallery.FOLDER), "the page has changed: `make diagrams`, then look"


@pytest.mark.deep
@pytest.mark.skipif(screenshot.chromium() is None, reason="no Chromium is installed")
def test_a_browser_takes_it() -> None:
    pytest.importorskip("playwright")
    png = screenshot.taken()
    assert screenshot.digest_in(png) == screenshot.digest()
    assert struct.unpack(">II", png[16:24]) == (1300, 1000)

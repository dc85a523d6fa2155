"""Where results go: places are tried before the work, files are replaced whole at its end."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from model.near import UsageError


def check_file(option: str, path: str) -> None:
    """UsageError if no file can be written at `path`, which `option` asks for."""
    place = Path(path)
    if place.is_dir():
        raise UsageError(f"{option} {path}: expected a file to write, got a folder")
    if place.exists() and not os.access(place, os.W_OK):
        raise UsageError(f"{option} {path}: expected a file that can be written, got one that not")
    if not place.exists() or place.is_file():
        _try(option, path, Path(os.path.realpath(place)).parent)


def check_folder(option: str, path: str) -> None:
    """Make the folder `path`, which `option` asks for. UsageError if files cannot be made in it."""
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise UsageError(f"{option} {path}: expected a folder, got: {e.strerror}") from None
    _try(option, path, Path(path))


def _try(option: str, path: str, folder: Path) -> None:
    if not folder.is_dir():
        raise UsageError(f"{option} {path}: expected a folder {folder}, which is not there")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as e:
        raise UsageError(f"{option} {path}: expected a place to write, got: {e.strerror}") from None


def write(path: str, text: str) -> None:
    """Write a file: the whole text, or nothing. What is no plain file (a pipe) is written to."""
    place = Path(os.path.realpath(path))
    if place.exists() and not place.is_file():
        place.write_text(text, encoding="utf-8")
        return
    beside = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        if place.exists():
            beside.chmod(place.stat().st_mode)
        beside.replace(place)
    finally:
        beside.unlink(missing_ok=True)


def say(text: str) -> None:
    """Write to stdout. UsageError if that is full or closed."""
    if sys.stdout is None:
        raise UsageError("stdout: expected a place to write, got: it is closed")
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as e:
        raise UsageError(f"stdout: expected a place to write, got: {e.strerror}") from None


def mute() -> None:
    """Let the interpreter end without a word about a stdout that takes nothing more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

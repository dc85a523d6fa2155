"""JSON documents: one form for all commands."""

from __future__ import annotations

import json


def document(command: str, version: int = 1, *, indent: int | None = 1, **body: object) -> str:
    """The text of a JSON document: `schema_version`, `command`, and the keys of `body`."""
    return json.dumps({"schema_version": version, "command": command, **body}, indent=indent)

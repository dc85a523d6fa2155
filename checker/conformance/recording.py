"""A recorded handshake: the model's messages in order, and the file that keeps them.

The file is JSON lines, one message a line, in the order of the wire:

    {"direction": "client->server", "message": "ClientHello", "fields": {"version": "TLS12"}}

Fields may be missing. A line `{"recording": "title"}` starts a further recording in the file. A
line `{"recording": "title", "resumes": "earlier title"}` starts one in which the client resumes the
earlier connection: its ends are `client1` and `server1`, and its ticket is by `server0`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from checker import output
from checker.conformance.wire import RecordingError
from model.expr import BOOL, COMPOSITE, Domain
from model.extensions import extensions
from model.near import hint, shown
from model.role import Role
from model.roles import role
from model.rule import Message

TO_SERVER = "client->server"
TO_CLIENT = "server->client"
DIRECTIONS = (TO_SERVER, TO_CLIENT)
WITHOUT = {
    "ignored_records": "its bound on ignored records in a row is in no RFC: a longer row is legal",
    "renegotiation": "a recording is of one handshake",
    "session_ticket": "a session below TLS 1.3 is known by its id: the tickets are not read",
}
"""The extensions that the monitor's machines do without, and why."""


@dataclass(frozen=True)
class Recorded:
    """One message of a recording."""

    direction: str
    message: str
    fields: Mapping[str, Any]  # only those that the recording shows
    line: int = 0  # in the file; 0 if there is no file


@dataclass(frozen=True)
class Recording:
    """The messages of one connection, in the order of the wire; none of them crossed."""

    title: str
    messages: tuple[Recorded, ...]
    before: Recording | None = None  # the connection that is resumed


@cache
def roles() -> Mapping[str, Role]:
    """The roles of both ends, with all extensions but `WITHOUT` and those that exclude others."""
    names = tuple(
        n
        for n, e in extensions().items()
        if n not in WITHOUT and not e.excludes and not set(e.needs) & set(WITHOUT)
    )
    return {end: role(end, names) for end in ("client", "server")}


@cache
def alphabet() -> Mapping[str, Message]:
    """The messages of `roles`, by name."""
    return {m.name: m for m in roles()["client"].alphabet}


@cache
def choices_of(direction: str, message: str) -> Mapping[str, Domain]:
    """The arguments that the sender's rows take for `message`, such as `client_auth`."""
    out: dict[str, Domain] = {}
    for r in roles()["client" if direction == TO_SERVER else "server"].table:
        if r.kind == "send" and r.event == message:
            out.update(r.choices)
    return out


TITLE = 200
"""The most characters of a recording's title."""
LARGEST = 1 << 28
"""The most bytes of a file: some million messages."""


def parse(text: str, title: str) -> list[Recording]:
    """The recordings in a JSON lines text; RecordingError, with the line number, for bad lines."""
    done: list[Recording] = []
    now: list[Recorded] = []
    name, before = title, None

    def close() -> None:
        if now:
            done.append(Recording(name, tuple(now), before))
            now.clear()

    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
        except (ValueError, RecursionError) as e:  # also for a number of too many digits
            raise RecordingError(
                f"line {number}: expected one JSON object a line, got {shown(line.strip())}: {e}"
            ) from None
        if isinstance(item, dict) and "recording" in item and set(item) <= {"recording", "resumes"}:
            close()
            name = str(item["recording"])
            if len(name) > TITLE:
                raise RecordingError(
                    f"line {number}: expected a title of at most {TITLE} characters, "
                    f"got {len(name):,}"
                )
            before = _earlier(number, done, item["resumes"]) if "resumes" in item else None
        else:
            now.append(_parse_message(number, item))
    close()
    if not done:
        raise RecordingError(f"{title}: expected at least one message, got an empty recording")
    return done


def _earlier(number: int, done: Iterable[Recording], title: object) -> Recording:
    """The recording with this title among those above line `number`."""
    found = next((r for r in done if r.title == title), None)
    if found is None:
        raise RecordingError(
            f"line {number}: expected resumes to name a recording above it, got {shown(title)}"
            + hint(title, [r.title for r in done])
        )
    if found.before is not None:
        raise RecordingError(
            f"line {number}: {shown(title)} is a resumption itself; "
            "the model resumes full handshakes"
        )
    return found


def _parse_message(number: int, item: object) -> Recorded:
    """The message in a line's JSON object; RecordingError if a key or a value is wrong."""
    where = f"line {number}"
    if not isinstance(item, dict):
        raise RecordingError(f"{where}: expected a JSON object, got {type(item).__name__}")
    known = ("direction", "message", "fields")
    for key in item:
        if key not in known:
            raise RecordingError(
                f"{where}: expected the keys {', '.join(known)}, got {shown(key)}{hint(key, known)}"
            )
    direction, name, fields = item.get("direction"), item.get("message"), item.get("fields", {})
    if direction not in DIRECTIONS:
        raise RecordingError(
            f"{where}: expected direction {' or '.join(DIRECTIONS)}, got {shown(direction)}"
        )
    known_messages = alphabet()
    if not isinstance(name, str) or name not in known_messages:
        raise RecordingError(
            f"{where}: expected a message of {', '.join(known_messages)}, got {shown(name)}"
            + hint(name, known_messages)
        )
    if not isinstance(fields, dict):
        raise RecordingError(
            f"{where}, {name}: expected fields to be an object, got {type(fields).__name__}"
        )
    message = known_messages[name]
    domains = {**choices_of(str(direction), name), **message.fields}
    values = {
        f: _parse_value(f"{where}, {name}", message, domains, f, v) for f, v in fields.items()
    }
    if name == "Alert":
        for f in message.fields:
            if f not in values:
                raise RecordingError(
                    f"{where}, Alert: expected the fields {', '.join(message.fields)}, {f} is "
                    "missing, and no machine can say what it was"
                )
    return Recorded(str(direction), name, values, number)


def _parse_value(
    where: str, message: Message, domains: Mapping[str, Domain], field: str, value: object
) -> object:
    """The value of a field; RecordingError, with near names, if it is not in the domain."""
    if field not in domains:
        raise RecordingError(
            f"{where}: expected the fields {', '.join(domains) or '(none)'}, got {shown(field)}"
            + hint(field, domains)
        )
    domain = domains[field]
    if domain is COMPOSITE:
        if not isinstance(value, list):
            raise RecordingError(f"{where}, {field}: expected a list of values, got {shown(value)}")
        return tuple(value)
    if domain is BOOL:
        if not isinstance(value, bool):  # 1 would pass for true
            raise RecordingError(f"{where}, {field}: expected true or false, got {shown(value)}")
        return value
    try:
        domain.code(value)
    except ValueError as e:
        raise RecordingError(f"{where}, {field}: {e}") from None
    if field in message.fields and value == "none" and message.demands(field):
        raise RecordingError(
            f"{where}, {field}: expected a value other than none in a {message.name}, got 'none'"
        )
    return value


def read(path: str) -> list[Recording]:
    """The recordings in a file; RecordingError if the file cannot be opened or read."""
    try:
        text = output.read(path, LARGEST).decode()
    except (OSError, UnicodeDecodeError) as e:
        raise RecordingError(f"{path}: expected a recording in JSON lines, got: {e}") from None
    try:
        return parse(text, path)
    except RecordingError as e:
        raise RecordingError(f"{path}: {e}" if not str(e).startswith(path) else str(e)) from None


def dump(recordings: Iterable[Recording]) -> str:
    """The recordings as JSON lines for `parse`, each after the recording that it resumes."""
    lines: list[str] = []
    for recording in recordings:
        head = {"recording": recording.title}
        if recording.before is not None:
            head["resumes"] = recording.before.title
        lines.append(json.dumps(head))
        lines.extend(
            json.dumps({"direction": m.direction, "message": m.message, "fields": dict(m.fields)})
            for m in recording.messages
        )
    return "\n".join(lines) + "\n"

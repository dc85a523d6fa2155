"""A recorded handshake: the model's messages in order, and the file that keeps them.

The file is JSON lines, one message a line, in the order of the wire:

    {"direction": "client->server", "message": "ClientHello", "fields": {"version": "TLS12"}}

Fields may be missing. `"protected": false` says that the record was in the clear, `true` that it
was not. A line `{"recording": "title"}` starts a further recording in the file. A line
`{"recording": "title", "resumes": "earlier title"}` starts one in which the client resumes the
earlier connection: its ends are `client1` and `server1`, and its ticket is by `server0`.

Each recording is read on its own: one that cannot be read says why, and hides no other.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import Any

from checker.conformance.alerts import ALERTS
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
OWN_NAME = {"close_notify": "CloseNotify", "no_certificate": "NoCertificate"}
"""The alerts that are messages of their own in the model."""
WITHOUT = {
    "kem": "a ciphertext does not show whose secret is in it",
    "ignored_records": "its bound on ignored records in a row is in no RFC: a longer row is legal",
}
"""The extensions that the monitor's machines do without, and why."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One message of a recording."""

    direction: str
    message: str
    fields: Mapping[str, Any]  # only those that the recording shows
    line: int = 0  # in the file; 0 if there is no file
    protected: bool | None = None  # whether the record was encrypted; None if that is not shown

    def at(self, line: int) -> Recorded:
        """The same message in another line."""
        return Recorded(self.direction, self.message, self.fields, line, self.protected)

    def __reduce__(self) -> tuple[Any, ...]:
        """How it is pickled, faster than a dataclass by itself."""
        return Recorded, (self.direction, self.message, self.fields, self.line, self.protected)


@dataclass(frozen=True)
class Recording:
    """The messages of one connection, in the order in which they were seen."""

    title: str
    messages: tuple[Recorded, ...]
    before: Recording | None = None  # the connection that is resumed
    unread: str = ""  # why nothing after `messages` was read; empty if all was read
    malformed: bool = False  # whether `unread` is the fault of the file
    expected: str = ""  # acc, ref or ref:alert,...; empty if the file expects nothing
    notes: tuple[str, ...] = ()  # what its reader assumed
    unit: str = "line"  # what `Recorded.line` counts

    @cached_property
    def content(self) -> object:
        """What tells this recording from others with another outcome: title and lines do not."""
        messages = tuple(
            (m.direction, m.message, tuple(m.fields.items()), m.protected) for m in self.messages
        )
        if self.before is None:
            return messages, self.notes
        # By number, since a chain of resumptions may be long.
        key = (self.before.content, bool(self.before.unread))
        return _numbers.setdefault(key, len(_numbers)), messages, self.notes


_numbers: dict[object, int] = {}


class Draft:
    """The recording that is being read from a file, and those above it."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.done: dict[str, Recording] = {}
        self.begin(0, file)

    def begin(self, number: int, title: str) -> None:
        """Start a recording at line `number`."""
        self.title, self.expected = title, ""
        self.before: Recording | None = None
        self.now: list[Recorded] = []
        self.unread = ""
        if number and len(title) > TITLE:
            self.title = title[:TITLE]
            self.bad(
                f"line {number}: expected a title of at most {TITLE} characters, got {len(title):,}"
            )

    def resumes(self, number: int, title: object) -> None:
        """The recording resumes the one with this title."""
        self.before = self.done.get(title) if isinstance(title, str) else None
        if self.before is None:
            self.bad(
                f"line {number}: expected resumes to name a recording above it, got "
                f"{shown(title)}{hint(title, self.done)}"
            )

    def bad(self, reason: str) -> None:
        """Nothing of the recording is read from here on."""
        self.unread = self.unread or reason

    def add(self, message: Recorded) -> None:
        """The next message."""
        if not self.unread:
            self.now.append(message)

    def some(self) -> bool:
        """Whether the recording has any content."""
        return bool(self.now or self.unread)

    def end(self) -> Recording:
        """The recording."""
        out = Recording(
            self.title, tuple(self.now), self.before, self.unread, bool(self.unread), self.expected
        )
        self.done.setdefault(out.title, out)
        return out


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


@cache
def fields_of(direction: str, message: str) -> Mapping[str, Domain]:
    """What a recording may show of a message: its fields, and its sender's arguments."""
    return {**choices_of(direction, message), **alphabet()[message].fields}


TITLE = 200
"""The most characters of a recording's title."""


def parse(lines: Iterable[str], title: str) -> Iterator[Recording]:
    """The recordings in JSON lines."""
    draft = Draft(title)
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        item = _json(line.strip())
        if isinstance(item, dict) and "recording" in item and set(item) <= {"recording", "resumes"}:
            if draft.some():
                yield draft.end()
            draft.begin(number, str(item["recording"]))
            if "resumes" in item:
                draft.resumes(number, item["resumes"])
        elif isinstance(item, Recorded):
            draft.add(item.at(number))
        else:
            draft.bad(f"line {number}{item}")
    if draft.some():
        yield draft.end()


@lru_cache(1 << 14)
def _json(line: str) -> object:
    """What a line says: a message, the head of a recording, or why it is neither."""
    try:
        item = json.loads(line)
        if isinstance(item, dict) and "recording" in item:
            return item
        return message_of(item)
    except RecordingError as e:
        return str(e)
    except (ValueError, RecursionError) as e:
        return f": expected one JSON object a line, got {shown(line)}: {e}"


def message_of(item: object) -> Recorded:
    """The message that an object says; RecordingError if a key or a value is wrong."""
    if not isinstance(item, dict):
        raise RecordingError(f": expected a JSON object, got {type(item).__name__}")
    known = ("direction", "message", "fields", "protected")
    for key in item:
        if key not in known:
            raise RecordingError(
                f": expected the keys {', '.join(known)}, got {shown(key)}{hint(key, known)}"
            )
    direction, name, given = item.get("direction"), item.get("message"), item.get("fields", {})
    if direction not in DIRECTIONS:
        raise RecordingError(
            f": expected direction {' or '.join(DIRECTIONS)}, got {shown(direction)}"
        )
    known_messages = alphabet()
    if not isinstance(name, str) or name not in known_messages:
        raise RecordingError(
            f": expected a message of {', '.join(known_messages)}, got {shown(name)}"
            + hint(name, known_messages)
        )
    if not isinstance(given, dict):
        raise RecordingError(
            f", {name}: expected fields to be an object, got {type(given).__name__}"
        )
    protected = item.get("protected")
    if not (protected is None or isinstance(protected, bool)):
        raise RecordingError(
            f", {name}: expected protected to be true or false, got {shown(protected)}"
        )
    domains = fields_of(str(direction), name)
    try:
        values = {f: _value(known_messages[name], domains, f, v) for f, v in given.items()}
    except RecordingError as e:
        raise RecordingError(f", {name}{e}") from None
    if name == "Alert":
        for f in known_messages[name].fields:
            if f not in values:
                raise RecordingError(
                    f", Alert: expected the fields level, description, {f} is missing, and no "
                    "machine can say what it was"
                )
        if values["description"] in OWN_NAME:
            name, values = OWN_NAME[str(values["description"])], {}
    return Recorded(str(direction), name, values, 0, protected)


def _value(message: Message, domains: Mapping[str, Domain], f: str, value: object) -> object:
    """The value of the field `f`; RecordingError, with near names, if it is not in the domain."""
    if f not in domains:
        raise RecordingError(
            f": expected the fields {', '.join(domains) or '(none)'}, got {shown(f)}"
            + hint(f, domains)
        )
    domain = domains[f]
    if message.name == "Alert" and f == "description":
        if (isinstance(value, str) and value in ALERTS) or (
            type(value) is int and 0 <= value < 256
        ):
            return value
        raise RecordingError(
            f", description: expected an alert of the registry or its number, got {shown(value)}"
            + hint(value, ALERTS)
        )
    if domain is COMPOSITE:
        if not isinstance(value, list) or any(isinstance(v, (list, dict)) for v in value):
            raise RecordingError(f", {f}: expected a list of values, got {shown(value)}")
        return tuple(value)
    if domain is BOOL:
        if not isinstance(value, bool):  # 1 would pass for true
            raise RecordingError(f", {f}: expected true or false, got {shown(value)}")
        return value
    try:
        domain.code(value)
    except ValueError as e:
        raise RecordingError(f", {f}: {e}") from None
    if f in message.fields and value == "none" and message.demands(f):
        raise RecordingError(
            f", {f}: expected a value other than none in a {message.name}, got 'none'"
        )
    return value


def dump(recordings: Iterable[Recording]) -> str:
    """The recordings as JSON lines for `parse`, each after the recording that it resumes."""
    lines: list[str] = []
    for recording in recordings:
        head = {"recording": recording.title}
        if recording.before is not None:
            head["resumes"] = recording.before.title
        lines.append(json.dumps(head))
        lines.extend(
            json.dumps(
                {"direction": m.direction, "message": m.message, "fields": dict(m.fields)}
                | ({} if m.protected is None else {"protected": m.protected})
            )
            for m in recording.messages
        )
    return "\n".join(lines) + "\n"

"""Recordings in one line each, as people write handshakes down.

    title | expected | >CH{version=TLS12,offers_RSA=true} <SH{suite=RSA} <C <SHD >CKE >CCS >F

`>` is client to server, `<` server to client. A message has its name or its short name (`SHORT`),
then fields in braces; `JUNK` is a value that nobody made. `protected=false` says that a record was
in the clear. `expected` is `acc`, `ref`, or `ref:` and the alerts that may answer. Title and
expectation may be left out. `title @resumes=OTHER`: the connection resumes the recording `OTHER`
above. A line that begins with `#` is a comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from checker.conformance.recording import (
    TO_CLIENT,
    TO_SERVER,
    Draft,
    Recorded,
    Recording,
    alphabet,
    fields_of,
    message_of,
)
from checker.conformance.wire import RecordingError
from model.expr import BOOL, COMPOSITE
from model.machine import JUNK
from model.near import hint, shown

SHORT = {
    "CH": "ClientHello",
    "SH": "ServerHello",
    "HRR": "HelloRetryRequest",
    "CH2": "SecondClientHello",
    "EE": "EncryptedExtensions",
    "C": "Certificate",
    "CS": "CertificateStatus",
    "SKE": "ServerKeyExchange",
    "CR": "CertificateRequest",
    "SHD": "ServerHelloDone",
    "CKE": "ClientKeyExchange",
    "CV": "CertificateVerify",
    "CCS": "ChangeCipherSpec",
    "F": "Finished",
    "NST": "NewSessionTicket",
    "ED": "EarlyData",
    "EOED": "EndOfEarlyData",
    "KU": "KeyUpdate",
    "HR": "HelloRequest",
    "AD": "ApplicationData",
    "CN": "CloseNotify",
    "AL": "Alert",
    "NC": "NoCertificate",
    "UR": "UndecryptableRecord",
    "TC": "TransportClose",
}
"""The short names of messages."""

_WORD = re.compile(r"\s*([<>])\s*(\w+)\s*(?:\{([^{}]*)\})?")
_EXPECTED = re.compile(r"acc|ref(?::\w+(?:,\w+)*)?")
_RESUMES = re.compile(r"\s*@resumes=(.*)$")


def is_words(text: str) -> bool:
    """Whether a text is in this notation: its first line that is no comment has a word in it."""
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            return _WORD.match(line.rpartition("|")[2]) is not None
    return False


def parse(lines: Iterable[str], title: str) -> Iterator[Recording]:
    """The recordings in lines of this notation, each judged readable on its own."""
    draft = Draft(title)
    for number, line in enumerate(lines, 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        *head, words = (part.strip() for part in line.split("|"))
        name = head[0] if head else f"{title}, line {number}" if title else line[:80]
        expected = head[1] if len(head) > 1 else ""
        resumes = _RESUMES.search(name)
        draft.begin(number, name[: resumes.start()] if resumes else name)
        if resumes:
            draft.resumes(number, resumes[1])
        if len(head) > 2 or (expected and not _EXPECTED.fullmatch(expected)):
            got = f"{len(head) + 1} columns" if len(head) > 2 else shown(expected)
            draft.bad(
                f"line {number}: expected title | acc, ref or ref:alert,... | messages, got {got}"
            )
        draft.expected = expected
        try:
            for one in _words(number, words):
                draft.add(one)
        except RecordingError as e:
            draft.bad(str(e))
        yield draft.end()


def _words(number: int, text: str) -> Iterator[Recorded]:
    """The messages in the words of line `number`."""
    at = 0
    while at < len(text):
        m = _WORD.match(text, at)
        if m is None:
            raise RecordingError(
                f"line {number}: expected > or <, a message's name and fields in braces, got "
                f"{shown(text[at:].strip())}"
            )
        at = m.end()
        short = m[2]
        name = SHORT.get(short, short)
        if name not in alphabet():
            raise RecordingError(
                f"line {number}: expected a message ({', '.join(SHORT)}, or a name in full), got "
                f"{shown(short)}{hint(short, [*SHORT, *alphabet()])}"
            )
        try:
            yield _message(m[1], name, m[3] or "").at(number)
        except RecordingError as e:
            raise RecordingError(f"line {number}{e}") from None


@lru_cache(1 << 14)
def _message(arrow: str, name: str, text: str) -> Recorded:
    """The message with the fields in `text`."""
    direction = TO_SERVER if arrow == ">" else TO_CLIENT
    domains = fields_of(direction, name)
    fields: dict[str, object] = {}
    for pair in filter(None, map(str.strip, text.split(","))):
        field, is_there, value = (part.strip() for part in pair.partition("="))
        if not is_there:
            raise RecordingError(f", {name}: expected field=value, got {shown(pair)}")
        code = (name, field) == ("Alert", "description") and value.isdecimal()
        fields[field] = int(value) if code else _value(value, domains.get(field))
    protected = fields.pop("protected", None)
    item: dict[str, object] = {"direction": direction, "message": name, "fields": fields}
    if protected is not None:
        item["protected"] = {"true": True, "false": False}.get(str(protected), protected)
    return message_of(item)


def _value(text: str, domain: object) -> object:
    """The value written as `text`, of the kind that the domain has."""
    if domain is COMPOSITE:
        return list(JUNK) if text == "JUNK" else text
    if domain is BOOL:
        return {"true": True, "false": False}.get(text, text)
    if domain is not None and any(isinstance(v, int) for v in getattr(domain, "values", ())):
        return int(text) if text.isdecimal() else text
    return text

"""Hellos with several pre-shared keys, as bytes and in the monitor's machines."""

from __future__ import annotations

import pytest

from checker.conformance import monitor, wire
from checker.conformance.abstraction import Abstraction
from checker.conformance.recording import TO_CLIENT, TO_SERVER, Recorded, Recording
from tests.checker.test_recordings import (
    extension,
    retry_hello,
    retry_request,
    server_hello,
    vector,
)


def test_of_several_keys_the_first_counts_and_the_one_selected() -> None:
    ticket = bytes(8) + vector(1, b"n") + vector(2, b"ticket") + vector(2, b"")
    first = Abstraction()
    first.sent(TO_CLIENT, "ServerHello", retry_request(0x1D))
    first.sent(TO_CLIENT, "NewSessionTicket", ticket)

    def offer(*binders: bytes) -> bytes:
        names = b"".join(vector(2, n) + bytes(4) for n in (b"other", b"more", b"ticket"))
        made = vector(2, b"".join(vector(1, b) for b in binders))
        return retry_hello(0x1D, extension(wire.PRE_SHARED_KEY, vector(2, names) + made))

    for selected, second, said in (
        (None, "adversary", "none"),
        (0, "adversary", "0"),
        (1, "adversary", "1"),
        (2, "server0", "1"),
        (3, "adversary", "2"),
    ):
        a = Abstraction(first)
        more = b"" if selected is None else extension(wire.PRE_SHARED_KEY, bytes([0, selected]))
        a.sent(TO_SERVER, "ClientHello", offer(b"a", b"b", b"c"))
        a.sent(TO_CLIENT, "ServerHello", server_hello(more))
        keys = a.fields(TO_SERVER, "ClientHello", offer(b"a", b"b", b"c"))
        assert (keys["identity"], keys["second_identity"]) == ("external", second)
        assert keys["other_binder"] == a.client
        assert a.fields(TO_CLIENT, "ServerHello", server_hello(more))["selected"] == said
    altered = a.fields(TO_SERVER, "ClientHello", offer(b"a", b"b", b"other"))
    assert altered["other_binder"] == "adversary"


def handshake(selected: str, *, early: bool = False) -> Recording:
    """A handshake in which the server selects one of two external keys."""
    messages = (
        Recorded(TO_SERVER, "ClientHello", {
            "version": "TLS13", "shares": "one", "psk_dhe_ke": True, "identity": "external",
            "second_identity": "adversary", "early_data": early,
        }),
        Recorded(TO_CLIENT, "ServerHello", {"version": "TLS13", "selected": selected}),
        Recorded(TO_CLIENT, "EncryptedExtensions", {"early_data": early}),
        Recorded(TO_CLIENT, "Finished", {}),
        Recorded(TO_SERVER, "Finished", {}),
    )  # fmt: skip
    return Recording("two keys", messages)


@pytest.mark.parametrize("selected", ["0", "1"])
def test_a_server_may_select_either_key(selected: str) -> None:
    report = monitor.watch(handshake(selected))
    assert report.refused is None, report.problem


@pytest.mark.parametrize(("selected", "early", "at"), [("2", False, 2), ("1", True, 3)])
def test_a_client_refuses_another_key_and_early_data_with_the_second(
    selected: str, early: bool, at: int
) -> None:
    report = monitor.watch(handshake(selected, early=early))
    assert report.refused == at
    assert "illegal_parameter" in str(report.problem)

"""Two pre-shared keys in one hello, driven by hand (RFC 8446 4.2.10, 4.2.11)."""

from __future__ import annotations

from typing import Any

import pytest

from model.extensions import with_needed
from model.machine import JUNK, Run, Sent
from model.roles import role
from tests.model.test_rfc_rows import TLS13, message, run

LIST = ("early_data", "psk_list")
CLIENT = {**TLS13, "has_external": True, "second_key": "adversary", "sends_early": True}
SERVER = {**TLS13, "has_external": True, "shares_with_adversary": True, "takes_early": True}


def altered(sent: Sent, **fields: Any) -> Sent:
    return Sent(sent.message, {**sent.fields, **fields})


@pytest.mark.parametrize(
    ("config", "key", "second"),
    [
        ({}, "external", False),
        ({"prefers_second": True}, "adversary", True),
        ({"has_external": False}, "adversary", True),
        ({"shares_with_adversary": False, "prefers_second": True}, "external", False),
        ({"has_external": False, "shares_with_adversary": False}, "none", False),
    ],
)
def test_a_server_selects_a_key_that_it_knows(
    config: dict[str, Any], key: str, second: bool
) -> None:
    client, server = run("client", LIST, CLIENT), run("server", LIST, {**SERVER, **config})
    assert server.receive(client.send_client_hello()) is None
    assert (server.psk, server.second_selected) == (key, second)
    # Early data is that of the first key.
    assert server.early_accepted == (key == "external")
    sent = server.send_server_hello()
    assert sent.fields["selected"] == {"none": "none"}.get(key, "1" if second else "0")
    assert client.receive(sent) is None
    assert client.psk == key


@pytest.mark.parametrize("prefers_second", [False, True])
def test_the_binder_of_the_selected_key_alone_is_verified(prefers_second: bool) -> None:
    binders = ["binder", "second_binder"]
    verified = binders.pop(prefers_second)
    for junk, answer in ((binders[0], None), (verified, "decrypt_error")):
        client = run("client", LIST, CLIENT)
        server = run("server", LIST, {**SERVER, "prefers_second": prefers_second})
        assert server.receive(altered(client.send_client_hello(), **{junk: JUNK})) == answer


@pytest.mark.parametrize(
    ("second_key", "selected", "answer"),
    [
        ("adversary", "1", None),
        ("adversary", "2", "illegal_parameter"),
        ("none", "0", None),
        ("none", "1", "illegal_parameter"),
    ],
)
def test_a_client_takes_only_an_identity_that_it_offered(
    second_key: str, selected: str, answer: str | None
) -> None:
    client = run("client", LIST, {**CLIENT, "second_key": second_key})
    server = run("server", LIST, SERVER)
    assert server.receive(client.send_client_hello()) is None
    sent = altered(server.send_server_hello(), selected=selected)
    assert client.receive(sent) == answer


def test_a_client_refuses_early_data_with_the_second_key() -> None:
    client = run("client", LIST, CLIENT)
    server = run("server", LIST, {**SERVER, "prefers_second": True})
    assert server.receive(client.send_client_hello()) is None
    assert client.receive(server.send_server_hello()) is None
    sent = altered(server.send_encrypted_extensions(), early_data=True)
    assert client.receive(sent) == "illegal_parameter"


@pytest.mark.parametrize(
    ("second_key", "identities"),
    [("external", ("server0", "external")), ("resumption", ("external", "server0"))],
)
def test_a_ticket_is_first_or_last(second_key: str, identities: tuple[str, str]) -> None:
    of = role("client", with_needed("psk_list"))
    before = Run(of, "client0", **TLS13)
    before.place({"state": "CLOSED", "write_key": "application", "ticket": "server0"})
    config = {**TLS13, "resumes": True, "has_external": True, "second_key": second_key}
    client: Any = Run(of, "client1", before, **config)
    sent = client.send_client_hello().fields
    assert (sent["identity"], sent["second_identity"]) == identities


def test_a_second_hello_has_both_keys_again() -> None:
    """RFC 8446 4.1.2."""
    names = (*LIST, "retry")
    client = run("client", names, {**CLIENT, "sends_early": False})
    server = run("server", names, {**SERVER, "prefers_second": True, "supports_x25519": False})
    assert server.receive(client.send_client_hello()) is None
    assert client.receive(server.send_hello_retry_request()) is None
    again = client.send_second_client_hello()
    assert (again.fields["identity"], again.fields["second_identity"]) == ("external", "adversary")
    assert server.receive(again) is None
    assert client.receive(server.send_server_hello()) is None
    assert (client.psk, server.psk) == ("adversary", "adversary")


@pytest.mark.parametrize(("demand", "answer"), [("nothing", "decrypt_error"), ("member", None)])
def test_a_ticket_in_the_second_place_meets_the_demand_of_the_host(
    demand: str, answer: str | None
) -> None:
    of = role("server", with_needed("psk_list", "server_name"))
    both = {**TLS13, "a_demands": demand, "b_demands": demand}
    before = Run(of, "server0", **both)
    before.place({"state": "CLOSED", "version": "TLS13", "issued": True, "random": "server0"})
    server: Any = Run(of, "server1", before, **both, resumes=True)
    asked = {"version": "TLS13", "random": "client1", "offer": "client1", "shares": "one",
             "key_share": "client1", "psk_dhe_ke": True, "identity": "external",
             "second_identity": "server0"}  # fmt: skip
    sent = message(server, "ClientHello", **asked)
    # The binder is made up, and looked at only if the server takes the key.
    assert server.receive(sent) == answer

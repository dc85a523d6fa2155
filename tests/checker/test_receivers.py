"""Wrong receivers and wrong senders, each a row or an effect, that a network attacker breaks.

A wrong receiver is tried, since what the network delivers does not depend on who receives it. Each
case: the scenario, the patches, and for each property that must fall the least number of steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from checker.by_search import search
from checker.request import Request
from checker.verdict import VIOLATED
from model.expr import TRUE, const, ite, neg, var
from model.extensions.early_data import EndOfEarlyData
from model.extensions.resumption import echoed, own, sh
from model.message import ApplicationData, ChangeCipherSpec, Finished
from model.patch import (
    Patch,
    narrowed,
    patched,
    widened,
    with_effects,
    with_rows,
    with_target,
    without_check,
)
from model.principal import Key, client, server
from model.roles import role
from model.rule import SAME, receive
from model.scenario import scenario
from properties import find
from tests.sizes import deep_but

CLEAR = const("plaintext", Key)
DROPPED = "client_receive_change_cipher_spec_dropped"
SERVER_DROPPED = "server_receive_change_cipher_spec_dropped"
FLIGHT = ("WAIT_CERT", "WAIT_CV", "WAIT_FINISHED")
RESUMED = "client_receive_server_hello_WAIT_SH_to_RES_WAIT_CCS"
_state = var("own.state", role("server").state_domain)
_wrong = (sh.version <= "TLS12") & (sh.session_id == own.offered_session)
_SH = "client_receive_server_hello_WAIT_SH_to"


@dataclass(frozen=True)
class Case:
    """A wrong end, and what falls."""

    scenario: str
    patches: dict[str, Patch]
    falls: dict[str, int]
    """By id of a property: the steps of a shortest trace."""


CASES = {
    "a ChangeCipherSpec connects a client of TLS 1.3 in the clear": Case(
        "tls13",
        {
            "client": [
                with_target(DROPPED, "CONNECTED"),
                with_effects(DROPPED, read_key=CLEAR, write_key=CLEAR, verified=TRUE),
            ]
        },
        {"AUT-1": 3, "AUT-6": 3, "ORD-14": 3},
    ),
    "a ChangeCipherSpec ends the write protection of a server of TLS 1.3": Case(
        "tls13",
        {
            "server": [
                with_effects(
                    SERVER_DROPPED, write_key=ite(_state.one_of(*FLIGHT), CLEAR, server.write_key)
                ),
                narrowed("server_send_application_data_early", server.verified),
            ]
        },
        {"SEC-4": 16},
    ),
    "a client takes an empty session id for a resumption": Case(
        "tls12-resumption",
        {
            "client": [
                widened(RESUMED, _wrong),
                without_check(RESUMED, "session version", "session suite", "session compression"),
                narrowed(f"{_SH}_WAIT_CERTIFICATE", neg(_wrong) | echoed),
                narrowed(f"{_SH}_WAIT_SKE", neg(_wrong) | echoed),
            ]
        },
        {"AUT-1": 4, "AUT-6": 4, "SEC-1": 4},
    ),
    "a server swallows an EndOfEarlyData anywhere": Case(
        "tls13-early-data",
        {
            "server": with_rows(
                receive(
                    "server",
                    EndOfEarlyData,
                    ("WAIT_FINISHED", "WAIT_CERT"),
                    SAME,
                    rfc="8446 4.5",
                    label="eoed_in_the_flight",
                ),
                receive(
                    "server",
                    EndOfEarlyData,
                    ("START", "NEGOTIATED", "SEND_EE"),
                    SAME,
                    rfc="8446 4.5",
                    label="eoed_in_the_clear",
                ),
            )
        },
        {"EDT-6": 1, "ORD-4": 2, "ORD-21": 3},
    ),
    "a client of TLS 1.3 takes a Finished in the clear": Case(
        "tls13",
        {
            "client": with_rows(
                receive(
                    "client",
                    Finished,
                    "WAIT_FINISHED",
                    "SEND_FINISHED",
                    rfc="8446 4.4.4",
                    when=~client.requested,
                    under=CLEAR,
                    label="clear_finished",
                    do={"verified": TRUE, "write_key": const("handshake", Key)},
                ),
                first=True,
            )
        },
        {"KEY-4": 6},
    ),
    "a server of TLS 1.3 takes data in the clear": Case(
        "tls13",
        {
            "server": with_rows(
                receive(
                    "server",
                    ApplicationData,
                    "WAIT_FINISHED",
                    SAME,
                    rfc="8446 5",
                    under=CLEAR,
                    label="clear_data",
                    do={"delivered": TRUE},
                )
            )
        },
        {"ORD-1": 7},
    ),
    "a client of TLS 1.3 drops a protected ChangeCipherSpec after its Finished, too": Case(
        "tls13",
        {
            "client": with_rows(
                receive(
                    "client",
                    ChangeCipherSpec,
                    "CONNECTED",
                    SAME,
                    rfc="8446 5",
                    when=client.version == "TLS13",
                    label="late_ccs",
                )
            )
        },
        {"KEY-6": 8},
    ),
    "a server of TLS 1.3 sends data in the clear": Case(
        "tls13",
        {
            "server": with_effects(
                "server_send_finished_SEND_FINISHED_to_WAIT_FINISHED", write_key=CLEAR
            )
        },
        {"SEC-4": 15},
    ),
}


@pytest.mark.parametrize("title", deep_but(["a server of TLS 1.3 takes data in the clear"], CASES))
def test_a_wrong_end_is_broken(title: str) -> None:
    case = CASES[title]
    where = scenario(case.scenario)
    ends = {n: role(n, where.extensions) for n in ("client", "server")}
    ends |= {n: patched(ends[n], p) for n, p in case.patches.items()}
    props = [p for i in case.falls for p in find(i)]
    results = search(where.system(**ends), props, Request(backend="c"))
    fallen = {r.id: len(r.trace) for r in results if r.verdict == VIOLATED}
    assert fallen == case.falls


@pytest.mark.parametrize("name", deep_but(["tls13"], sorted({c.scenario for c in CASES.values()})))
def test_the_sound_ends_are_not(name: str) -> None:
    where = scenario(name)
    props = [p for c in CASES.values() if c.scenario == name for i in c.falls for p in find(i)]
    results = search(where.system(), [*dict.fromkeys(props)], Request(backend="c"))
    assert [r.id for r in results if r.verdict == VIOLATED] == []

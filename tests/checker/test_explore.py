"""Exploring: a walk on the machines, questions about it, and who may ask the server."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from checker.explore import terminal
from checker.explore.condition import condition
from checker.explore.server import Server
from checker.explore.walk import Walk
from checker.report.html.why import value
from checker.request import Request, system_of
from model.near import UsageError
from model.scenario import scenario

SMALL = "tls12-small"
FINISHED = "client_receive_finished_WAIT_FIN_to_CONNECTED"


@pytest.fixture
def walk() -> Walk:
    """A walk at its start."""
    return Walk(Request(scenario=SMALL), scenario(SMALL))


def taken(walk: Walk, event: str) -> None:
    """Take the first move of an event that is not refused."""
    at = len(walk.path) - 1
    moves = walk.moves(at)
    walk.take(at, next(m["number"] for m in moves if m["event"] == event and not m["alert"]))


# -- conditions ------------------------------------------------------------------------------------
@pytest.mark.scenario
def test_a_condition_is_an_expression_as_in_a_property() -> None:
    system = system_of(Request(), scenario(SMALL))
    found = condition(system, "client0.verified & ~(server0.suite == 'RSA')")
    read = {"client0.verified": True, "server0.suite": "none"}.__getitem__
    assert value(found, read) is True
    assert condition(system, "w.knows(w.clients[0])") is not None


@pytest.mark.scenario
@pytest.mark.parametrize(
    ("says", "why"),
    [
        ("client.verified", "client is no run: expected one of w, client0, server0"),
        ("client0.verfied", "no variable of client0 is called 'verfied'"),
        ("client0.suite == 'RSB'", "is not a Suite"),
        ("client0.suite", "expected a condition"),
        ("client0.verified and True", "not allowed"),
        ("client0.__class__", "not allowed"),
        ("__import__('os')", "__import__ is no run"),
        ("[x for x in w.runs]", "is not allowed in a condition"),
        ("client0.verified ==", "expected a condition, got"),
        ("w.system.network", "expected a condition"),
        ("'a' < client0.suite < 'b'", "two at a time"),
    ],
)
def test_what_is_no_condition_is_one_clear_error(says: str, why: str) -> None:
    with pytest.raises(UsageError, match="(?s)" + why.replace("(", r"\(")):
        condition(system_of(Request(), scenario(SMALL)), says)


# -- a walk ----------------------------------------------------------------------------------------
@pytest.mark.scenario
def test_a_walk_goes_on_from_any_of_its_states(walk: Walk) -> None:
    taken(walk, "ClientHello")
    taken(walk, "ServerHello")
    assert [s.after for s in walk.trace().steps] == ["WAIT_SH", "WAIT_CERTIFICATE"]
    number = next(m["number"] for m in walk.moves(1) if m["event"] == "TransportClose")
    walk.take(1, number)
    assert [s.event for s in walk.trace().steps] == ["ClientHello", "TransportClose"]
    with pytest.raises(UsageError, match="there is no move 999"):
        walk.take(0, 999)
    for run in ("client0", "server0"):
        at = len(walk.path) - 1
        closes = (m for m in walk.moves(at) if m["run"] == run and m["event"] == "TransportClose")
        for m in islice(closes, 1):
            walk.take(at, m["number"])
    with pytest.raises(UsageError, match="nothing can happen here; undo"):
        walk.take(len(walk.path) - 1, 0)


@pytest.mark.scenario
def test_why_a_row_is_not_taken_is_told_with_values(walk: Walk) -> None:
    found = walk.why_not(0, "client0", FINISHED)
    assert not found["enabled"]
    assert found["fails"][0]["values"] == [["client0.state", "START"]]
    first = "client_send_client_hello_START_to_WAIT_SH"
    assert walk.why_not(0, "client0", first)["enabled"]
    with pytest.raises(UsageError, match=r"no row .* did you mean client_receive_finished"):
        walk.why_not(0, "client0", "client_receive_finishd_WAIT_FIN_to_CONNECTED")


@pytest.mark.scenario
def test_a_row_is_enabled_where_a_move_takes_it(walk: Walk) -> None:
    for event in ("ClientHello", "ServerHello", "Certificate"):
        taken(walk, event)
    at = len(walk.path) - 1
    rows = {m["row"] for m in walk.moves(at) if m["run"] == "client0"}
    for rule in walk.system.by_name["client0"].role.rules:
        assert walk.why_not(at, "client0", rule.name)["enabled"] == (rule.name in rows), rule.name


@pytest.mark.scenario
def test_a_walk_is_kept_and_taken_up_again(walk: Walk) -> None:
    said = walk.reach("client0.verified & ~server0.keyed")
    assert said.startswith("reached in ")
    again = Walk(walk.request, walk.where)
    again.read(walk.word())
    assert again.path == walk.path
    again.read(json.dumps(walk.trace().as_json()))
    assert again.path == walk.path
    made: dict[str, Any] = {}
    exec(compile(walk.test(), "test_walk.py", "exec"), made)
    made["test_the_walk"]()
    made["START"]["client0"]["max_version"] = "TLS10"
    with pytest.raises((AssertionError, Exception)):
        made["test_the_walk"]()
    for bad in ("nothing", "{}", walk.word()[:40]):
        with pytest.raises(UsageError, match="expected a walk"):
            again.read(bad)


@pytest.mark.scenario
def test_the_terminal_takes_steps_and_answers(
    walk: Walk, capsys: pytest.CaptureFixture[str]
) -> None:
    hello = next(m["number"] for m in walk.moves(0) if m["event"] == "ClientHello")
    lines = iter([str(hello), f"why client0 {FINISHED}", "undo", "jump 7", "help", "quit"])
    assert terminal.run(walk, lambda _: next(lines)) == 0
    out = capsys.readouterr().out
    assert "1 steps: client0 WAIT_SH, server0 START" in out
    assert "client0.state = WAIT_SH" in out
    assert "expected a number up to 0, got '7'" in out
    assert "why RUN ROW" in out


# -- the server ------------------------------------------------------------------------------------
@pytest.fixture
def server(walk: Walk) -> Iterator[Server]:
    """A server at work."""
    with Server(walk, "python -m checker explore") as made:
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield made
        made.shutdown()


def asked(
    server: Server, method: str, path: str, body: str = "", **headers: str
) -> tuple[int, str]:
    """The status and body of an answer."""
    link = http.client.HTTPConnection(*server.server_address[:2], timeout=60)
    link.request(method, path, body or None, headers)
    answer = link.getresponse()
    return answer.status, answer.read().decode()


@pytest.mark.scenario
def test_only_the_page_itself_may_ask(server: Server) -> None:
    path, ours = f"/{server.token}/ask", {"Origin": server.origin}
    body = '{"op": "moves", "at": 0}'
    assert server.server_address[0] == "127.0.0.1"
    status, said = asked(server, "POST", path, body, **ours)
    assert (status, "ClientHello" in said) == (200, True)
    assert asked(server, "GET", f"/{server.token}/")[0] == 200
    assert asked(server, "POST", path, body)[0] == 403
    assert asked(server, "POST", path, body, Origin="http://evil.example")[0] == 403
    assert asked(server, "POST", path, body, **ours, Host="evil.example")[0] == 403
    assert asked(server, "GET", "/")[0] == 404
    assert asked(server, "GET", "/wrong/")[0] == 404
    assert asked(server, "POST", path, "", **ours, **{"Content-Length": "2000000"})[0] == 413
    for bad in (
        "{",
        "[]",
        '{"op": "fly"}',
        '{"op": "moves", "at": 9}',
        '{"op": "moves", "at": "x"}',
    ):
        status, said = asked(server, "POST", path, bad, **ours)
        assert (status, "error" in json.loads(said)) == (200, True), bad

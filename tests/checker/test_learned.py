"""Learned machines as they are read: symbols, files that are none, forms of DOT."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from checker.conformance.learned import LearnedError, output, read, symbol
from tests.checker.machines import SERVER, dot


# -- symbols ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "message", "suite", "empty"),
    [
        ("ClientHelloRSA", "ClientHello", "RSA", False),
        ("ClientHelloDHE", "ClientHello", "DHE", False),
        ("CLIENT_HELLO", "ClientHello", "", False),
        ("RSAClientKeyExchange", "ClientKeyExchange", "RSA", False),
        ("ECDHClientKeyExchange", "ClientKeyExchange", "ECDHE", False),
        ("EmptyCertificate", "Certificate", "", True),
        ("ServerCertificate", "Certificate", "", False),
        ("ClientCertificateVerify", "CertificateVerify", "", False),
        ("ApplicationDataEmpty", "ApplicationData", "", True),
        ("AlertWarningCloseNotify", "CloseNotify", "", False),
        ("HeartbeatRequest", None, "", False),
        ("ServerHelloServerHelloDone", None, "", False),
    ],
)
def test_inputs(name: str, message: str | None, suite: str, empty: bool) -> None:
    s = symbol(name)
    assert (s.message, s.suite, s.empty) == (message, suite, empty)


@pytest.mark.parametrize(
    ("text", "messages", "fatal", "closed", "hidden"),
    [
        ("Empty", (), "", False, False),
        ("-", (), "", False, False),
        ("ConnectionClosed", (), "", True, False),
        (
            "ServerHello Certificate & ServerHelloDone",
            ("ServerHello", "Certificate", "ServerHelloDone"),
            "",
            False,
            False,
        ),
        ("SERVER_HELLO|CERTIFICATE", ("ServerHello", "Certificate"), "", False, False),
        (
            "HandshakeCertificateHandshakeClientKeyExchangeChangeCipherSpec & Finished",
            ("Certificate", "ClientKeyExchange", "ChangeCipherSpec", "Finished"),
            "",
            False,
            False,
        ),
        ("ALERT_FATAL_UNEXPECTED_MESSAGE|ConnectionClosed", (), "unexpected_message", True, False),
        ("ALERT_FATAL_DECRYPTION_FAILED_RESERVED", (), "decryption_failed", False, False),
        (
            "Alert Fatal (Handshake failure)Alert Warning (Close notify)",
            (),
            "handshake_failure",
            True,
            False,
        ),
        ("Alert Warning (Close notify) & ConnectionClosed", (), "", True, False),
        ("ChangeCipherSpecDecryption failed", ("ChangeCipherSpec",), "", False, True),
    ],
)
def test_outputs(
    text: str, messages: tuple[str, ...], fatal: str, closed: bool, hidden: bool
) -> None:
    o = output(text)
    assert (o.messages, o.fatal, o.closed, o.hidden) == (messages, fatal, closed, hidden)


def test_an_output_that_is_not_understood_is_kept() -> None:
    assert output("Finished & Quux 7").other == ("Quux 7",)


# -- files that are no machines --------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("digraph {", "expected one DOT digraph"),
        ("graph { a -- b }", "expected one digraph"),
        ("digraph g { }", "none"),
        ('digraph g { a -> b [label="ClientHello / -"]; }', "no initial state"),
        ('digraph g { x -> a; y -> b; a -> b [label="C / -"]; }', "no initial state"),
        ('digraph g { x -> a; a -> a [label="ClientHello"]; }', "expected a label"),
        ('digraph g { x -> a; a -> a [label="C / -"]; a -> b [label="C / -"]; }', "deterministic"),
        ('digraph g { x -> a; a -> b [label="C / -"]; b -> b [label="D / -"]; }', "not complete"),
        ('digraph g { x -> a; a -> a [label="C / -]; }', "expected one DOT digraph"),
        ('digraph g { x -> a; a -> a [label="Ping / Pong"]; }', "client or a server"),
        ("{" * 5000, "expected one DOT digraph"),
        ("digraph g {" + "a -> b;" * 10_001 + "}", "too big"),
        ("x" * 3_000_000, "too big"),
    ],
)
def test_a_file_that_is_no_machine_is_one_clear_error(check, text: str, says: str) -> None:
    result = check(text)
    assert result.verdict == "ERROR"
    assert says in result.error and "machine.dot" in result.error and "\n" not in result.error


def test_bytes_that_are_no_text_and_a_file_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "x.dot"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(LearnedError, match="UTF-8"):
        read(str(path))
    with pytest.raises(LearnedError, match="cannot be read"):
        read(str(tmp_path / "none.dot"))


def test_quotes_comments_and_order_do_not_matter(check) -> None:
    text = dot(SERVER).replace("ClientHello / Server", "ClientHello/Server")
    odd = text.replace("digraph g {", 'digraph "a \\"b\\"" { /* "-> */ // x\n graph [a=1];')
    assert check(odd).verdict == "CONFORMS"


@pytest.mark.parametrize(
    ("start", "label"),
    [
        # As AALpy, LearnLib and StateLearner write them.
        ('__start0 [shape=none, label=""];\n__start0 -> hello [label=""];', "{}/{}"),
        ('__start0 [label="" shape="none" width="0" height="0"];\n__start0 -> hello;', "{} / {}"),
        ('__start0 [label="" shape="none"];\n\t__start0 -> hello;', "{}/{}"),
    ],
)
def test_the_forms_of_the_learners(check, start: str, label: str) -> None:
    lines = dot(SERVER).splitlines()[3:-1]
    edges = [line.replace(" / ", label.replace("{}", "")) for line in lines]
    assert check("\n".join(["digraph learned {", *edges, start, "}"])).verdict == "CONFORMS"


def test_states_that_behave_alike_are_one(check) -> None:
    twice = dot(SERVER, "cke ClientKeyExchange ccs2 Empty", "ccs2 ChangeCipherSpec fin Empty")
    assert check(twice).verdict == "CONFORMS"


# -- forms of DOT, and of symbols ------------------------------------------------------------------
def test_dot_as_people_write_it(check) -> None:
    """Lines in a label, subgraphs, chains, quoted and HTML attributes, xlabel, a marked state."""
    lines = dot(SERVER).splitlines()[3:-1]
    by_edge: dict[str, list[str]] = {}
    for line in lines:
        edge, _, label = line.partition(" [label=")
        by_edge.setdefault(edge, []).append(label.rstrip("];").strip('"'))
    for separator in ("\\n", "\\l", "\n"):
        joined = [f'{e} [label="{separator.join(x)}"];' for e, x in by_edge.items()]
        assert check("\n".join([START, *joined, "}"])).verdict == "CONFORMS", separator
    half = len(lines) // 2
    forms = {
        "subgraph": [START, "subgraph a {", *lines[:half], "}", "{", *lines[half:], "}", "}"],
        "quoted": [START, *(x.replace("[label=", '["label" = ') for x in lines), "}"],
        "xlabel": [START, *(x.replace("[label=", "[xlabel=") for x in lines), "}"],
        "html": [START, *(x.replace('"', "<", 1)[::-1].replace('"', ">", 1)[::-1] for x in
                          (y.replace("&", "&amp;") for y in lines)), "}"],
        "joined": [START, *(x.replace('/ ', '/" + " ', 1) for x in lines), "}"],
        "marked": ["digraph {", *lines, "hello [initial=true shape=doublecircle];", "}"],
        "comment": ["# made by hand", "strict " + START, *lines, "// end", "}"],
    }  # fmt: skip
    for form, text in forms.items():
        result = check("\n".join(text))
        assert result.verdict == "CONFORMS", f"{form}: {result.error}"


START = 'digraph g { node [shape=circle]; __start0 [label="" shape="none"]; __start0 -> hello:n;'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('digraph g {\na -> b [label="x]; }', "line 2: expected a closing quote"),
        ("digraph g {\na -> ; }", "line 2: expected a node, an edge or an attribute, got ;"),
        ("digraph g { a -> b [label=<x]; }", "line 1: expected > to close an HTML label"),
        ("digraph g { " + "{" * 60, "at most 50 subgraphs inside each other"),
        ("digraph g { a [x=] }", "expected a value, got ]"),
        ("flowchart g { }", "expected graph or digraph, got flowchart"),
    ],
)
def test_an_error_in_dot_says_where(check, text: str, says: str) -> None:
    assert says in check(text).error


def test_short_names_are_understood(check) -> None:
    short = {
        "ClientHello": "CH",
        "ClientKeyExchange": "CKE_RSA",
        "ChangeCipherSpec": "CCS",
        "Finished": "FIN",
        "ApplicationData": "AD",
        "ServerHelloDone": "SHD",
        "ServerHello": "SH",
        "Certificate": "C",
    }
    text = dot(SERVER)
    for name, instead in short.items():
        text = re.sub(rf"\b{name}\b", instead, text)
    result = check(text)
    assert (result.verdict, result.unknown, result.unread) == ("CONFORMS", (), ())


@pytest.mark.parametrize(
    ("more", "protocol"),
    [
        ("hello ClientHello hello HELLO_VERIFY_REQUEST", "DTLS"),
        ("hello HelloVerifyRequest hello Empty", "DTLS"),
        ("hello KEXINIT hello KEXINIT", "SSH"),
        ("hello SYN hello SYN+ACK", "TCP"),
    ],
)
def test_other_protocols_get_no_verdict(check, more: str, protocol: str) -> None:
    error = check(dot(SERVER, more)).error
    assert f"a {protocol} machine (" in error and "there is no verdict" in error


@pytest.mark.parametrize(
    ("text", "alerts"),
    [
        ("Alert2.71ConnectionClosed", (("fatal", "insufficient_security"),)),
        ("Alert(2, 40)", (("fatal", "handshake_failure"),)),
        ("ALERT_1_0", (("warning", "close_notify"),)),
        ("Alert 10", (("fatal", "unexpected_message"),)),
        ("Alert2.250", ()),
    ],
)
def test_alerts_by_number(text: str, alerts: tuple[tuple[str, str], ...]) -> None:
    assert output(text).alerts == alerts
    assert output(text).other == (() if alerts else ("Alert2.250",))
    if alerts and "Closed" not in text:
        assert symbol(text).message == ("CloseNotify" if "1_0" in text else "Alert")


def test_words_of_learners() -> None:
    """`DecryptError` alone is what the learner could not do; a ServerHello may say its version."""
    assert output("DecryptError").hidden and not output("DecryptError").alerts
    assert output("Alert Fatal (Decrypt error)").fatal == "decrypt_error"
    hello = output("ServerHelloTLSv1.2 & Certificate")
    assert (hello.messages, hello.version) == (("ServerHello", "Certificate"), "1.2")


def test_the_version_on_a_server_hello_is_taken(check) -> None:
    result = check(dot(SERVER.replace("ServerHello &", "ServerHelloTLSv1.1 &")))
    assert result.config is not None and result.config.version == "TLS11"
    assert (result.verdict, result.notes) == ("CONFORMS", ())


def test_answers_that_are_not_understood_are_listed(check) -> None:
    result = check(dot(SERVER, "cke Finished cke Quux7"))
    assert result.unread == ("Quux7",)

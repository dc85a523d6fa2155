"""Small learned machines, written by hand, as DOT."""

from __future__ import annotations

UNEXPECTED = "Alert Fatal (Unexpected message) & ConnectionClosed"

# state, input, next state, output; what is not listed is refused with unexpected_message.
SERVER = """
hello ClientHello       cke       ServerHello & Certificate & ServerHelloDone
cke   ClientKeyExchange ccs       Empty
ccs   ChangeCipherSpec  fin       Empty
fin   Finished          connected ChangeCipherSpec & Finished
connected ApplicationData connected ApplicationData
"""
ASKING = SERVER.replace("& ServerHelloDone", "& CertificateRequest & ServerHelloDone").replace(
    "ClientHello       cke ", "ClientHello       certificate "
)
CLIENT = """
hello ServerHello       certificate Empty
certificate Certificate done        Empty
done  ServerHelloDone   ccs         ClientKeyExchange & ChangeCipherSpec & Finished
ccs   ChangeCipherSpec  fin         Empty
fin   Finished          connected   ApplicationData
connected ApplicationData connected Empty
"""
INPUTS = {
    "server": (
        "ClientHello",
        "ClientKeyExchange",
        "ChangeCipherSpec",
        "Finished",
        "ApplicationData",
    ),
    "client": (
        "ServerHello",
        "Certificate",
        "EmptyCertificate",
        "ServerHelloDone",
        "ChangeCipherSpec",
        "Finished",
        "ApplicationData",
    ),
}


def dot(rows: str, *more: str, role: str = "server", inputs: tuple[str, ...] = ()) -> str:
    """A complete machine: `rows`, changed by `more`, everything else refused."""
    table: dict[tuple[str, str], tuple[str, str]] = {}
    states = ["hello"]
    for line in (*rows.strip().splitlines(), *more):
        state, given, to, answer = line.split(None, 3)
        table[state, given] = (to, answer)
        states += [s for s in (state, to) if s not in states]
    names = dict.fromkeys((*INPUTS[role], *inputs, *(a for _, a in table)))
    lines = ["digraph g {", '__start0 [label="" shape="none"];', "__start0 -> hello;"]
    for state in dict.fromkeys((*states, "dead")):
        for a in names:
            gone = "ConnectionClosed" if state == "dead" else UNEXPECTED
            to, answer = table.get((state, a), ("dead", gone))
            lines.append(f'{state} -> {to} [label="{a} / {answer}"];')
    return "\n".join([*lines, "}"])

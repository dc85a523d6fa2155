"""Record boundaries: bytes left over in a buffer when keys change.

1. In TLS 1.3 a message right before a change of keys ends its record: either      8446 5.1
   ClientHello, ServerHello, EndOfEarlyData, Finished, KeyUpdate. Such a message
   `followed` by more bytes is refused.
2. Below TLS 1.3 an alert may come in two records. Half an alert must not wait      5246 6.2.1
   while keys change, or bytes under another key complete the alert.
3. In TLS 1.3 an alert does not come in pieces.                                     8446 5.1

The rows are chosen by what they do: those that set what the run reads under, and the hellos that
lead to TLS 1.3, whatever the extension. A Finished after the handshake changes no keys.
A buffer is modelled by whether bytes wait there and, for half an alert, under which keys it came.
"""

from __future__ import annotations

from model.expr import BOOL, Domain, conj, const, ite
from model.extensions import Amend, Extension
from model.generations.records import READ_CLOSED, failed, fatal
from model.observers import after, held, keeps, latch
from model.principal import STATES, End, client, server
from model.role import Observer, Role
from model.rule import SAME, Fields, Message, Rule, Variable, check, receive

Fragment = Domain("Fragment", ("none", "plaintext", "protected"))
"""The record protection of half an alert that waits; `none` if none waits."""

VARIABLES = {
    # Bytes after a message that changed the keys, and half an alert.
    "left_over": Variable(BOOL, (False,)),
    "fragment": Variable(Fragment, ("none",), write_once=False),
    # For the properties: a Finished was refused that may have been right.
    "refused_followed": Variable(BOOL, (False,)),
}
own = Fields("an end", "own", {n: v.domain for n, v in VARIABLES.items()})
FIELD = {"followed": BOOL}
followed = Fields("a message", "msg", FIELD).followed

AlertFragment = Message("AlertFragment", {}, "5246 6.2.1; 8446 5.1", handshake=False)
"""A record with half an alert."""

ENDS_RECORD = check("end of record", ~followed, "unexpected_message")
NO_FRAGMENT = check("no half alert", own.fragment == "none", "unexpected_message")


_SILENT = ("START", "CANCELED", "CLOSED", *READ_CLOSED)
"""The states in which no alert is put together."""


def _rows(role: str, of: Fields) -> list[Rule]:
    started = tuple(s for s in STATES[role] if s not in _SILENT)
    below = of.version <= "TLS12"  # or not chosen yet
    now = ite(of.read_key == "plaintext", const("plaintext", Fragment),
              const("protected", Fragment))
    return [
        receive(role, AlertFragment, started, SAME, rfc="5246 6.2.1",
                when=conj(below, own.fragment == "none"), do={"fragment": now},
                label=f"{role}_receive_alert_fragment"),
        receive(role, AlertFragment, started, "CLOSED", rfc="5246 6.2.1, 7.2.2",
                when=conj(below, own.fragment != "none"), do=failed(of),
                label=f"{role}_receive_alert_fragment_last"),
    ]


def changes_keys(role: Role, rule: Rule) -> bool:
    """Whether a row accepts a message right before the run changes the keys it reads under."""
    hello = rule.kind == "receive" and "offer" in rule.choices
    into_13 = hello and rule.target in role.generations["tls13"]
    reads = any(name in rule.do for name in ("read_key", "read_generation"))
    return into_13 or (rule.kind == "receive" and reads)


def _every(role: Role, rule: Rule) -> Amend | None:
    if rule.event == AlertFragment.name:
        return Amend("", sources=tuple(s for s in role.states if s not in _SILENT))
    if rule.label == f"{role.name}_receive_alert_ignored":
        return Amend("", when=own.fragment == "none")
    if not changes_keys(role, rule):
        return None
    # Half an alert waits only where the version is below TLS 1.3 or not chosen yet.
    below = not {"START", *role.generations["tls13"]}.issuperset(rule.sources)
    checks = (NO_FRAGMENT,) if below and "read_key" in rule.do else ()
    if "followed" not in rule.choices:  # below TLS 1.3, ChangeCipherSpec
        return Amend("", checks=checks)
    left = {"left_over": own.left_over | followed}
    return Amend("", checks=(ENDS_RECORD, *checks), do=left)


_SENT = {
    "client": ("ClientHello", "SecondClientHello", "EndOfEarlyData", "Finished", "KeyUpdate"),
    "server": ("ServerHello", "Finished", "KeyUpdate"),
}
_SENDS = {end: {m: {"followed": const(False)} for m in sent} for end, sent in _SENT.items()}
EXTENSION = Extension(
    "record_boundaries",
    "8446 5.1; 5246 6.2.1",
    "what is left over in a buffer when keys change",
    variables={"client": VARIABLES, "server": VARIABLES},
    messages=(AlertFragment,),
    fields={m: FIELD for sent in _SENT.values() for m in sent},
    record=("followed",),
    sends=_SENDS,
    observers={
        end: (
            Observer("refused_followed", "reject", "Finished", own.refused_followed | followed),
            latch("fragment_of_13", "receive", "AlertFragment", of.version == "TLS13"),
            # An alert that closes the run leaves nothing to be mixed.
            latch("pieces_mixed", "receive", "Alert",
                  (own.fragment != "none") & ~fatal(of)),
            keeps("receive", "AlertFragment", (after("end", End) == "error") | conj(
                own.fragment == "none",
                held(own, fragment=ite(of.read_key == "plaintext",
                                       const("plaintext", Fragment),
                                       const("protected", Fragment))))),
        )
        for end, of in (("client", client), ("server", server))
    },
    rows=(*_rows("client", client), *_rows("server", server)),
    every=_every,
)

"""Degenerate shares: points of small order, and 0, 1 and p-1 of a finite-field group.

1. With such a share the shared secret is one that everybody can compute,    8446 4.2.8.1, 4.2.8.2,
   whatever the other share is. An end refuses the share, or the shared      7.4.2; 8422 5.11;
   secret of zeros that follows from it.                                     7919 3, 5.1
2. Two handshakes with degenerate shares and equal randoms have one master   7627 1
   secret below TLS 1.3, unless the session hash is in it.

No honest end sends a degenerate share; the premaster of RSA is no share.
"""

from __future__ import annotations

from model.expr import BOOL, FALSE, Expr, conj, disj, eq, neg
from model.extensions import ENDS, Amend, Extension
from model.observers import after, keeps, latch
from model.principal import ClientOwner, ServerOwner, Version, client, server
from model.role import Observer, Role
from model.rule import Fields, Rule, Variable, check
from model.schedule import KeySchedule
from model.transcript import HINT_SUITES, RSA_SUITES

FIELD = {"degenerate": BOOL}
_OF_CLIENT = {"ClientHello": "key_share", "SecondClientHello": "key_share",
              "ClientKeyExchange": "exchange"}
_OF_SERVER = {"ServerHello": "key_share", "ServerKeyExchange": "share"}
SHARES = {"client": _OF_SERVER, "server": _OF_CLIENT}
"""By end and message that the end receives: the field with the share."""
_OWNER = {"client": ServerOwner, "server": ClientOwner}
_KEPT = {"client": "server_share", "server": "exchange"}
"""By end: the variable with the peer's share."""
own = Fields("an end", "own", FIELD)
said = Fields("a message", "msg", FIELD).degenerate


def there(end: str, message: str) -> Expr:
    """Whether the share of a message that `end` receives is degenerate."""
    name = SHARES[end][message]
    is_share = Fields(message, "msg", {name: _OWNER[end]})[name] != "none"
    if message == "ServerKeyExchange":  # of RSA_EXPORT a key, of some suites a hint
        is_share = conj(is_share, neg(client.suite.one_of("RSA_EXPORT", *HINT_SUITES)))
    if message == "ClientKeyExchange":
        is_share = conj(is_share, neg(server.suite.one_of(*RSA_SUITES)))
    return conj(said, is_share)


def _every(role: Role, rule: Rule) -> Amend | None:
    """A row that keeps the share of its message checks the share."""
    takes_it = rule.kind == "receive" and _KEPT[role.name] in rule.do
    if not takes_it or rule.event not in SHARES[role.name]:
        return None
    found = there(role.name, rule.event)
    contributes = check("share contributes", neg(found), "illegal_parameter")
    return Amend("", checks=(contributes,), do={"degenerate": own.degenerate | found})


def _observers(end: str) -> tuple[Observer, ...]:
    out = []
    for message in SHARES[end]:
        # Only TLS 1.3 takes the share of a hello, unless it asks for another.
        used = conj(after("version", Version) == "TLS13", after(_KEPT[end], _OWNER[end]) != "none")
        if message.endswith("KeyExchange"):
            used = server.version <= "TLS12"
        found = conj(used, there(end, message))
        kept = eq(after("degenerate", BOOL), own.degenerate | found)
        out += [latch("took_degenerate", "receive", message, found),
                keeps("receive", message, disj(neg(used), kept))]
    return tuple(out)


EXTENSION = Extension(
    "degenerate_shares",
    "8446 4.2.8.1, 4.2.8.2, 7.4.2; 8422 5.11; 7919 3, 5.1",
    "shares that do not contribute to the secret",
    variables={end: {"degenerate": Variable(BOOL, (False,))} for end in ENDS},
    fields=dict.fromkeys((*_OF_CLIENT, *_OF_SERVER), FIELD),
    parts={m: {"degenerate": f} for of in SHARES.values() for m, f in of.items()},
    sends={
        ENDS[end]: {m: {"degenerate": FALSE} for m in SHARES[end]} for end in ENDS
    },
    # A share that was exchanged for a degenerate one is another share, too.
    views={end: {"degenerate": own.degenerate} for end in ENDS},
    covers={"hellos": ("degenerate",)},
    signs={"ServerKeyExchange": tuple(FIELD)},
    every=_every,
    observers={end: _observers(end) for end in ENDS},
    schedule=dict.fromkeys(ENDS, KeySchedule(degenerate=own.degenerate)),
)

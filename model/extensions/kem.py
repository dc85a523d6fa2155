"""Key encapsulation in TLS 1.3: the group X25519MLKEM768 (draft-ietf-tls-ecdhe-mlkem).

1. The client's share is an encapsulation key, the server's share a ciphertext.   8446 4.2.8
   The secret is in the ciphertext: its maker alone chooses the secret.
2. Whoever knows a secret can put it into another ciphertext, for another         8446 7.1
   client. Only the transcript, which goes into every key, tells the two
   handshakes apart.

A secret is named by the run that made it. With ML-KEM the secret depends on the encapsulation key,
so that a second ciphertext does not give it; the model does not take that for granted.
"""

from __future__ import annotations

from model.expr import Expr, const, disj, eq, ite
from model.extensions import Amend, Extension
from model.observers import after, keeps
from model.principal import ServerOwner, Version, client, server
from model.role import Role
from model.rule import Fields, Rule, Variable
from model.schedule import KeySchedule

FIELD = {"encapsulated": ServerOwner}
own = Fields("the client", "own", FIELD)
said = Fields("ServerHello", "msg", {**FIELD, "key_share": ServerOwner})
_nobody = const("none", ServerOwner)
_anew = const("adversary", ServerOwner)
_kept = ite(said.key_share == "none", _nobody,
            ite(said.encapsulated == "none", _anew, said.encapsulated))


def _every(role: Role, rule: Rule) -> Amend | None:
    """A client keeps the secret of the ciphertext that it takes."""
    takes_it = role.name == "client" and rule.event == "ServerHello" and "server_share" in rule.do
    return Amend("", do={"encapsulated": _kept}) if takes_it else None


def _of(version: Expr, maker: Expr) -> Expr:
    return ite(version == "TLS13", maker, _nobody)


EXTENSION = Extension(
    "kem",
    "8446 4.2.8, 7.1; draft-ietf-tls-ecdhe-mlkem",
    "key encapsulation: the maker of a ciphertext chooses the secret",
    variables={"client": {"encapsulated": Variable(ServerOwner, ("none",))}},
    fields={"ServerHello": FIELD},
    optional={"ServerHello": tuple(FIELD)},
    parts={"ServerHello": {"encapsulated": "key_share"}},
    knows={"ServerHello": tuple(FIELD)},
    sends={"server": {"ServerHello": {"encapsulated": _of(server.version, server.me)}}},
    every=_every,
    observers={
        "client": (
            keeps("receive", "ServerHello",
                  disj(after("version", Version) != "TLS13",
                       eq(after("encapsulated", ServerOwner), _kept))),
        ),
    },
    schedule={
        "client": KeySchedule(encapsulated=_of(client.version, own.encapsulated)),
        "server": KeySchedule(encapsulated=_of(server.version, server.me)),
    },
)

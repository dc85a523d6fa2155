"""Key schedules: of which secrets the keys of a handshake are made, and who can make its proofs.

A secret is named by its kind. An extension may name a kind of its own: the adversary knows such a
secret when a capability says that it is lost (`Leak.gives`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from model.expr import FALSE, Expr, disj

MASTER = "master"
"""The run's own secret: the master secret, in TLS 1.3 the handshake secret."""
TRAFFIC = "traffic"
"""The session keys that the run reads and writes with."""
RESUMPTION = "resumption"
"""What the run takes over from the same end's handshake before."""
EXTERNAL = "external"
"""What both honest principals have had all along."""
CERTIFICATE = "certificate"
"""The private key of a certificate; for a run, of the one that its peer showed."""


@dataclass(frozen=True, eq=False)
class KeySchedule:
    """The secrets that go into the keys of a role's runs: conditions over `own` and `prev`.

    `a | b` is the schedule of a role that has both: every condition is widened by the other.
    """

    unexchanged: Expr = FALSE
    """The key exchange is no part of the secret."""
    secret: Mapping[str, Expr] = field(default_factory=dict)
    """By kind: that secret is a part of the run's own."""
    early: Mapping[str, Expr] = field(default_factory=dict)
    """By kind: that secret is a part of the key of early data."""
    seals: Mapping[str, Mapping[str, Expr]] = field(default_factory=dict)
    """By composite field of a message that the run gets, then by kind: who knows that secret can
    make the field as the run expects it. The conditions may read the message."""
    exposes: Expr = FALSE
    """What the run issued shows its own secret to everybody."""
    erases: bool = True
    """A closed run holds no secret any more."""
    abbreviated: Expr = FALSE
    """The handshake is hellos and Finished only; its secret is that of the handshake before."""
    hashed: Expr = FALSE
    """The whole flight is a part of the secret."""
    bound: Expr = FALSE
    """The hellos carry what the Finished of the handshake before covered."""

    def __or__(self, other: KeySchedule) -> KeySchedule:
        return KeySchedule(
            disj(self.unexchanged, other.unexchanged),
            _either(self.secret, other.secret),
            _either(self.early, other.early),
            {
                f: _either(self.seals.get(f, {}), other.seals.get(f, {}))
                for f in (*self.seals, *other.seals)
            },
            disj(self.exposes, other.exposes),
            self.erases and other.erases,
            disj(self.abbreviated, other.abbreviated),
            disj(self.hashed, other.hashed),
            disj(self.bound, other.bound),
        )


def _either(a: Mapping[str, Expr], b: Mapping[str, Expr]) -> dict[str, Expr]:
    return {k: disj(a.get(k, FALSE), b.get(k, FALSE)) for k in (*a, *b)}

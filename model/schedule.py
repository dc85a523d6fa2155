"""Key schedules: the secrets that go into a handshake's keys, and who can make its proofs.

A secret is named by kind. An extension may add a kind; the adversary knows a secret of an added
kind once a capability leaks it (`Leak.gives`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from model.expr import FALSE, Expr, disj

MASTER = "master"
"""The master secret of the run; in TLS 1.3 the handshake secret."""
TRAFFIC = "traffic"
"""The session keys with which the run reads and writes."""
RESUMPTION = "resumption"
"""The secret that the run takes over from the previous handshake of the same end."""
EXTERNAL = "external"
"""A key that both honest principals share from the start."""
PUBLIC = "public"
"""A secret that the adversary has from the start: a key that it shares with an honest end."""
CERTIFICATE = "certificate"
"""The private key of a certificate; for a run, of the certificate that the peer showed."""
COLLISION = "collision"
"""A signature by the peer that fits any text, since the hash of its scheme is broken."""
DECRYPT, SIGN = "decrypt", "sign"
"""The uses of a private key."""


@dataclass(frozen=True, eq=False)
class KeySchedule:
    """The secrets that go into the keys of a role's runs, as conditions over `own` and `prev`.

    `a | b` is the schedule with the secrets of both: each condition of `a` or that of `b`.
    """

    unexchanged: Expr = FALSE
    """When the run's secret is made without the key exchange."""
    secret: Mapping[str, Expr] = field(default_factory=dict)
    """By kind: when a secret of this kind goes into the run's secret."""
    early: Mapping[str, Expr] = field(default_factory=dict)
    """By kind: when a secret of this kind goes into the key of early data."""
    seals: Mapping[str, Mapping[str, Expr]] = field(default_factory=dict)
    """By composite field of a received message, then by kind: when a secret of this kind is enough
    to make the field as the run expects. The conditions may read the message."""
    degenerate: Expr = FALSE
    """When the exchange gives a secret that everybody can compute, whatever the shares are."""
    encapsulated: Expr | None = None
    """Which server run made the secret in the server's share, where the share is a ciphertext; none
    elsewhere."""
    exposes: Expr = FALSE
    """When a ticket that the run issued shows the run's secret to everybody."""
    erases: bool = True
    """Whether a closed run has erased all secrets."""
    abbreviated: Expr = FALSE
    """When the handshake is hellos and Finished only, with the previous handshake's secret."""
    hashed: Expr = FALSE
    """When the whole flight goes into the secret."""
    bound: Expr = FALSE
    """When the hellos carry the fields that the previous handshake's Finished covered."""

    def __or__(self, other: KeySchedule) -> KeySchedule:
        return KeySchedule(
            disj(self.unexchanged, other.unexchanged),
            _either(self.secret, other.secret),
            _either(self.early, other.early),
            {
                f: _either(self.seals.get(f, {}), other.seals.get(f, {}))
                for f in (*self.seals, *other.seals)
            },
            disj(self.degenerate, other.degenerate),
            other.encapsulated if self.encapsulated is None else self.encapsulated,
            disj(self.exposes, other.exposes),
            self.erases and other.erases,
            disj(self.abbreviated, other.abbreviated),
            disj(self.hashed, other.hashed),
            disj(self.bound, other.bound),
        )


def _either(a: Mapping[str, Expr], b: Mapping[str, Expr]) -> dict[str, Expr]:
    return {k: disj(a.get(k, FALSE), b.get(k, FALSE)) for k in (*a, *b)}

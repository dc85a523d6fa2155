"""Break export-grade keys: 512-bit RSA (FREAK) and 512-bit Diffie-Hellman groups (Logjam).

RFC 7457 2.7 and 2.9. Breaking takes no time.
"""

from model.expr import Expr

SUMMARY = "break export-grade RSA keys and Diffie-Hellman groups"


def breaks(weak: Expr) -> Expr:
    """The condition for a broken key: every export-grade key is broken."""
    return weak

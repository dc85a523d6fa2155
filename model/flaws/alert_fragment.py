"""Alert fragments (miTLS, 2013): half an alert from before the keys changed is kept.

The adversary sends one byte of an alert in the clear; the peer's first alert under the keys is then
read shifted by that byte.
"""

from model.flaws import Flaw
from model.patch import without_check

_ROW = "_receive_change_cipher_spec_WAIT_CCS_to_WAIT_FIN"
_FALLS = ("half_an_alert_never_waits_across_a_change_of_keys",)

FLAW = Flaw(
    name="alert_fragment",
    number=22,
    title="half an alert waits across the change of keys",
    source="Bhargavan et al., Implementing TLS with Verified Cryptographic Security, 2013",
    scenario="record-boundaries",
    patches={end: without_check(end + _ROW, "no half alert") for end in ("client", "server")},
    shows=_FALLS[0],
    steps=10,
    breaks=dict.fromkeys(("client", "server", "both"), _FALLS),
)

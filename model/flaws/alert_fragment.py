"""Alert fragments (miTLS, 2013): half an alert from before the keys changed is kept.

Below TLS 1.3 an alert of two bytes may come in two records, and a buffer joins them. Stacks that
did not empty the buffer when keys changed let the adversary send one byte in the clear: the peer's
first alert under the keys is then read shifted by that byte, so that a fatal one passes for a
warning. It came up when a stack was verified; the mend is an empty buffer at ChangeCipherSpec, and
TLS 1.3 forbids alerts in pieces.
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
    year=2013,
    hit="stacks that buffer alerts, TLS 1.0 to 1.2",
    scenario="record-boundaries",
    patches={end: without_check(end + _ROW, "no half alert") for end in ("client", "server")},
    shows=_FALLS[0],
    steps=10,
    breaks=dict.fromkeys(("client", "server", "both"), _FALLS),
)

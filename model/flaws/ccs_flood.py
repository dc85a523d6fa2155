"""ChangeCipherSpec flood (CVE-2020-12457, CVE-2020-25648).

TLS 1.3 drops ChangeCipherSpec in the handshake, for the sake of middleboxes. wolfSSL and NSS
dropped any number, so a peer that sends nothing else keeps a run busy for ever. Both got a bound.
"""

from model.flaws import Flaw
from model.patch import without_check

_BOUND = "records ignored"
_FALLS = ("no_more_records_are_ignored_in_a_row_than_the_bound",)

FLAW = Flaw(
    name="ccs_flood",
    number=43,
    title="ChangeCipherSpec of TLS 1.3 is dropped without a bound",
    source="wolfSSL 4.5.0 and NSS 3.58 release notes, 2020",
    cve=("CVE-2020-12457", "CVE-2020-25648"),
    year=2020,
    hit="wolfSSL before 4.5.0, NSS before 3.58",
    scenario="ignored-records",
    patches={
        "client": (
            without_check("client_receive_change_cipher_spec_dropped", _BOUND),
            without_check("client_receive_change_cipher_spec_WAIT_SH_to_SAME", _BOUND),
        ),
        "server": without_check("server_receive_change_cipher_spec_dropped", _BOUND),
    },
    shows=_FALLS[0],
    steps=4,
    breaks=dict.fromkeys(("client", "server", "both"), _FALLS),
)

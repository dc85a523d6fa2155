"""ChangeCipherSpec flood (CVE-2020-12457, CVE-2020-25648).

TLS 1.3's compatibility records are dropped without a bound and can keep a run busy for ever.
"""

from model.flaws import Flaw
from model.patch import without_check

_BOUND = "records ignored"
_FALLS = ("no_more_records_are_ignored_in_a_row_than_the_bound",)

FLAW = Flaw(
    name="ccs_flood",
    number=43,
    title="ChangeCipherSpec of TLS 1.3 is dropped without a bound",
    source="CVE-2020-12457 (wolfSSL before 4.5.0), CVE-2020-25648 (NSS before 3.58)",
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

"""Data before Finished (CVE-2020-2816): JSSE delivers data while the handshake is under way.

The rewritten TLS stack of JDK 11 took application data at any time, in the clear too, and gave it
to the application as if the handshake were over. The update of April 2020 (11.0.7, 14.0.1) accepts
data only when the handshake is complete.
"""

from model.expr import TRUE
from model.flaws import Flaw
from model.message import ApplicationData
from model.patch import with_rows
from model.rule import SAME, receive

_WAITS = {
    "client": ("WAIT_CERTIFICATE", "WAIT_SKE", "WAIT_CR_SHD", "WAIT_SHD", "WAIT_CCS", "WAIT_FIN"),
    "server": ("WAIT_CERTIFICATE", "WAIT_CKE", "WAIT_CERTIFICATE_VERIFY", "WAIT_CCS", "WAIT_FIN"),
}

FLAW = Flaw(
    name="data_before_finished",
    title="an end delivers data in the handshake",
    source="JDK-8235691",
    cve=("CVE-2020-2816",),
    year=2020,
    hit="JDK 11 to 11.0.6 and 14",
    scenario="tls12-small",
    patches={
        end: with_rows(
            receive(end, ApplicationData, states, SAME, rfc="5246 10", do={"delivered": TRUE})
        )
        for end, states in _WAITS.items()
    },
    shows="data_is_delivered_only_after_finished_is_verified",
    steps=3,
    breaks={
        "both": (
            "data_is_delivered_only_after_finished_is_verified",
            "no_finished_and_no_data_is_accepted_in_the_clear",
        ),
        "client": (
            "data_is_delivered_only_after_finished_is_verified",
            "no_finished_and_no_data_is_accepted_in_the_clear",
        ),
        "server": (
            "data_is_delivered_only_after_finished_is_verified",
            "no_finished_and_no_data_is_accepted_in_the_clear",
        ),
    },
)

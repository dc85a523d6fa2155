"""Data before the client's Finished (CVE-2026-34582): a server of TLS 1.3 does not wait.

Botan's server of TLS 1.3 delivered application data while it waited for the client's certificate
and Finished. A client that was to be authenticated just sent its requests instead. Botan 3.11 takes
data only after Finished.
"""

from model.expr import TRUE
from model.flaws import Flaw
from model.message import ApplicationData
from model.patch import with_rows
from model.rule import SAME, receive

FLAW = Flaw(
    name="data_before_client_finished",
    number=68,
    title="a TLS 1.3 server delivers data before the client's Finished",
    source="Botan security advisories, 2026",
    cve=("CVE-2026-34582",),
    year=2026,
    hit="Botan 3",
    scenario="tls13",
    patches={
        "server": with_rows(
            receive("server", ApplicationData, ("WAIT_CERT", "WAIT_CV", "WAIT_FINISHED"), SAME,
                    rfc="8446 4.4.4", do={"delivered": TRUE})
        )
    },
    shows="data_is_delivered_only_after_finished_is_verified",
    steps=7,
    breaks={
        "server": ("data_is_delivered_only_after_finished_is_verified",),
    },
)

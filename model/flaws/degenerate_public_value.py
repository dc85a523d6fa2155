"""A degenerate public value (CVE-2014-1491): an end takes a share that makes the secret a constant.

With 0, 1 or p-1 for a public value the Diffie-Hellman secret is one that everybody can compute. The
authors of the triple handshake used that for their attack without RSA: the adversary, a server to
the client and a client to the server, gives both ends such a value and equal randoms, and so one
master secret. NSS took these values; the mend is to check the range (and the extended master
secret). Curve25519 has points of the same kind, so RFC 8422 and RFC 8446 ask for a look at the
shared secret.
"""

from model.flaws import Flaw
from model.patch import without_check

CHECK = "share contributes"

FLAW = Flaw(
    name="degenerate_public_value",
    title="an end takes a share that does not contribute to the secret",
    source="MFSA 2014-12; Bhargavan et al., Triple Handshakes and Cookie Cutters, 2014",
    cve=("CVE-2014-1491",),
    year=2014,
    hit="NSS before 3.15.4, Firefox before 27",
    scenario="degenerate-shares",
    patches={
        "client": without_check(
            "client_receive_server_key_exchange_WAIT_SKE_to_WAIT_CR_SHD", CHECK
        ),
        "server": without_check("server_receive_client_key_exchange_WAIT_CKE_to_WAIT_CCS", CHECK),
    },
    shows="who_shares_a_key_knows_with_whom",
    steps=18,
    breaks={
        "both": (
            "no_key_is_derived_from_a_degenerate_share",
            "who_shares_a_key_knows_with_whom",
            "the_session_keys_identify_the_channel",
        ),
        "client": ("no_key_is_derived_from_a_degenerate_share",),
        "server": ("no_key_is_derived_from_a_degenerate_share",),
    },
)

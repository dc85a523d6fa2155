"""The triple handshake (Bhargavan et al. 2014): the master secret does not bind the handshake.

The adversary, a server to the client and a client to the server, makes both handshakes have one
premaster and equal randoms, and so one master secret: two ends share keys, each of which takes the
adversary for its peer. A resumption and a renegotiation on top then move a client's certificate to
the wrong connection. All stacks were hit, Secure Transport with a CVE; what mends it is the
extended master secret (RFC 7627), which the two ends here know nothing of.
"""

from model.expr import FALSE
from model.flaws import Flaw
from model.patch import with_effects, with_sent, without_check

_SH = "client_receive_server_hello_WAIT_SH_to_WAIT_CERTIFICATE"
_CH = "server_receive_client_hello_START_to_SEND_SH"

FLAW = Flaw(
    name="triple_handshake",
    number=8,
    title="both ends make the master secret without the session hash",
    source="Bhargavan et al., Triple Handshakes and Cookie Cutters, 2014; RFC 7627",
    cve=("CVE-2014-1295",),
    year=2014,
    hit="every stack before RFC 7627, among them Secure Transport before iOS 7.1.1, OS X 10.9.2",
    scenario="tls12-ems",
    patches={
        "client": (
            with_sent("ClientHello", extended_master_secret=FALSE),
            without_check(_SH, "EMS there"),
            with_effects(_SH, ems=FALSE),
        ),
        "server": (without_check(_CH, "EMS there"), with_effects(_CH, ems=FALSE)),
    },
    shows="who_shares_a_key_knows_with_whom",
    steps=16,
    breaks={
        "both": (
            "what_a_message_says_is_what_is_kept",
            "the_session_hash_is_used_if_both_hellos_ask_for_it",
            "who_shares_a_key_knows_with_whom",
            "the_session_keys_identify_the_channel",
        ),
    },
)

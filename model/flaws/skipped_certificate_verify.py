"""A skipped CertificateVerify (CVE-2015-2318 Mono; CyaSSL): the client need not prove its key.

A server that accepted a client's Certificate waits for ChangeCipherSpec without a signature, so
anybody's certificate will do. State-machine tests found it in Mono and CyaSSL, and five years later
in the new state machine of JSSE and in Erlang's. The mend is to ask for the message in its turn.
"""

from model.flaws import Flaw
from model.generations.tls12_client import SPEC
from model.message import ChangeCipherSpec
from model.patch import with_rows
from model.principal import server
from model.rule import receive
from model.transcript import activated

FLAW = Flaw(
    name="skipped_certificate_verify",
    number=31,
    title="a server accepts a client certificate without CertificateVerify",
    source="Beurdouche et al., A Messy State of the Union, 2015",
    cve=("CVE-2015-2318", "CVE-2020-2655", "CVE-2022-37026"),
    year=2015,
    hit="Mono before 3.12.1, CyaSSL before 3.3, JDK 11.0.5 and 13.0.1, Erlang/OTP before 25.0.2",
    scenario="client-auth",
    patches={
        "server": with_rows(
            receive("server", ChangeCipherSpec, "WAIT_CERTIFICATE_VERIFY", "WAIT_FIN",
                    rfc="5246 7.4.8", checks=SPEC, do={"read_key": activated(server)})
        )
    },
    shows="a_server_that_authenticated_a_client_talked_to_it",
    steps=10,
    breaks={
        "server": (
            "a_server_that_authenticated_a_client_talked_to_it",
            "a_verified_finished_means_one_transcript",
            "authenticated_ends_agree_on_what_was_negotiated",
            "an_authenticated_peer_proved_it_has_its_key",
            "mandatory_client_authentication_is_enforced",
            "certificate_verify_is_there_and_in_its_place",
            "session_keys_with_an_honest_peer_are_secret",
            "data_sent_to_an_honest_peer_is_secret",
        ),
    },
)

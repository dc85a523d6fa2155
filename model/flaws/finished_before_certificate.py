"""Finished before the certificate in TLS 1.3 (CVE-2020-24613, wolfSSL).

A client that waits for Certificate or CertificateRequest accepts Finished without authentication:
the first version of wolfSSL's sanity checks left the order of these messages out. Whoever answers
the hello is the server. wolfSSL 4.5.0 asks for the messages before.
"""

from model.expr import const, same
from model.flaws import Flaw
from model.message import Finished
from model.patch import with_rows
from model.principal import Key
from model.rule import check, receive
from model.transcript import verify_data

FLAW = Flaw(
    name="finished_before_certificate",
    number=44,
    title="a TLS 1.3 client accepts Finished instead of the Certificate",
    source="NCC Group, wolfSSL TLS 1.3 Client Man-in-the-Middle Attack, 2020",
    cve=("CVE-2020-24613",),
    year=2020,
    hit="wolfSSL before 4.5.0",
    scenario="tls13",
    patches={
        "client": with_rows(
            receive("client", Finished, "WAIT_CERT_CR", "SEND_FINISHED", rfc="8446 A.1",
                    checks=[check("verify_data",
                                  same(Finished.f.verify_data, *verify_data("client", "server")),
                                  "decrypt_error")],
                    do={"verified": const(True), "read_key": const("application", Key),
                        "write_key": const("handshake", Key)})
        )
    },
    shows="session_keys_with_an_honest_peer_are_secret",
    steps=4,
    breaks={
        "client": (
            "a_client_that_finished_talked_to_the_server",
            "matching_runs_have_the_same_keys",
            "a_verified_finished_means_one_transcript",
            "authenticated_ends_agree_on_what_was_negotiated",
            "the_server_certificate_is_there_unless_anonymous",
            "the_certificate_handshake_is_complete",
            "session_keys_with_an_honest_peer_are_secret",
            "data_sent_to_an_honest_peer_is_secret",
            "data_of_a_server_is_sent_in_the_clients_own_handshake",
        ),
    },
)

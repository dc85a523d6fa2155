"""A skipped ServerKeyExchange (CVE-2014-3572): ECDHE becomes static ECDH.

A client of ECDHE that got no ServerKeyExchange took the key in the server's certificate for the
server's share. The adversary only has to drop one message, and the session has no forward secrecy:
whoever gets the certificate's key later reads it. OpenSSL and NSS had it, found by state-machine
tests; the mend is to refuse ServerHelloDone where the suite demands ServerKeyExchange.
"""

from model.expr import TRUE, const, ite
from model.flaws import Flaw
from model.message import CertificateRequest, ServerHelloDone
from model.patch import with_rows
from model.principal import Group, ServerOwner, client
from model.rule import receive

# The share in a certificate is that of no run: the name of a run that is not there stands for it.
_STATIC = {
    "server_share": ite(
        client.server_certificate == "honest",
        const("server2", ServerOwner),
        const("adversary", ServerOwner),
    ),
    "group": const("ecdh", Group),
}

FLAW = Flaw(
    name="skipped_server_key_exchange",
    number=29,
    title="a client of ECDHE goes on without ServerKeyExchange, with the certificate's key",
    source="Beurdouche et al., A Messy State of the Union, 2015",
    cve=("CVE-2014-3572", "CVE-2015-2721"),
    year=2015,
    hit="OpenSSL before 1.0.1k, NSS before 3.19",
    scenario="closure",
    patches={
        "client": with_rows(
            receive("client", ServerHelloDone, "WAIT_SKE", "SEND_CKE", rfc="5246 7.4.5",
                    do=_STATIC),
            receive("client", CertificateRequest, "WAIT_SKE", "WAIT_SHD", rfc="5246 7.4.4",
                    do={**_STATIC, "requested": TRUE}),
        )
    },
    shows="server_key_exchange_is_there_where_the_suite_demands_it",
    steps=4,
    breaks={
        "client": (
            "server_key_exchange_is_there_where_the_suite_demands_it",
            "signed_parameters_are_the_servers",
            "an_authenticated_peer_proved_it_has_its_key",
        ),
    },
)

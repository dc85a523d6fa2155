"""An unchecked suite (CVE-2024-5814): a client of TLS 1.3 that falls to TLS 1.2 takes any suite.

wolfSSL's client holds the suite of a ServerHello against its own list in the code of TLS 1.3. A
server that answered with TLS 1.2 took another path, where nobody looked, and could choose a suite
that the client has, but had turned off. The mend was the same check on both paths.
"""

from model.flaws import Flaw
from model.generations.negotiation import sh
from model.patch import loosened

FLAW = Flaw(
    name="unchecked_suite",
    number=58,
    title="a client that falls to TLS 1.2 does not check the suite of the server",
    source="wolfSSL 5.7.2 release notes, 2024",
    cve=("CVE-2024-5814",),
    year=2024,
    hit="wolfSSL before 5.7.2",
    scenario="tls12-rsa-tls13",
    patches={
        "client": loosened(
            "client_receive_server_hello_WAIT_SH_to_WAIT_CERTIFICATE",
            "suite offered",
            sh.suite.one_of("RSA", "DHE", "ECDHE"),
        )
    },
    shows="everything_chosen_was_offered",
    steps=2,
    breaks={
        "client": ("an_end_takes_part_only_in_what_it_allows", "everything_chosen_was_offered"),
    },
)

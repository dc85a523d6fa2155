"""nginx (CVE-2025-23419): a ticket of one virtual host lets its client in at another.

Hosts of one address share the keys of their tickets, and a host that demands a certificate did not
look again at whom the ticket was for. A client that is known to one host resumes under the name of
another, which never saw a certificate that it trusts. The same was done to many servers in 2014
(Delignat-Lavaud and Bhargavan, Network-based Origin Confusion Attacks against HTTPS Virtual
Hosting); nginx 1.27.4 forbids to resume under a name that demands certificates and is not the
session's own.
"""

from model.extensions.psk import resumption
from model.extensions.server_name import session_meets
from model.flaws import Flaw
from model.patch import with_term

FLAW = Flaw(
    name="cross_host_resumption",
    number=25,
    title="a server resumes without asking what the host demands",
    source="CVE-2025-23419 (nginx before 1.27.4)",
    cve=("CVE-2025-23419",),
    year=2025,
    hit="nginx 1.11.4 to 1.27.3",
    scenario="server-names-resumption",
    patches={"server": with_term(resumption & session_meets, resumption)},
    shows="a_session_is_resumed_only_where_it_could_be_made",
    steps=9,
    breaks={
        "server": (
            "a_session_is_resumed_only_where_it_could_be_made",
            "a_host_serves_only_clients_that_meet_its_demand",
        )
    },
)

"""nginx 0.5.6 to 1.7.4 (CVE-2014-3616): one cache of sessions for all virtual hosts.

A session made under one name was resumed under any other, whatever the hosts behind the names
demand. The adversary makes a session at the host that it may use and resumes it at another, or
sends a client's resumption to a host that the client never named. Delignat-Lavaud and Bhargavan
found it; nginx 1.7.5 puts a name of the host's own into each session.
"""

from model.extensions.resumption import resumes
from model.extensions.server_name import same_host, session_meets
from model.flaws import Flaw
from model.patch import with_term

FLAW = Flaw(
    name="shared_session_cache",
    title="a server resumes a session of TLS 1.2 under any name",
    source="CVE-2014-3616 (nginx before 1.7.5)",
    cve=("CVE-2014-3616",),
    year=2014,
    hit="nginx 0.5.6 to 1.7.4",
    scenario="server-names-cache",
    patches={"server": with_term(resumes & same_host & session_meets, resumes)},
    shows="a_session_is_resumed_only_where_it_could_be_made",
    steps=19,
    breaks={
        "server": (
            "a_session_is_resumed_only_where_it_could_be_made",
            "a_host_serves_only_clients_that_meet_its_demand",
        )
    },
)

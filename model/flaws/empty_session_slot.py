"""An empty slot of the session cache (CVE-2022-46505): a session id of zeros finds one.

MatrixSSL's server keeps sessions in a table whose unused entries are zeros. A ClientHello with a
session id of zeros found such an entry, and the server resumed a session that never was, with a
master secret of zeros, which anybody knows. The mend is to look only at entries in use.
"""

from model.expr import TRUE, const, var
from model.flaws import Flaw
from model.generations.negotiation import take_client_hello, version
from model.message import ClientHello
from model.patch import with_rows
from model.principal import ClientOwner, ServerOwner, Suite
from model.rule import receive

_session = var("msg.session_id", ServerOwner)

FLAW = Flaw(
    name="empty_session_slot",
    title="a server resumes a session from an empty slot of its cache",
    source="the CVE record",
    cve=("CVE-2022-46505",),
    year=2022,
    hit="MatrixSSL to 4.5.1",
    scenario="resumption-suites",
    patches={
        "server": with_rows(
            receive("server", ClientHello, "START", "RES_SEND_SH", rfc="5246 7.4.1.2",
                    when=ClientHello.f.offers_RSA & (version == "TLS12")
                    & (_session == "adversary"),
                    do={**take_client_hello, "suite": const("RSA", Suite), "keyed": TRUE,
                        "resumed": TRUE, "offered_session": _session,
                        "exchange": const("adversary", ClientOwner)},
                    label="server_receive_client_hello_empty_slot"),
            first=True,
        )
    },
    shows="a_session_is_resumed_by_its_own_name",
    steps=16,
    breaks={
        "server": ("a_session_is_resumed_by_its_own_name", "a_session_keeps_its_parameters"),
    },
)

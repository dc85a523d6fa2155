"""A handshake message that spans a key change (CVE-2023-6937, CVE-2025-61730).

Bytes after ServerHello in the same record are in the clear and can be anybody's. The client keeps
them and reads the next message from them, which should come under the handshake keys. wolfSSL, Go
and rustls had it; the mend is that of RFC 8446 5.1, to refuse what follows in the record.
"""

from model.flaws import Flaw
from model.patch import without_check

FLAW = Flaw(
    name="spanned_key_change",
    number=56,
    title="what follows ServerHello in its record is kept across the change of keys",
    source="wolfSSL 5.6.6 release notes, 2023; Go issue tracker, 2025",
    cve=("CVE-2023-6937", "CVE-2025-61730", "RUSTSEC-2026-0285"),
    year=2023,
    hit="wolfSSL before 5.6.6, Go, rustls",
    scenario="record-boundaries",
    patches={
        "client": without_check("client_receive_server_hello_WAIT_SH_to_WAIT_EE", "end of record")
    },
    shows="no_handshake_bytes_are_left_over_when_keys_change",
    steps=2,
    breaks={"client": ("no_handshake_bytes_are_left_over_when_keys_change",)},
)

"""ALPACA (2021): a server of one protocol answers a client of another.

The adversary sends the connection of a browser to a server of FTP or mail that shares a certificate
with the web server. The server ignores that the client listed other protocols, and reads a request
of HTTP as commands of its own; what it says of them can come back to the browser as a page. Vsftpd,
Sendmail, nginx' mail proxy and others were mended by refusing a hello without a protocol in common.
"""

from model.flaws import Flaw
from model.patch import without_check

ROW = "server_receive_client_hello_START_to"

FLAW = Flaw(
    name="alpaca",
    title="a server goes on without a protocol in common",
    source="CVE-2021-3618; Brinkmann et al., ALPACA, 2021",
    cve=("CVE-2021-3618",),
    year=2021,
    hit="vsftpd before 3.0.4, Sendmail before 8.17, the mail proxy of nginx before 1.21.0",
    scenario="alpn",
    patches={
        "server": (
            without_check(f"{ROW}_NEGOTIATED", "common protocol"),
            without_check(f"{ROW}_SEND_SH", "common protocol"),
        )
    },
    shows="data_is_read_as_the_protocol_that_it_is_written_in",
    steps=12,
    breaks={
        "server": (
            "data_is_read_as_the_protocol_that_it_is_written_in",
            "the_protocol_is_one_that_both_ends_have",
        )
    },
)

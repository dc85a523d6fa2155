"""An empty list of signature schemes (s2n-tls issue 5918): a client takes the request.

A CertificateRequest says with which schemes a client may sign; the list has one at least. s2n-tls
took a request with none, and went on as if the server had left the choice to it. A reader that
counts the bytes of a list, and not its entries, does not see the difference.
"""

from model.flaws import Flaw
from model.patch import without_check

FLAW = Flaw(
    name="empty_signature_schemes",
    number=76,
    title="a TLS 1.3 client takes a CertificateRequest with an empty list of schemes",
    source="s2n-tls issue 5918, 2026",
    year=2026,
    hit="s2n-tls",
    scenario="signature-schemes-tls13",
    patches={
        "client": without_check(
            "client_receive_certificate_request_WAIT_CERT_CR_to_WAIT_CERT", "schemes not empty"
        )
    },
    shows="a_list_of_schemes_is_there_and_not_empty",
    steps=4,
    breaks={"client": ("a_list_of_schemes_is_there_and_not_empty",)},
)

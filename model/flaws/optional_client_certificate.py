"""A client certificate that cannot be demanded (2019): the server asks, and takes an empty answer.

Botan's server sent CertificateRequest if it had authorities for clients, but had no way to say that
it must have an answer: a client with an empty Certificate was connected, and the application had to
look. Botan 2.9 got a policy for it, `require_client_certificate_authentication`.
"""

from model.flaws import Flaw
from model.flaws.unchecked_client_name import CLIENT_AUTH
from model.patch import without_check

FLAW = Flaw(
    name="optional_client_certificate",
    number=75,
    title="a server takes an empty certificate where one is mandatory",
    source="Botan issue 1937, 2019",
    year=2019,
    hit="Botan before the policy",
    scenario=CLIENT_AUTH,
    patches={
        "server": without_check(
            "server_receive_certificate_WAIT_CERTIFICATE_to_WAIT_CKE", "client certificate"
        )
    },
    shows="mandatory_client_authentication_is_enforced",
    steps=9,
    breaks={
        "server": ("mandatory_client_authentication_is_enforced",),
    },
)

"""Static Diffie-Hellman: DH_RSA, DH_DSS, ECDH_RSA, ECDH_ECDSA (RFC 5246 7.4, RFC 4492 2).

1. The server's key is in its Certificate, and there is no ServerKeyExchange.      7.4.2, 7.4.3
2. A client asked for a certificate may show one with a Diffie-Hellman key of the  7.4.4, 7.4.6
   same parameters. Then ClientKeyExchange is empty and there is no                7.4.7.2
   CertificateVerify: the client's Finished proves that it has the key.            7.4.8
3. Such a certificate is of no use with another suite, nor in TLS 1.3.             7.4.4

All suites of this kind are the one suite `DH_RSA`. Two such keys give the same premaster in every
handshake between their owners; the master secrets differ by the randoms.
"""

from __future__ import annotations

from model.expr import BOOL, TRUE, const, eq, ite
from model.extensions import Amend, Extension
from model.generations.tls12_client import answer
from model.generations.tls12_server import certificate, cke, has_signing_certificate
from model.message import ClientKeyExchange
from model.principal import ClientOwner, client, server
from model.rule import Fields, Variable, check, receive, send
from model.transcript import VIEWS

_flag = Variable(BOOL, (False,))
VARIABLES = {
    # Configuration: whether the client's certificate holds a Diffie-Hellman key; whether the one
    # that the server showed does.
    "client": {"dh_certificate": _flag, "server_dh": _flag},
    # Whether the certificate that the client showed holds one.
    "server": {"client_dh": _flag},
}
own = Fields("the client", "own", {"dh_certificate": BOOL})
its = Fields("the server", "own", {"client_dh": BOOL})
FIELD = {"dh_key": BOOL}
dh_key = Fields("Certificate", "msg", FIELD).dh_key

_static = client.suite == "DH_RSA"
_uses_it = own.dh_certificate & (client.client_certificate == "honest")
_kind = check("kind of key", eq(dh_key, _static), "illegal_parameter")
_signs = check("kind of key", ~dh_key, "illegal_parameter")
_fits = check("kind of key", ~dh_key | (server.suite == "DH_RSA"), "illegal_parameter")
EMPTY = check("empty", cke.exchange == "none", "illegal_parameter")
_CKE = "client_key_exchange"
OWN_SHARE = ite(server.client_certificate == "honest", const("fixed", ClientOwner),
                const("adversary", ClientOwner))
"""The share in place of an empty ClientKeyExchange: the key of the client's certificate."""

ROWS = [
    send("client", ClientKeyExchange, "SEND_CKE", "SEND_CCS", rfc="5246 7.4.7.2, 7.4.8",
         when=_uses_it, do={"keyed": TRUE, "fixed_dh": TRUE},
         label=f"client_send_{_CKE}_empty"),
    receive("server", ClientKeyExchange, "WAIT_CKE", "WAIT_CCS", rfc="5246 7.4.7.2, 7.4.8",
            when=has_signing_certificate & its.client_dh, checks=[EMPTY],
            do={"keyed": TRUE,
                "exchange": OWN_SHARE},
            label=f"server_receive_{_CKE}_empty"),
]

EXTENSION = Extension(
    "fixed_dh",
    "5246 7.4.7.2; 4492 2",
    "static Diffie-Hellman, of the server or of both",
    variables=VARIABLES,
    fields={"Certificate": FIELD},
    optional={"ClientKeyExchange": ("exchange",)},
    sends={
        "client": {
            "Certificate": {"dh_key": _uses_it},
            "ClientKeyExchange": {
                "exchange": ite(
                    client.fixed_dh, const("none", ClientOwner), VIEWS["client"]["exchange"]
                )
            },
        },
        "server": {"Certificate": {"dh_key": server.suite == "DH_RSA"}},
    },
    views={"client": {"client_dh": _uses_it}, "server": {"client_dh": its.client_dh}},
    covers={"flight": ("client_dh",)},
    rows=tuple(ROWS),
    amends=(
        *(
            Amend(f"client_receive_certificate_WAIT_CERTIFICATE_to_{state}", checks=(_kind,),
                  do={"server_dh": dh_key})
            for state in ("WAIT_SKE", "WAIT_CR_SHD")
        ),
        Amend("client_receive_certificate_WAIT_CERT_CR_WAIT_CERT_to_WAIT_CV", checks=(_signs,),
              do={"server_dh": dh_key}),
        Amend("server_receive_certificate_WAIT_CERT_to_WAIT_CV", checks=(_signs,)),
        Amend("server_receive_certificate_WAIT_CERTIFICATE_to_WAIT_CKE", checks=(_fits,),
              do={"client_dh": dh_key & (certificate != "empty")}),
        Amend("client_send_certificate_SEND_CERTIFICATE_to_SEND_CKE",
              when=(answer == "empty") | ~own.dh_certificate | _static),
        Amend("client_send_certificate_SEND_CERT_to_SEND_CV", when=~own.dh_certificate),
        Amend(f"client_send_{_CKE}_SEND_CKE_to_SEND_CERTIFICATE_VERIFY", when=~_uses_it),
        Amend(f"server_receive_{_CKE}_WAIT_CKE_to_WAIT_CERTIFICATE_VERIFY", when=~its.client_dh),
    ),
)

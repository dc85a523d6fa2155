"""The messages of TLS 1.0 to 1.3, spelled as the RFCs spell them, with their abstract fields.

A composite field is a signature, MAC or ciphertext, which is compared as a whole.
"""

from __future__ import annotations

from model.expr import BOOL, COMPOSITE
from model.principal import (
    OFFERED,
    Alert,
    Certificate,
    ClientOwner,
    Compression,
    EncryptedTo,
    Group,
    Level,
    Sentinel,
    ServerOwner,
    Shares,
    SpecValue,
    Suite,
    Version,
    client,
    server,
)
from model.rule import Encrypted, Form, Message
from model.schedule import CERTIFICATE, MASTER
from model.transcript import RSA_SUITES

ClientHello = Message(
    "ClientHello",
    {
        "version": Version,  # the highest version offered: in supported_versions, or else legacy
        "legacy_version": Version,
        "random": ClientOwner,
        "offer": ClientOwner,  # whose lists of suites and compression methods these are
        **{f"offers_{s}": BOOL for s in OFFERED},
        "deflate": BOOL,
        "shares": Shares,
        "key_share": ClientOwner,  # the share itself
    },
    "5246 7.4.1.2",
    optional=("shares", "key_share"),
    shown={"random": "ClientHello", "offer": "ClientHello", "key_share": "ClientHello"},
)
ServerHello = Message(
    "ServerHello",
    {
        "version": Version,
        "random": ServerOwner,
        "sentinel": Sentinel,
        "session_id": ServerOwner,  # none: empty; in TLS 1.3, the client's echoed
        "suite": Suite,
        "compression": Compression,
        "key_share": ServerOwner,  # TLS 1.3 only
    },
    "5246 7.4.1.3",
    optional=("sentinel", "session_id", "key_share"),
    shown={"random": "ServerHello", "session_id": "ServerHello", "key_share": "ServerHello"},
    parts={"sentinel": "random"},
)
EncryptedExtensions = Message("EncryptedExtensions", {}, "8446 4.3.1")
CertificateMessage = Message("Certificate", {"certificate": Certificate}, "5246 7.4.2")
ServerKeyExchange = Message(
    "ServerKeyExchange",
    {"share": ServerOwner, "group": Group, "signature": COMPOSITE},
    "5246 7.4.3",
    shown={"share": "ServerKeyExchange"},
    sealed={"signature": CERTIFICATE},
)
CertificateRequest = Message("CertificateRequest", {}, "5246 7.4.4")
ServerHelloDone = Message("ServerHelloDone", {}, "5246 7.4.5")
ClientKeyExchange = Message(
    "ClientKeyExchange",
    {"exchange": ClientOwner, "encrypted_to": EncryptedTo, "premaster_version": Version},
    "5246 7.4.7",
    optional=("encrypted_to",),
    encrypted=Encrypted(
        "exchange", "encrypted_to", ("premaster_version",),
        {"client": client.suite.one_of(*RSA_SUITES), "server": server.suite.one_of(*RSA_SUITES)},
    ),
)
CertificateVerify = Message(
    "CertificateVerify", {"signature": COMPOSITE}, "5246 7.4.8", sealed={"signature": CERTIFICATE}
)
ChangeCipherSpec = Message("ChangeCipherSpec", {"value": SpecValue}, "5246 7.1")
Finished = Message(
    "Finished", {"verify_data": COMPOSITE}, "5246 7.4.9", sealed={"verify_data": MASTER}
)
ApplicationData = Message("ApplicationData", {}, "5246 10")
CloseNotify = Message("CloseNotify", {}, "5246 7.2.1")
AlertMessage = Message("Alert", {"level": Level, "description": Alert}, "5246 7.2")
NoCertificate = Message("NoCertificate", {}, "6101 5.4.2")
"""The SSL 3.0 warning 41, sent in place of a client Certificate."""
UndecryptableRecord = Message(
    "UndecryptableRecord", {}, "5246 6.2.3", "bad_record_mac", form=Form.GARBLED
)
"""A record that does not decrypt under the read key, or should be encrypted and is not."""
TransportClose = Message("TransportClose", {}, "5246 7.2.1", form=Form.END)
"""The transport ends without close_notify."""

ALPHABET = (
    ClientHello, ServerHello, EncryptedExtensions, CertificateMessage, ServerKeyExchange,
    CertificateRequest, ServerHelloDone, ClientKeyExchange, CertificateVerify, ChangeCipherSpec,
    Finished, ApplicationData, CloseNotify, AlertMessage, NoCertificate, UndecryptableRecord,
    TransportClose,
)

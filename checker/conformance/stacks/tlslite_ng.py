"""An echo server of tlslite-ng: PORT VERSION AUTH CA CERTIFICATE KEY.

A client's certificate can only be asked for, not demanded or verified.
"""

import socket
import sys
from pathlib import Path

from tlslite.api import X509, HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey

port, version, auth, _, certificate, key = sys.argv[1:]
settings = HandshakeSettings()
settings.minVersion = settings.maxVersion = (3, int(version[2]) + 1)
one = X509()
one.parse(Path(certificate).read_text())
private = parsePEMKey(Path(key).read_text(), private=True)
listener = socket.create_server(("127.0.0.1", int(port)))
while True:
    raw, _ = listener.accept()
    raw.settimeout(10)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection = TLSConnection(raw)
    try:
        connection.handshakeServer(
            certChain=X509CertChain([one]),
            privateKey=private,
            reqCert=auth != "none",
            settings=settings,
        )
        while data := connection.read(min=1, max=4096):
            connection.write(data)
    except Exception:
        pass
    finally:
        raw.close()

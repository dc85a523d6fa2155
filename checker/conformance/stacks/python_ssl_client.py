"""A client of `ssl` that connects again and again, and echoes: PORT VERSION CA [CERT KEY]."""

import socket
import ssl
import sys
import time

port, version, ca, *own = sys.argv[1:]
versions = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}
context = ssl.create_default_context(cafile=ca)
if version in ("1.0", "1.1"):
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
context.minimum_version = context.maximum_version = versions[version]
if own:
    context.load_cert_chain(*own)
while True:
    try:
        with (
            socket.create_connection(("127.0.0.1", int(port)), timeout=20) as raw,
            context.wrap_socket(raw, server_hostname="localhost") as connection,
        ):
            while data := connection.recv(4096):
                connection.sendall(data)
    except ConnectionRefusedError:
        time.sleep(0.05)
    except OSError:
        continue

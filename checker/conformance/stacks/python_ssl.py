"""An echo server of `ssl` or a MODULE like it: PORT VERSION AUTH CA CERTIFICATE KEY MODULE."""

import importlib
import socket
import sys

port, version, auth, ca, certificate, key, module = sys.argv[1:]
ssl = importlib.import_module(module)
versions = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.minimum_version = context.maximum_version = versions[version]
if version in ("1.0", "1.1"):
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
context.load_cert_chain(certificate, key)
context.load_verify_locations(ca)
context.verify_mode = {
    "none": ssl.CERT_NONE,
    "optional": ssl.CERT_OPTIONAL,
    "mandatory": ssl.CERT_REQUIRED,
}[auth]
listener = socket.create_server(("127.0.0.1", int(port)))
while True:
    raw, _ = listener.accept()
    raw.settimeout(10)
    try:
        with raw, context.wrap_socket(raw, server_side=True) as connection:
            while data := connection.recv(4096):
                connection.sendall(data)
    except Exception:
        continue

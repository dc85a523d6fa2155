"""Real TLS against the tables: recorded handshakes, and machines learned from stacks.

`recording` turns bytes and files into abstract messages, `live` records real handshakes, `monitor`
feeds them to the client's and the server's machine. `learned` reads a learned machine, `honest` is
the role's machine over its alphabet, `audit` walks both, `weakening` says what follows.
"""

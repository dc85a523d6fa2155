"""Real TLS against the tables: a monitor that feeds recorded messages to the two machines.

`recording` turns bytes and files into abstract messages, `live` records real handshakes, `monitor`
feeds them to the client's and the server's machine and reports.
"""

"""Anyone can have the private key of the server's certificate decrypt (RFC 8446 E.8, 7457 2.7).

A server tells by its alerts, or by time, whether a decrypted premaster has the right form, and so
decrypts any other for who asks often enough (Bleichenbacher 1998, ROBOT 2017). The server may be
another one with the same key: one of SSL 2.0 (DROWN, CVE-2016-0800). Asking takes no time, and the
key is not given away: the adversary cannot sign.
"""

from model.schedule import DECRYPT

SUMMARY = "have anything decrypted with the private key of the server's certificate"

ORACLE = (DECRYPT,)

"""Anyone can have the private key of the server's certificate decrypt and sign (RFC 8446 E.8).

With RSA both are one operation: who can have any number decrypted within the time of a handshake
can sign a ServerKeyExchange or a CertificateVerify (Jager, Schwenk and Somorovsky 2015).
"""

from model.schedule import DECRYPT, SIGN

SUMMARY = "have anything decrypted or signed with the private key of the server's certificate"

ORACLE = (DECRYPT, SIGN)

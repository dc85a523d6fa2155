"""The private key of the server's certificate is lost, at some moment (RFC 8446 E.1)."""

from model.adversary.capabilities import Leak
from model.rule import Message
from model.schedule import CERTIFICATE

SUMMARY = "get the private key of the server's certificate, at some moment"

LEAK = Leak(Message("ServerPrivateKey", {}, "8446 E.1"), ("server",), CERTIFICATE)

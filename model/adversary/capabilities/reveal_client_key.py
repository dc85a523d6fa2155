"""The private key of the client's certificate is lost, at some moment (RFC 8446 E.1)."""

from model.adversary.capabilities import Leak
from model.rule import Message
from model.schedule import CERTIFICATE

SUMMARY = "get the private key of the client's certificate, at some moment"

LEAK = Leak(Message("ClientPrivateKey", {}, "8446 E.1"), ("client",), CERTIFICATE)

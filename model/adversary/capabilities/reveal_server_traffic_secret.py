"""A server loses the traffic secrets that it holds at some moment, as a client does."""

from model.adversary.capabilities.reveal_client_traffic_secret import traffic_secret

SUMMARY = "get the traffic secrets that a server holds, at some moment"

LEAK = traffic_secret("server")

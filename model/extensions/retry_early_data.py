"""Early data and HelloRetryRequest (RFC 8446): a retry ends early data.

1. A client that is asked for a second hello stops sending early data and  4.1.2, 4.2.10
   offers none in the second hello.
2. The server skips unreadable records until the second hello, and none    4.2.10
   afterwards.
"""

from __future__ import annotations

from model.expr import BOOL, FALSE, TRUE, Expr, conj, const, neg
from model.extensions import Amend, Extension
from model.extensions.early_data import EarlyData, ee, hello, next_skipped, skips
from model.extensions.early_data import server as early_server
from model.extensions.retry import client
from model.extensions.retry import server as retry_server
from model.message import UndecryptableRecord
from model.observers import latch
from model.principal import Key, server
from model.role import Observer
from model.rule import SAME, Message, Rule, check, receive, snake

_WAITING = ("SEND_HRR", "WAIT_CH")


def _skip(message: Message) -> Rule:
    return receive(
        "server", message, _WAITING, SAME, rfc="8446 4.2.10", when=skips,
        do={"skipped": next_skipped}, label=f"server_skip_{snake(message.name)}_after_retry",
    )


def _passing(message: Message, skipped: Expr) -> Observer:
    """The observer of a record passed over after the second hello."""
    late = conj(retry_server.retried, server.client_random != "none")
    return latch("passed_after_hello", "receive", message.name, conj(skipped, late))


_CH2 = "server_receive_second_client_hello"
_again = check("no early data again", ~hello.early_data, "illegal_parameter")

EXTENSION = Extension(
    "retry_early_data",
    "8446 4.2.10",
    "early data ends with a HelloRetryRequest",
    needs=("early_data", "retry", "retry_psk"),
    implied=True,
    fields={"SecondClientHello": {"early_data": BOOL}},
    sends={"client": {"SecondClientHello": {"early_data": FALSE}}},
    rows=(_skip(EarlyData), _skip(UndecryptableRecord)),
    amends=(
        Amend("client_receive_hello_retry_request_WAIT_SH_to_SEND_CH", of="retry",
              do={"write_key": const("plaintext", Key)}),
        Amend("client_send_early_data_WAIT_SH_WAIT_EE_to_SAME", of="early_data",
              when=~client.retried),
        *(
            Amend(f"client_receive_encrypted_extensions_WAIT_EE_to_{to}", of=of,
                  first=(check("early data offered again", ~ee.early_data | ~client.retried,
                               "unsupported_extension"),))
            for to, of in (("WAIT_CERT_CR", ""), ("WAIT_FINISHED", "psk"))
        ),
        Amend("server_receive_client_hello_START_to_SEND_HRR", of="retry",
              do={"early_offered": hello.early_data}),
        Amend(f"{_CH2}_WAIT_CH_to_NEGOTIATED", of="retry", checks=(_again,)),
        Amend(f"{_CH2}_psk", of="retry_psk", checks=(_again,)),
        Amend("server_skip_early_data", of="early_data", when=neg(retry_server.retried)),
        Amend("server_skip_undecryptable_record", of="early_data",
              when=neg(retry_server.retried)),
    ),
    observers={
        "server": (
            latch("early_again", "receive", "SecondClientHello", hello.early_data),
            _passing(EarlyData, ~early_server.early_accepted),
            _passing(UndecryptableRecord, TRUE),
        ),
    },
)

"""ChangeCipherSpec dropping (Wagner and Schneier 1996, SSL 3.0).

Finished is accepted in the clear, without a ChangeCipherSpec before. No hash covers
ChangeCipherSpec, so with a suite that does not encrypt the adversary drops that message and strips
the MAC, and the read side stays unprotected. SSL 3.0 did not say that the message must come before
Finished; the mend, in TLS 1.0, is one sentence that does.
"""

from model.expr import const, same
from model.flaws import Flaw
from model.message import Finished
from model.patch import with_rows
from model.rule import check, receive
from model.transcript import verify_data

_FALLEN = (
    "the_end_is_clean_only_after_close_notify",
    "finished_comes_right_after_change_cipher_spec",
    "one_change_cipher_spec_comes_before_each_finished",
    "no_finished_and_no_data_is_accepted_in_the_clear",
    "each_message_is_accepted_in_its_place",
)
_SENT = "each_message_is_sent_in_its_place"  # by a server that then sends its ChangeCipherSpec

FLAW = Flaw(
    name="ccs_dropping",
    number=3,
    title="Finished is accepted without ChangeCipherSpec",
    source="Wagner and Schneier, Analysis of the SSL 3.0 Protocol, 1996",
    year=1996,
    hit="SSL 3.0",
    scenario="integrity-only",
    patches={
        "client": with_rows(
            receive("client", Finished, "WAIT_CCS", "CONNECTED", rfc="6101 5.6.9",
                    checks=[check("verify_data",
                                  same(Finished.f.verify_data, *verify_data("client", "server")),
                                  "decrypt_error")],
                    do={"verified": const(True)})
        ),
        "server": with_rows(
            receive("server", Finished, "WAIT_CCS", "SEND_CCS", rfc="6101 5.6.9",
                    checks=[check("verify_data",
                                  same(Finished.f.verify_data, *verify_data("server", "client")),
                                  "decrypt_error")],
                    do={"verified": const(True)})
        ),
    },
    shows="no_finished_and_no_data_is_accepted_in_the_clear",
    steps=6,
    breaks={
        "both": (*_FALLEN, _SENT), "client": _FALLEN, "server": (*_FALLEN, _SENT),
    },
)

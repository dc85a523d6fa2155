"""A HelloRetryRequest that changes nothing (wolfSSL issue 9240): answered all the same.

A request must name another group or bring a cookie, or the second ClientHello is the first again.
wolfSSL's client sent it a second time. RFC 8446 4.1.4 demands illegal_parameter, so that no server
keeps a client busy with the same question.
"""

from model.flaws import Flaw
from model.patch import without_check

FLAW = Flaw(
    name="identical_second_hello",
    number=74,
    title="a client answers a HelloRetryRequest that changes nothing",
    source="wolfSSL issue 9240",
    year=2025,
    hit="wolfSSL",
    scenario="tls13-retry",
    patches={
        "client": without_check(
            "client_receive_hello_retry_request_WAIT_SH_to_SEND_CH",
            "changes something",
            "group not shared yet",
        )
    },
    shows="one_retry_is_taken_and_it_changes_something",
    steps=2,
    breaks={
        "client": (
            "one_retry_is_taken_and_it_changes_something",
            "a_retry_is_for_a_group_that_is_supported_and_not_shared_yet",
        )
    },
)

"""KeyUpdate truncation (RFC 8446 4.6.3): a record under the next key is read before the KeyUpdate.

A sender that changes its key says so in its last record under the old one. A receiver that reads a
record under the new key all the same lets the adversary drop the last records under the old key
together with the KeyUpdate, and the data has a hole. RFC 8446 demands that KeyUpdate is received
first, and warns of what happens if not.
"""

from model.extensions.key_update import following, own, record
from model.flaws import Flaw
from model.patch import loosened, with_effects

_ROW = "client_receive_application_data_CONNECTED_to_SAME"

FLAW = Flaw(
    name="key_update_truncation",
    number=24,
    title="a client reads a record under the next key without a KeyUpdate",
    source="RFC 8446 4.6.3",
    year=2018,
    hit="receivers that try the next key",
    scenario="key-update",
    patches={
        "client": (
            loosened(_ROW, "key generation", record.generation == following(own.read_generation)),
            with_effects(_ROW, read_generation=record.generation),
        )
    },
    shows="each_generation_of_keys_is_entered_by_a_key_update",
    steps=16,
    breaks={
        "client": (
            "each_generation_of_keys_is_entered_by_a_key_update",
            "every_record_is_read_in_its_generation",
        )
    },
)

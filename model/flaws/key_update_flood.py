"""KeyUpdate flood (CVE-2026-56862): a KeyUpdate resets the count of ignored records.

Each KeyUpdate makes the receiver derive keys, and the bound is never reached.
"""

from model.expr import const
from model.extensions.ignored_records import Count
from model.flaws import Flaw
from model.patch import with_observer

_uncounted = with_observer("ignored", "KeyUpdate", const("0", Count))
_FALLS = ("no_more_records_are_ignored_in_a_row_than_the_bound",)

FLAW = Flaw(
    name="key_update_flood",
    number=71,
    title="a KeyUpdate starts the count of ignored records again",
    source="CVE-2026-56862 (Go crypto/tls)",
    scenario="ignored-records",
    patches={"client": _uncounted, "server": _uncounted},
    shows=_FALLS[0],
    steps=9,
    breaks=dict.fromkeys(("client", "server", "both"), _FALLS),
)

"""KeyUpdate flood (CVE-2026-56862, Go): each KeyUpdate starts the count of ignored records again.

Go counts the records in a row that bring no data, and gives up at a bound. A KeyUpdate is such a
record, but counted as progress: a peer that sends nothing else keeps the connection busy for ever,
with new keys to derive each time. The mend is to leave the count as it is.
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
    source="the CVE record",
    cve=("CVE-2026-56862",),
    year=2026,
    hit="Go",
    scenario="ignored-records",
    patches={"client": _uncounted, "server": _uncounted},
    shows=_FALLS[0],
    steps=9,
    breaks=dict.fromkeys(("client", "server", "both"), _FALLS),
)

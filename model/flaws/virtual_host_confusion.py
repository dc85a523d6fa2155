"""Virtual host confusion (2014): a server answers for a name that it does not have.

Names of different servers stand in one certificate. The adversary sends a client's connection to
another of these servers, which does not know the name and serves the client by its default host.
The client sees a good certificate, and takes what the wrong host says for the right one's: at
Dropbox, Akamai's customers and others this gave scripts the rights of another site. Servers that
refuse names they do not know end it.
"""

from model.flaws import Flaw
from model.patch import without_check

FLAW = Flaw(
    name="virtual_host_confusion",
    title="a server serves a name that it does not have by its default host",
    source="Delignat-Lavaud and Bhargavan, Network-based Origin Confusion Attacks, 2015",
    year=2014,
    hit="servers with a default host: Apache, nginx and those of content networks",
    scenario="server-names",
    patches={
        "server": without_check("server_receive_client_hello_START_to_NEGOTIATED", "name known")
    },
    shows="a_client_is_served_by_the_host_that_it_named",
    steps=12,
    breaks={"server": ("a_client_is_served_by_the_host_that_it_named",)},
)

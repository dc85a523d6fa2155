"""The audit of published machines: where they are, its findings are the published ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from checker.conformance.audit import Audit, audit_all
from checker.report.audit import exit_status

SAMPLES = Path(
    os.environ.get("PUBLISHED_MACHINES", Path(__file__).parents[3] / "shared" / "learned")
)
"""The folder of machines that were learned from stacks and published: others' work, not kept here.
"""


@pytest.fixture(scope="module")
def samples() -> dict[str, Audit]:
    """The sample machines by name, where they are."""
    files = sorted(map(str, SAMPLES.glob("*/*.dot")))
    if not files:
        pytest.skip(f"no published machines in {SAMPLES}: PUBLISHED_MACHINES names their folder")
    results, _ = audit_all(files)
    assert exit_status(results) == 1
    return {Path(r.file).stem: r for r in results}


def lax(result: Audit) -> list[tuple[tuple[str, ...], str]]:
    """Word and flaw of what is laxer."""
    return [(d.word, d.flaw) for d in result.divergences if d.kind == "laxer"]


@pytest.mark.deep
def test_openssl_101g_takes_an_early_change_cipher_spec(samples: dict[str, Audit]) -> None:
    early = (("ClientHello", "ChangeCipherSpec"), "early_ccs")
    assert early in lax(samples["openssl-1.0.1g-TLS12"])
    assert early in lax(samples["openssl-1.0.1g-TLS10"])
    assert (("ClientHelloRSA", "ChangeCipherSpec"), "early_ccs") in lax(
        samples["OpenSSL_1.0.1g_server_regular"]
    )
    for later in ("openssl-1.0.1h-TLS12", "openssl-1.1.1g-TLS12", "OpenSSL_1.0.2_server_regular"):
        assert not [w for w, flaw in lax(samples[later]) if flaw or w[1:] == ("ChangeCipherSpec",)]


@pytest.mark.deep
def test_gnutls_second_path_is_named_and_later_gone(samples: dict[str, Audit]) -> None:
    def second(name: str) -> list[str]:
        return [d.note for d in samples[name].divergences if "second path" in d.note]

    assert second("GnuTLS_3.3.8_server_regular") and not second("GnuTLS_3.3.12_server_regular")


@pytest.mark.deep
@pytest.mark.parametrize(
    "name",
    [
        "miTLS_0.1.3_server_regular",
        "OpenSSL_1.0.2_server_regular",
        "openssl-1.1.1g-TLS12",
        "OpenSSL_1.0.2_client_full",
    ],
)
def test_clean_ones_are_not_laxer(samples: dict[str, Audit], name: str) -> None:
    assert lax(samples[name]) == []

"""Learning: servers of our own, sound, weakened and unsteady."""

from __future__ import annotations

from pathlib import Path

import pytest

from checker.conformance.audit import CONFORMS, audit
from checker.conformance.comparison import LAXER
from checker.conformance.conform import Prober
from checker.conformance.credentials import credentials
from checker.conformance.honest import Configuration
from checker.conformance.learning import Asker, LearningError, confirmed, learn
from checker.conformance.weakening import Weakening
from model.patch import patched
from model.roles import role
from tests.checker.own_server import OwnServer

TLS12 = Configuration("server", "TLS12", ("ECDHE",), "none", "empty")
SPEC = next(
    r.name
    for r in role("server").table
    if (r.kind, r.event) == ("receive", "ChangeCipherSpec") and r.name.endswith("WAIT_FIN")
)


def test_kept_answers_are_used_and_those_of_another_setting_are_not(tmp_path: Path) -> None:
    kept = tmp_path / "queries"
    word = ("ClientHello", "Finished")
    with OwnServer(TLS12, credentials()).running(wait=0.4) as target:
        first = Asker(target, TLS12, credentials(), kept)
        answers = first.query(word)
    assert answers[0] == "ServerHello|Certificate|ServerKeyExchange|ServerHelloDone"
    assert answers[1].startswith("AlertFatalUnexpectedMessage")
    again = Asker(target, TLS12, credentials(), kept)  # the server has ended
    assert again.query(word) == answers
    assert again.asked == 0
    auth = Configuration("server", "TLS12", ("ECDHE",), "mandatory", "empty")
    assert Asker(target, auth, credentials(), kept).known == {}


def test_a_server_that_answers_in_two_ways_is_not_learned() -> None:
    with OwnServer(TLS12, credentials()).running(wait=0.4) as target:
        asker = Asker(target, TLS12, credentials())
        asker.known[("ClientHello",)] = "AlertFatalHandshakeFailure"
        with pytest.raises(LearningError, match=r"`AlertFatalHandshakeFailure` once and with"):
            asker.query(("ClientHello", "Finished"))


@pytest.mark.deep
def test_a_sound_server_is_learned_and_conforms(tmp_path: Path) -> None:
    with OwnServer(TLS12, credentials()).running(0.05) as target:
        found = learn(Asker(target, TLS12, credentials()))
    file = tmp_path / "machine.dot"
    file.write_text(found.dot)
    result = audit(str(file))
    assert (result.verdict, result.error) == (CONFORMS, "")
    assert len(found.rows) == 6


@pytest.mark.deep
def test_a_weakened_server_is_learned_and_its_laxer_word_is_confirmed(tmp_path: Path) -> None:
    weakening = Weakening(TLS12, ("WAIT_CKE",), "ChangeCipherSpec", "takes effect early", SPEC)
    weak = OwnServer(TLS12, credentials(), patched(role("server"), weakening.patch()))
    file = tmp_path / "machine.dot"
    with weak.running(0.05) as target:
        file.write_text(learn(Asker(target, TLS12, credentials())).dot)
        d = next(d for d in audit(str(file)).divergences if d.kind == LAXER)
        assert (d.word, d.flaw) == (("ClientHello", "ChangeCipherSpec"), "early_ccs")
        assert confirmed(Prober(target, TLS12, credentials()), d)

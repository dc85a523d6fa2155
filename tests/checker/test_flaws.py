"""Each flaw breaks exactly what its file lists; without it, or without its capability, nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

import model.flaws
from checker import decide
from checker.by_search import search
from checker.decide import run_task
from checker.report.text import of_patch
from checker.request import Request, Task, checked, declared, properties_of
from checker.verdict import VIOLATED, Result
from checker.verify import verify
from model import role, solver
from model.flaws import dropped, find, flaws
from model.near import UsageError
from model.scenario import scenario
from model.transcript import FLIGHT, SECRET
from tests.contracts.agreement import same_to_depth
from tests.sizes import deep_but

CASES = [f"{f.name}@{end}" for f in flaws().values() for end in f.ends]
QUICK = ["early_ccs@client", "selfie@server", "truncation@client"]


def _fallen_by(results: list[Result], where: str) -> set[str]:
    """What is violated, but for what is false by design."""
    return {
        r.property
        for r in results
        if r.verdict == VIOLATED and declared(r.property, where)[0] != VIOLATED
    }


ONE_STEP = {"HRR-8", "KEY-4", "KEY-13", "NEG-16", "NEG-17", "NEG-21", "ORD-1", "REN-3"}
"""The properties that speak of one message, or of what may come before any."""


@pytest.mark.parametrize("spec", deep_but(QUICK, CASES))
def test_a_flaw_breaks_exactly_what_it_lists(spec: str) -> None:
    flaw, end = find(spec)
    # A search that grows too big goes on to the provers.
    results = verify(Request(flaw=spec), workers=1).results
    assert not any(r.error for r in results)
    assert [r for r in results if not r.as_declared] == []
    fallen = _fallen_by(results, flaw.where)
    assert fallen == set(flaw.breaks[end])
    for r in results:
        if r.property == flaw.shows and end == flaw.ends[0]:
            assert len(r.trace) == flaw.steps > 0
        if r.property in fallen:
            # Every trace was replayed on live machines; it ends in an accepted step.
            assert len(r.trace) >= (1 if r.id in ONE_STEP else 2)
            assert r.trace.steps[-1].alert is None


@pytest.mark.deep
@pytest.mark.parametrize("name", [f.name for f in flaws().values() if f.capability])
def test_without_its_capability_only_the_row_itself_shows(name: str) -> None:
    flaw = flaws()[name]
    where = replace(scenario(flaw.where), capabilities=())
    system = where.system(*flaw.roles(flaw.ends[0], where.extensions))
    results = search(system, properties_of(Request(), where), Request())
    assert _fallen_by(results, flaw.where) == set(flaw.local)


@pytest.mark.deep
def test_the_goto_fail_attack_is_the_published_one() -> None:
    request = Request(properties=("SEC-1",), flaw="goto_fail")
    (result,) = run_task(Task(request, "tls12", "explicit"))
    received = [s for s in result.trace.steps if s.kind == "receive" and s.run == "client0"]
    ske = next(s for s in received if s.event == "ServerKeyExchange")
    assert ske.fields["share"] == "adversary"
    assert next(s for s in received if s.event == "Certificate").fields["certificate"] == "honest"
    assert "client0" in result.trace.steps[-1].known


@pytest.mark.deep
@pytest.mark.parametrize(
    ("name", "depth"), [("early_ccs@both", 8), ("finished_before_certificate@client", 9)]
)
def test_the_reference_agrees_on_flawed_systems(name: str, depth: int) -> None:
    """The same states at each distance, down to a depth that the reference reaches quickly."""
    flaw, end = find(name)
    system = scenario(flaw.where).system(*flaw.roles(end))
    same_to_depth(system.compile(), depth)


USER_FLAW = """
from model.flaws import Flaw, {op}
FLAW = Flaw(name="mine", number=0, title="t", source="s", scenario="tls12-small",
            patches={{"client": {patch}}}, breaks={{"client": ({breaks})}})
"""


@pytest.mark.scenario
def test_a_users_own_flaw_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        USER_FLAW.format(
            op="without_check",
            patch='without_check("client_receive_certificate_WAIT_CERTIFICATE_to_WAIT_CR_SHD",'
            ' "right name")',
            breaks="",
        )
    )
    results = run_task(Task(Request(flaw=str(file)), "tls12-small", "explicit"))
    fallen = {r.property for r in results if r.verdict == "VIOLATED"}
    assert "an_empty_or_untrusted_server_certificate_is_refused" in fallen
    assert "a_client_that_finished_talked_to_the_server" in fallen


IDLE_ROW = "client_receive_finished_WAIT_SHD_to_CONNECTED"


@pytest.mark.parametrize("engine", deep_but(["explicit"], ["explicit", "symbolic", "reference"]))
def test_a_patched_row_that_never_fires_is_an_error(engine: str, tmp_path: Path) -> None:
    file = tmp_path / "idle.py"
    file.write_text(
        "from model.expr import FALSE\nfrom model.message import Finished\n"
        "from model.rule import receive\n"
        + USER_FLAW.format(
            op="with_rows",
            patch='with_rows(receive("client", Finished, "WAIT_SHD", "CONNECTED", rfc="x",'
            " when=FALSE))",
            breaks="",
        )
    )
    request = Request(("ORD-1",), engine=engine, flaw=str(file), states=2_000)
    outcome = verify(request, workers=1)
    assert outcome.rows == {"tls12-small": {IDLE_ROW: False}}
    assert all(r.error for r in outcome.results)
    assert outcome.results[0].reason == f"no patched row ever fires: {IDLE_ROW}"


VIEW = 'from model.transcript import view\nX = view("client", "client_randoms")\n'
LATE = """
from model.transcript import view
def patch(r):
    return {}["nothing"]
"""


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("x = 1\n", UsageError, "bad.py defines no FLAW"),
        ("x = 1\nx = = 2\n", UsageError, "bad.py:2: invalid syntax"),
        ("\nimport nothing_like_this\n", UsageError, "bad.py:2: .*nothing_like_this"),
        (VIEW, UsageError, r"bad.py:2: no .* 'client_randoms'; did you mean client_random"),
        (
            LATE + USER_FLAW.format(op="Patch", patch="patch", breaks=""),
            UsageError,
            "bad.py:4: KeyError: 'nothing'",
        ),
        (
            USER_FLAW.format(
                op="without_check", patch='without_check("client_nothing")', breaks=""
            ),
            UsageError,
            "no row of the client is called 'client_nothing'",
        ),
    ],
)
def test_a_malformed_flaw_file_is_one_clear_error(
    tmp_path: Path, text: str, error: type[Exception], says: str
) -> None:
    file = tmp_path / "bad.py"
    file.write_text(text)
    with pytest.raises(error, match=says):
        run_task(Task(Request(flaw=str(file)), "tls12-small", "explicit"))


GUIDE = Path(model.flaws.__file__).with_name("README.md").read_text()
SHOWN = re.findall(r"```python\n(.*?)```\n\nFalls: (\S+), (\d+) steps", GUIDE, re.DOTALL)
QUICKEST = [x for x in SHOWN if x[1] == "AUT-1"][-1:]


def test_the_guide_shows_five_files() -> None:
    assert len(SHOWN) == GUIDE.count("```python\n") == 5


@pytest.mark.parametrize(
    ("text", "id", "steps"), deep_but(QUICKEST, SHOWN), ids=[id for _, id, _ in SHOWN]
)
def test_a_file_of_the_guide_has_ten_lines_and_shows_its_attack(
    text: str, id: str, steps: str, tmp_path: Path
) -> None:
    assert len(text.splitlines()) <= 10
    file = tmp_path / "any_name.py"
    file.write_text(text)
    outcome = verify(Request((id,), flaw=str(file)), workers=1)
    (result,) = (r for r in outcome.results if r.id == id)
    assert (result.verdict, len(result.trace)) == (VIOLATED, int(steps))
    assert True in next(iter(outcome.rows.values())).values()


# -- --drop ----------------------------------------------------------------------------------------
def _fallen(drop: str, where: str) -> set[str]:
    results = run_task(Task(Request(drop=(drop,)), where, "explicit"))
    assert not any(r.error for r in results)
    return {r.id for r in results if r.verdict == "VIOLATED"} - {"GLOBAL"}


@pytest.mark.deep
def test_dropping_the_signature_check_is_goto_fail() -> None:
    row = "client_receive_server_key_exchange_WAIT_SKE_to_WAIT_CR_SHD"
    assert _fallen(f"{row}:signature", "tls12") == {
        "AUT-1",
        "AUT-5",
        "AUT-6",
        "AUT-7",
        "AUT-27",
        "ORD-7",
        "SEC-1",
        "SEC-4",
    }


@pytest.mark.deep
def test_dropping_a_field_from_finished() -> None:
    row = "client_receive_finished_WAIT_FIN_to_CONNECTED"
    assert _fallen(f"{row}:session_id", "tls12-small") == {"AUT-6", "AUT-7", "AUT-30", "ORD-13"}
    assert {"AUT-6"} <= _fallen(f"{row}:offer", "tls12-small")


@pytest.mark.parametrize("check", ["known CA", "known_CA", "Known_ca"])
def test_a_check_to_drop_is_named_with_spaces_or_underscores_in_any_case(check: str) -> None:
    row = "client_receive_certificate_WAIT_CERTIFICATE_to_WAIT_CR_SHD"
    flaw, end = dropped(f"{row}:{check}")
    assert end == "client"
    assert str(flaw.patches["client"]) == f"{row}: without check 'known CA'"


def test_dropping_what_is_not_there_lists_the_near_names() -> None:
    with pytest.raises(LookupError, match="did you mean signature"):
        dropped("client_receive_server_key_exchange_WAIT_SKE_to_WAIT_CR_SHD:signatur")
    with pytest.raises(LookupError, match="client_receive_server_key_exchange"):
        dropped("client_receive_server_key_exchang_WAIT_SKE_to_WAIT_CR_SHD")


# -- each field of the transcript ------------------------------------------------------------------
FINISHED_ROW = "client_receive_finished_WAIT_FIN_to_CONNECTED"
NEEDED = {
    "client_version": ("tls12", {"AUT-6", "AUT-7", "ORD-13"}),
    "offer": ("tls12-small", {"AUT-6", "ORD-13"}),
    "session_id": ("tls12-small", {"AUT-6", "AUT-7", "ORD-13"}),
    "compression": ("client-auth", {"AUT-6", "AUT-7", "ORD-13"}),
    "client_certificate": ("client-auth", {"AUT-6", "ORD-13"}),
    "server_certificate": ("client-auth", {"ORD-13"}),
}
"""Field of Finished -> a scenario where its loss breaks more than AUT-30, and what."""
BOUND = {
    **dict.fromkeys(
        (
            "client_random",
            "version",
            "server_random",
            "sentinel",
            "exchange",
            "server_share",
            "group",
        ),
        "the master secret is made of it",
    ),
    "suite": "each suite has its own group or none, and the master secret is made of it",
    "requested": "who was asked answers with a certificate or an empty one, which is covered",
}
"""Field of Finished -> what else binds it, so that its loss breaks AUT-30 alone."""


@pytest.mark.deep
@pytest.mark.parametrize("field", sorted(NEEDED))
def test_the_loss_of_a_transcript_field_is_noticed(field: str) -> None:
    where, fallen = NEEDED[field]
    assert _fallen(f"{FINISHED_ROW}:{field}", where) == fallen | {"AUT-30"}


def test_every_transcript_field_is_needed_or_bound() -> None:
    assert set(NEEDED) | set(BOUND) == set(FLIGHT)
    assert not set(NEEDED) & set(BOUND)
    secret = {f for f, why in BOUND.items() if why == "the master secret is made of it"}
    assert secret == set(SECRET)


# -- what is said of a patch -----------------------------------------------------------------------
CERTIFICATE = "client_receive_certificate_WAIT_CERTIFICATE_to_WAIT_CR_SHD"
FINISHED = "client_receive_finished_WAIT_FIN_to_CONNECTED"


def _own(tmp_path: Path, flaw: str) -> str:
    file = tmp_path / "mine.py"
    file.write_text(f"from model.flaws import *\n{flaw}\n")
    return str(file)


def _without(where: str, *names: str) -> str:
    """The text of a flaw that drops a check, or all, of a row of the client."""
    patch = f"without_check({', '.join(map(repr, names))})"
    return f'FLAW = Flaw("mine", scenario={where!r}, patches={{"client": {patch}}})'


@pytest.mark.parametrize(
    ("says", "what"),
    [
        ('patches={"client": lambda r: r}', "<lambda>: that changes nothing in the client"),
        ('patches={"client": ()}', "changes nothing in the client"),
        ("patches={}", "its patches name no end"),
        ('patches={"cleint": without_check("a")}', "'cleint'; did you mean client"),
        ('patches={"server": FREE}, breaks={"client": ()}', "a patch of the server only"),
        ('patches={"server": FREE}, breaks={"bothh": ()}', "'bothh'; did you mean both"),
        ('patches={"server": FREE}, capability="reveal_sever_key"', "'reveal_sever_key'; did you"),
        ('patches={"server": FREE}', "sets max_version, which is given to a server"),
        ('patches={"client": IDLE}, breaks={"client": ("no_such",)}', "called 'no_such'"),
    ],
)
def test_a_patch_that_can_say_nothing_is_an_error_that_says_which(
    says: str, what: str, tmp_path: Path
) -> None:
    text = (
        'ROW = "server_receive_client_hello_START_to_SEND_SH"\n'
        'FREE = with_effects(ROW, max_version="TLS10")\n'
        f'IDLE = without_check("{CERTIFICATE}")\n'
        f'FLAW = Flaw("mine", scenario="tls12-small", {says})'
    )
    for engine in (None, "symbolic", "reference"):
        request = Request(("ORD-1",), flaw=_own(tmp_path, text), engine=engine)
        with pytest.raises(UsageError, match=re.escape(what)):
            checked(request)
            verify(request, workers=1)


def test_a_scenario_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    text = _without("tls12-smal", CERTIFICATE)
    with pytest.raises(UsageError, match="no scenario is called 'tls12-smal'; did you mean"):
        find(_own(tmp_path, text))


@pytest.mark.deep
def test_a_flaw_and_drops_combine() -> None:
    ids = ("AUT-11", "KEY-1", "AUT-15")
    falls = {
        "flaw": Request(ids, "tls12-small", flaw="early_ccs@client"),
        "drop": Request(ids, "tls12-small", drop=(f"{CERTIFICATE}:known CA",)),
        "both": Request(
            ids, "tls12-small", flaw="early_ccs@client", drop=(f"{CERTIFICATE}:known CA",)
        ),
        "drops": Request(
            ids, "tls12-small", drop=(f"{CERTIFICATE}:known CA", f"{CERTIFICATE}:expired")
        ),
    }
    with pytest.raises(UsageError, match="'expired'; did you mean not expired"):
        checked(falls.pop("drops"))
    fallen = {
        n: {r.id for r in verify(x, workers=1).results if r.verdict == VIOLATED}
        for n, x in falls.items()
    }
    assert fallen["flaw"] and fallen["drop"]
    assert fallen["both"] == fallen["flaw"] | fallen["drop"] > fallen["flaw"]


@pytest.mark.deep
def test_rows_that_can_never_fire_are_named_by_every_engine(tmp_path: Path) -> None:
    text = (
        'NEVER = step("client", "rest", "WAIT_EE", SAME, rfc="x", when=client.version == "TLS13")\n'
        'FLAW = Flaw("mine", scenario="tls12-small", patches={"client": [with_rows(NEVER), '
        f'without_check("{CERTIFICATE}", "known CA")]}})'
    )
    for engine in ("explicit", "symbolic", "reference"):
        request = Request(("AUT-15",), flaw=_own(tmp_path, text), engine=engine, states=3_000)
        outcome = verify(request, workers=1)
        (rows,) = outcome.rows.values()
        assert rows == {"client_rest_WAIT_EE_to_SAME": False, CERTIFICATE: True}, engine
        said = of_patch(outcome.rows, outcome.results)
        assert "these can never fire (proved): client_rest_WAIT_EE_to_SAME" in said


@pytest.mark.deep
def test_where_nothing_falls_it_is_said_why(tmp_path: Path) -> None:
    silent = _without("tls12-small", FINISHED)
    request = Request(("ORD-1",), flaw=_own(tmp_path, silent))
    outcome = verify(request, workers=1)
    said = of_patch(outcome.rows, outcome.results)
    assert said == f"tls12-small: nothing falls: {FINISHED} can fire, and no property notices"
    sentinel = "client_receive_server_hello_WAIT_SH_to_WAIT_CERTIFICATE:downgrade sentinel"
    outcome = verify(Request(("ORD-1",), "tls12-small", drop=(sentinel,)), workers=1)
    assert not any(r.error for r in outcome.results)
    assert of_patch(outcome.rows, outcome.results) == (
        "tls12-small: nothing falls: no message that it would treat otherwise can arrive (proved)"
    )


@pytest.mark.deep
def test_what_is_too_large_to_search_is_proved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decide, "PATCHED_STATES", 4_000)
    text = _without("tls12-small", CERTIFICATE, "known CA")
    outcome = verify(Request(("ORD-1", "AUT-15"), flaw=_own(tmp_path, text)), workers=1)
    by = {r.id: r for r in outcome.results}
    assert by["AUT-15"].verdict == VIOLATED and by["AUT-15"].trace is not None
    assert by["ORD-1"].certificate and by["ORD-1"].method.startswith("proof")


def test_a_table_that_is_not_decided_in_time_is_unknown_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = _without("tls12-small", CERTIFICATE, "right name")
    monkeypatch.setattr(solver, "CONFLICTS", 0)
    # What an earlier test asked of the same rows is known.
    monkeypatch.setattr(role, "_BOTH", {})
    outcome = verify(Request(("ORD-1",), flaw=_own(tmp_path, text), seconds=5.0), workers=1)
    (r,) = outcome.results
    assert r.verdict == "UNKNOWN"
    assert r.reason.endswith("is not known: the solver gave up after 0 conflicts")


@pytest.mark.scenario
def test_a_row_may_read_what_a_memory_records(tmp_path: Path) -> None:
    """A client that takes a Finished of anybody once it has seen a certificate."""
    text = (
        f'FLAW = Flaw("mine", scenario="tls12-small", patches={{"client": [with_memory("met", '
        f'"Certificate", TRUE), loosened("{FINISHED}", "verify_data", var("own.met", BOOL))]}})'
    )
    outcome = verify(Request(("ORD-1",), flaw=_own(tmp_path, text)), workers=1)
    assert outcome.rows["tls12-small"][FINISHED] is True


@pytest.mark.scenario
def test_the_session_hash_tells_handshakes_with_degenerate_shares_apart() -> None:
    """Who takes such a share shares a key with a stranger, unless the master secret is extended."""
    fallen = {
        where: _fallen_by(
            verify(Request(flaw="degenerate_public_value", scenario=where), workers=1).results,
            where,
        )
        for where in ("degenerate-shares", "degenerate-shares-ems")
    }
    stranger = {"who_shares_a_key_knows_with_whom", "the_session_keys_identify_the_channel"}
    taken = {"no_key_is_derived_from_a_degenerate_share"}
    assert fallen == {"degenerate-shares": stranger | taken, "degenerate-shares-ems": taken}

"""The record layer: against the traces of RFC 8448, against `ssl`, and against broken bytes."""

from __future__ import annotations

import contextlib
import os
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from checker.conformance import key_schedule as ks
from checker.conformance import records as rec
from checker.conformance.live import Handshake, contexts, make_identities
from checker.conformance.wire import (
    SUITES,
    VERSIONS,
    Reader,
    ServerHello,
    client_hello,
    server_hello,
)


def h(text: str) -> bytes:
    return bytes.fromhex("".join(text.split()))


# -- RFC 8448, section 3: the simple 1-RTT handshake -----------------------------------------------
CLIENT_HELLO = h("""
    010000c00303cb34ecb1e78163ba1c38c6dacb196a6dffa21a8d9912ec18a2ef6283024dece700000613011303
    1302010000910000000b0009000006736572766572ff01000100000a00140012001d0017001800190100010101
    020103010400230000003300260024001d002099381de560e4bd43d23d8e435a7dbafeb3c06e51c13cae4d5413
    691e529aaf2c002b0003020304000d0020001e0403050306030203080408050806040105010601020104020502
    06020202002d00020101001c00024001""")
SERVER_HELLO = h("""
    020000560303a6af06a4121860dc5e6e60249cd34c95930c8ac5cb1434dac155772ed3e2692800130100002e00
    330024001d0020c9828876112095fe66762bdbf7c672e156d6cc253b833df1dd69b1b04e751f0f002b00020304
    """)
ENCRYPTED_EXTENSIONS = h(
    "080000240022000a00140012001d00170018001901000101010201030104001c0002400100000000"
)
CERTIFICATE = h("""
    0b0001b9000001b50001b0308201ac30820115a003020102020102300d06092a864886f70d01010b0500300e31
    0c300a06035504031303727361301e170d3136303733303031323335395a170d3236303733303031323335395a
    300e310c300a0603550403130372736130819f300d06092a864886f70d010101050003818d0030818902818100
    b4bb498f8279303d980836399b36c6988c0c68de55e1bdb826d3901a2461eafd2de49a91d015abbc9a95137ace
    6c1af19eaa6af98c7ced43120998e187a80ee0ccb0524b1b018c3e0b63264d449a6d38e22a5fda430846748030
    530ef0461c8ca9d9efbfae8ea6d1d03e2bd193eff0ab9a8002c47428a6d35a8d88d79f7f1e3f0203010001a31a
    301830090603551d1304023000300b0603551d0f0404030205a0300d06092a864886f70d01010b050003818100
    85aad2a0e5b9276b908c65f73a7267170618a54c5f8a7b337d2df7a594365417f2eae8f8a58c8f8172f9319cf3
    6b7fd6c55b80f21a03015156726096fd335e5e67f2dbf102702e608ccae6bec1fc63a42a99be5c3eb7107c3c54
    e9b9eb2bd5203b1c3b84e0a8b2f759409ba3eac9d91d402dcc0cc8f8961229ac9187b42b4de10000""")
CERTIFICATE_VERIFY = h("""
    0f000084080400805a747c5d88fa9bd2e55ab085a61015b7211f824cd484145ab3ff52f1fda8477b0b7abc90db
    78e2d33a5c141a078653fa6bef780c5ea248eeaaa785c4f394cab6d30bbe8d4859ee511f602957b15411ac0276
    71459e46445c9ea58c181e818e95b8c3fb0bf3278409d3be152a3da5043e063dda65cdf5aea20d53dfacd42f74
    f3""")
SERVER_FINISHED = h("140000209b9b141d906337fbd2cbdce71df4deda4ab42c309572cb7fffee5454b78f0718")
CLIENT_FINISHED = h("14000020a8ec436d677634ae525ac1fcebe11a039ec17694fac6e98527b642f2edd5ce61")
TICKET = h("""
    040000c90000001efad6aac502000000b22c035d829359ee5ff7af4ec900000000262a6494dc486d2c8a34cb33
    fa90bf1b0070ad3c498883c9367c09a2be785abc55cd226097a3a982117283f82a03a143efd3ff5dd36d64e861
    be7fd61d2827db279cce145077d454a3664d4e6da4d29ee03725a6a4dafcd0fc67d2aea70529513e3da2677fa5
    906c5b3f7d8f92f228bda40dda721470f9fbf297b5aea617646fac5c03272e970727c621a79141ef5f7de6505e
    5bfbc388e93343694093934ae4d3570008002a000400000400""")
CLIENT_RECORDS = h("""
    170303003575ec4dc238cce60b298044a71e219c56cc77b0517fe9b93c7a4bfc44d87f38f80338ac98fc46deb3
    84bd1caeacab6867d726c40546
    1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20
    441e2b62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4
    1703030013c9872760655666b74d7ff1153efd6db6d0b0e3""")
"""The client's Finished, its application data and its close_notify."""
LETTERS = bytes(range(50))
FLIGHT = ENCRYPTED_EXTENSIONS + CERTIFICATE + CERTIFICATE_VERIFY


@pytest.fixture(scope="module")
def schedule() -> ks.Schedule:
    private = h("49af42ba7f7994852d713ef2784bcbcaa7911de26adc5642cb634540e7ea5005")
    share = Reader("key_share", server_hello(SERVER_HELLO[4:]).extensions[51][4:]).take(32)
    shared = X25519PrivateKey.from_private_bytes(private).exchange(
        X25519PublicKey.from_public_bytes(share)
    )
    s = ks.suite(0x1301)
    assert s is not None
    return ks.Schedule(s, shared=shared)


def test_the_secrets_are_those_of_rfc_8448(schedule: ks.Schedule) -> None:
    hellos = CLIENT_HELLO + SERVER_HELLO
    whole = hellos + FLIGHT + SERVER_FINISHED
    want = {
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET": (
            hellos,
            "b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21",
        ),
        "SERVER_HANDSHAKE_TRAFFIC_SECRET": (
            hellos,
            "b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38",
        ),
        "CLIENT_TRAFFIC_SECRET_0": (
            whole,
            "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5",
        ),
        "SERVER_TRAFFIC_SECRET_0": (
            whole,
            "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643",
        ),
        "EXPORTER_SECRET": (
            whole,
            "fe22f881176eda18eb8f44529e6792c50c9a3f89452f68d8ae311b4309d3cf50",
        ),
    }
    assert {n: schedule.secret(n, t).hex() for n, (t, _) in want.items()} == {
        n: secret for n, (_, secret) in want.items()
    }
    traffic = rec.Traffic(
        schedule.suite, schedule.secret("SERVER_HANDSHAKE_TRAFFIC_SECRET", hellos)
    )
    assert traffic.iv.hex() == "5d313eb2671276ee13000b30"


def test_finished_is_that_of_rfc_8448(schedule: ks.Schedule) -> None:
    hellos = CLIENT_HELLO + SERVER_HELLO
    server = schedule.secret("SERVER_HANDSHAKE_TRAFFIC_SECRET", hellos)
    client = schedule.secret("CLIENT_HANDSHAKE_TRAFFIC_SECRET", hellos)
    whole = hellos + FLIGHT
    assert ks.finished13(schedule.suite, server, whole) == SERVER_FINISHED[4:]
    assert ks.finished13(schedule.suite, client, whole + SERVER_FINISHED) == CLIENT_FINISHED[4:]


def test_the_pre_shared_key_of_a_ticket_is_that_of_rfc_8448(schedule: ks.Schedule) -> None:
    whole = CLIENT_HELLO + SERVER_HELLO + FLIGHT + SERVER_FINISHED + CLIENT_FINISHED
    secret = schedule.secret("RESUMPTION_SECRET", whole)
    psk = ks.ticket_psk(schedule.suite, secret, b"\0\0")
    assert psk.hex() == "4ecd0eb6ec3b4d87f5d6028f922ca4c5851a277fd41311c9e62d2c9492e1c4f3"


def test_the_client_records_of_rfc_8448_open_and_are_sealed_again(schedule: ks.Schedule) -> None:
    hellos = CLIENT_HELLO + SERVER_HELLO
    first = rec.Traffic(schedule.suite, schedule.secret("CLIENT_HANDSHAKE_TRAFFIC_SECRET", hellos))
    second = rec.Traffic(
        schedule.suite,
        schedule.secret("CLIENT_TRAFFIC_SECRET_0", hellos + FLIGHT + SERVER_FINISHED),
    )
    opened = rec.Epochs()
    opened.add(first)
    opened.add(second)
    found = [opened.open(r) for r in rec.Stream().feed(CLIENT_RECORDS)]
    assert found == [
        (rec.HANDSHAKE, CLIENT_FINISHED, 1),
        (rec.APPLICATION_DATA, LETTERS, 2),
        (rec.ALERT, b"\x01\x00", 2),
    ]
    again = rec.Traffic(first.suite, first.secret).seal(rec.HANDSHAKE, CLIENT_FINISHED)
    writer = rec.Traffic(second.suite, second.secret)
    again += writer.seal(rec.APPLICATION_DATA, LETTERS) + writer.seal(rec.ALERT, b"\x01\x00")
    assert again == CLIENT_RECORDS


# -- against ssl -----------------------------------------------------------------------------------
CASES = [
    ("TLS13", ""),
    *(("TLS12", c) for c in ("ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384")),
    *(("TLS12", c) for c in ("AES256-GCM-SHA384", "ECDHE-RSA-CHACHA20-POLY1305", "AES128-CCM8")),
    *(("TLS12", c) for c in ("AES256-CCM", "AES128-SHA", "ECDHE-RSA-AES256-SHA384", "NULL-SHA256")),
    *(("TLS12", c) for c in ("CAMELLIA128-SHA256", "CAMELLIA256-SHA")),
    *((v, c) for v in ("TLS10", "TLS11") for c in ("ECDHE-RSA-AES128-SHA", "AES256-SHA")),
]


@pytest.fixture(scope="module")
def identities() -> dict[str, bytes]:
    return make_identities()


def connection(
    version: str, ciphers: str, identities: dict[str, bytes], log: Path
) -> list[tuple[str, bytes]]:
    """The bytes of a connection with data each way, by sender, in order."""
    security = f"{ciphers}:@SECLEVEL=0" if ciphers else ""
    ends = contexts(Handshake(version, False, ciphers=security), identities, [])
    for context in ends:
        context.set_ciphers(security or "DEFAULT:@SECLEVEL=0")
        context._msg_callback = None  # type: ignore[attr-defined]
    ends[0].keylog_filename = str(log)
    boxes = {end: (ssl.MemoryBIO(), ssl.MemoryBIO()) for end in ("client", "server")}
    client = ends[0].wrap_bio(*boxes["client"], server_hostname="server")
    server = ends[1].wrap_bio(*boxes["server"], server_side=True)
    out: list[tuple[str, bytes]] = []

    def carry(end: str) -> None:
        data = boxes[end][1].read()
        other = "server" if end == "client" else "client"
        boxes[other][0].write(data)
        out.append((end, data))

    for _ in range(4):
        for end, peer in (("client", client), ("server", server)):
            with contextlib.suppress(ssl.SSLWantReadError):
                peer.do_handshake()
            carry(end)
    for _ in range(3):
        client.write(b"ping")
        carry("client")
        assert server.read(16) == b"ping"
        server.write(b"pong" * 3000)
        carry("server")
        assert len(client.read(16384)) == 12000
    return out


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
@pytest.mark.parametrize(("version", "ciphers"), CASES, ids=lambda c: c or "default")
def test_a_connection_of_ssl_opens_with_its_key_log(
    version: str, ciphers: str, identities: dict[str, bytes], tmp_path: Path
) -> None:
    log = tmp_path / "keys"
    sent = connection(version, ciphers, identities, log)
    streams = {end: rec.Stream() for end in ("client", "server")}
    split = {end: rec.Messages() for end in streams}
    epochs = {end: rec.Epochs() for end in streams}
    (random, secrets), *_ = rec.key_log(log.read_text().splitlines()).items()
    data = {"client": b"", "server": b""}
    transcript, proved = b"", []
    hello = None
    for end, part in sent:
        for record in streams[end].feed(part):
            kind, content, _ = epochs[end].open(record)
            if kind == rec.APPLICATION_DATA:
                data[end] += content
            if kind != rec.HANDSHAKE:
                continue
            for m in split[end].feed(content):
                if m[0] == 1:
                    assert client_hello(m[4:]).random == random
                if m[0] == 20:
                    s = ks.suite(hello.suite) if hello else None
                    assert s is not None
                    assert hello is not None
                    number = NUMBERS[hello.version]
                    if number == ks.TLS13:
                        label = f"{end.upper()}_HANDSHAKE_TRAFFIC_SECRET"
                        right = ks.finished13(s, secrets[label], transcript)
                    else:
                        right = ks.finished12(number, s, secrets[ks.MASTER], end, transcript)
                    assert m[4:] == right
                    proved.append(end)
                if m[0] != 4 or version != "TLS13":
                    transcript += m
                if m[0] == 2:
                    hello = server_hello(m[4:])
                    keys(hello, secrets, random, epochs)
    assert sorted(proved) == ["client", "server"]
    assert data == {"client": b"ping" * 3, "server": b"pong" * 9000}


NUMBERS = {name: number for number, name in VERSIONS.items()}


def keys(
    hello: ServerHello, secrets: dict[str, bytes], random: bytes, epochs: dict[str, rec.Epochs]
) -> None:
    """Add to both ends' epochs the keys that a key log has for a ServerHello."""
    s = ks.suite(hello.suite)
    assert s is not None
    number = NUMBERS[hello.version]
    if number == ks.TLS13:
        for end, opened in epochs.items():
            for label in ("HANDSHAKE_TRAFFIC_SECRET", "TRAFFIC_SECRET_0"):
                opened.add(rec.Traffic(s, secrets[f"{end.upper()}_{label}"]))
        return
    both = rec.legacy_protections(
        number, s, secrets[ks.MASTER], random, hello.random, etm=22 in hello.extensions
    )
    for end, protection in both.items():
        epochs[end].add(protection)


# -- each suite against itself ---------------------------------------------------------------------
SUITES = [n for n in SUITES if ks.suite(n) is not None]


def _bent(body: bytes) -> bytes:
    return body[:-1] + bytes([body[-1] ^ 1])


@pytest.mark.parametrize("version", [ks.TLS10, ks.TLS12])
def test_each_suite_opens_what_it_seals_and_nothing_else(version: int) -> None:
    assert len(SUITES) > 60
    for number in SUITES:
        s = ks.suite(number)
        assert s is not None
        if s.exchange == "" or (not s.mac and version == ks.TLS10):
            continue
        for etm in (False, True):
            writer, reader, other = (
                rec.legacy_protections(version, s, m, b"c" * 32, b"s" * 32, etm=etm)["client"]
                for m in (b"m", b"m", b"n")
            )
            for content in (b"", b"x", b"y" * 100):
                (record,) = rec.Stream().feed(writer.seal(rec.HANDSHAKE, content, version))
                bent = rec.Record(record.kind, version, _bent(record.body))
                for bad, key in ((record, other), (bent, reader)):
                    with pytest.raises(rec.ProtectionError):
                        key.open(bad)
                assert reader.open(record) == (rec.HANDSHAKE, content), s.name


def test_a_sender_that_updates_its_keys_is_followed() -> None:
    s = ks.suite(0x1303)
    assert s is not None
    writer, opened = rec.Traffic(s, b"w" * 32), rec.Epochs()
    opened.add(rec.Traffic(s, b"w" * 32))
    for n in (1, 2, 3):
        (record,) = rec.Stream().feed(writer.seal(rec.APPLICATION_DATA, b"data"))
        assert opened.open(record) == (rec.APPLICATION_DATA, b"data", n)
        writer = writer.updated()


# -- broken bytes ----------------------------------------------------------------------------------
@given(st.binary(max_size=200), st.lists(st.integers(0, 60), max_size=8))
def test_any_bytes_are_records_or_a_record_error(data: bytes, cuts: list[int]) -> None:
    stream, found, at = rec.Stream(), [], 0
    try:
        for size in [*cuts, len(data)]:
            found += stream.feed(data[at : at + size])
            at = min(len(data), at + size)
    except rec.RecordError:
        return
    assert b"".join(r.raw for r in found) == data[: len(data) - stream.pending]


@given(st.binary(max_size=120), st.sampled_from(SUITES), st.sampled_from([ks.TLS10, ks.TLS12]))
def test_no_bytes_open_without_the_keys(body: bytes, number: int, version: int) -> None:
    s = ks.suite(number)
    assert s is not None
    opened = rec.Epochs()
    if s.exchange == "":
        opened.add(rec.Traffic(s, os.urandom(32)))
    else:
        opened.add(rec.legacy_protections(version, s, os.urandom(48), b"", b"")["server"])
    with pytest.raises(rec.ProtectionError):
        opened.open(rec.Record(rec.APPLICATION_DATA, version, body))


def test_a_record_or_message_longer_than_tls_allows_is_refused() -> None:
    with pytest.raises(rec.RecordError, match="at most 18432 bytes"):
        list(rec.Stream().feed(b"\x17\x03\x03\xff\xff"))
    with pytest.raises(rec.RecordError, match="at most 262144"):
        list(rec.Messages().feed(b"\x0b\xff\xff\xff"))


@pytest.mark.parametrize("line", ["CLIENT_RANDOM aa", "CLIENT_RANDOM zz 00", "CLIENT_RANDOM a b c"])
def test_a_bad_line_of_a_key_log_is_named(line: str) -> None:
    with pytest.raises(rec.RecordError, match=r"line 2: expected a label.*got 'CLIENT_RANDOM"):
        rec.key_log(["# comment", line])


def test_a_key_log_is_read_as_it_is_written() -> None:
    line = rec.key_log_line(ks.MASTER, b"r" * 32, b"m" * 48)
    log = rec.key_log([line, "ECH_SECRET 00 11", ""])
    assert log == {b"r" * 32: {ks.MASTER: b"m" * 48}}

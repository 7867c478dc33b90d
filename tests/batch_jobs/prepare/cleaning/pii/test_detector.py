"""What counts as personal data or a secret, and what only looks like it."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_jobs.prepare.batches import Texts
from batch_jobs.prepare.cleaning.pii import checking, national
from batch_jobs.prepare.cleaning.pii.detector import Detector
from batch_jobs.prepare.cleaning.pii.kinds import kinds
from tunesmith.contracts.preparation import STRUCTURED_PII, PiiType

CASES = Path("../shared/data/pii/presidio_recognizer_cases.sample.jsonl")
DETECTOR = Detector(STRUCTURED_PII)


def found(text: str) -> list[tuple[str, str]]:
    texts = Texts.of([text])
    return [(kind.value, texts.buffer[start:end].tobytes().decode()) for start, end, kind in DETECTOR.find(texts)]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("email", "zoë.o'brien+x@müller-post.example.de"),
        ("phone", "+49 30 901820"),
        ("phone", "(415) 555-0132 ext. 12"),
        ("credit_card", "4111 1111 1111 1111"),
        ("iban", "DE89 3704 0044 0532 0130 00"),
        ("us_ssn", "536-22-8726"),
        ("national_id", "AB 12 34 56 C"),
        ("national_id", "12345678Z"),
        ("national_id", "529.982.247-25"),
        ("ip_address", "192.168.17.4"),
        ("ip_address", "2001:db8::8a2e:370:7334"),
        ("mac_address", "00:1B:44:11:3A:B7"),
        ("crypto_address", "0x52908400098527886E0F7030069857D2E4169EE7"),
        ("crypto_address", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"),
        ("secret", "AKIA" + "IOSFODNN7EXAMPLE"),
        ("secret", "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"),
        ("url_credentials", "postgres://admin:hunter2@db.example.com/main"),
        ("phone", "+(370) 48145421"),
        ("credit_card", "3782 822463 10005"),
        ("credit_card", "8171 9999 2766 0000"),
        ("iban", "MA64011519000001205000534921"),
        ("ip_address", "fe80::1ff:fe23:4567:890a%eth2.7"),
        ("mac_address", "00-1B-44-FF-FE-11-3A-B7"),
        ("mac_address", "001b.44ff.fe11"),
        ("crypto_address", "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn"),
        ("crypto_address", "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4"),
        ("national_id", "756.9217.0769.85"),
        ("national_id", "131052-308T"),
        ("national_id", "880320-0016"),
        ("national_id", "S2740116C"),
        ("national_id", "15070649C103"),
        ("national_id", "112-233-445 95"),
        ("national_id", "360426199101010071"),
        ("national_id", "85.07.30-033.28"),
        ("secret", "glpat-" + "aBcDeFgHiJkLmNoPqRsT"),
        ("secret", "sk-ant-api03-" + "Dtjm9IZ_rYhSihHLZmPXhjJ6PN8UPp7vNO7qO3735RRDpf8xAA"),
        ("secret", "shpat_" + "a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6"),
        ("secret", "hvs." + "CAESIP2jTxc9S3K7Z6CtcFWQv7044mOsSx"),
        ("secret", "1234567890:AA" + "h3YLlUHP8STgTic38bCZXDJ6s05ERgsaMx"),
        (
            "secret",
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,9F\n\nMIIEow=="
            "\n-----END RSA PRIVATE KEY-----",
        ),
    ],
)
@pytest.mark.parametrize("around", ["{}", "Write to {}.", "«{}», bitte", "日本 {} 語"])
def test_each_form_is_found_as_a_whole(kind: str, value: str, around: str) -> None:
    assert found(around.format(value)) == [(kind, value)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Version 1.2.3.4 came after v.1.2.3.4",
        "4111 1111 1111 1112 fails Luhn's check",
        "DE89 3704 0044 0532 0130 01 has a wrong remainder",
        "pi is 3.14159265358979, about 22/7",
        "on 2024-03-15 at 14:30:00 and 15.03.2024",
        "x[::2] and y[1::2], std::vector<int>::iterator",
        "the password: it must be changed",
        "token = os.environ['TOKEN_NAME_OF_42']",
        "@dataclass and @ 9 and user@ and @host.com",
        "order 20240315001 shipped 1,000,000 units",
        "commit da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx is yours, or sk-your-key-goes-here-please",
        "postgres://user:${PASSWORD}@db.example.com, https://{{user}}:{{pass}}@example.com, amqp://u:*****@example.com",
        "password = settings.DATABASE_PASSWORD, secret: $MY_SECRET_2, pwd=/etc/secrets/pwd1",
        "Call me on 2014-10-28, in 1999-2000 or (2000) 348 times",
        "my tax id 911-89-1234 is none, and SSN 078-05-1120 is everybody's",
        "I'll meet you at 62573 103 Cassidy Street",
        "class: col-12 btn, the password: must be 8 characters",
        "12 34 5 6 7 8 9 0 1 2 312 34 5 6 7 8 9 0 1 2 3 10237",
        "access-control_list_of_the_account and key-management-service-of-2024",
    ],
)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert found(text) == []


def test_a_national_number_of_bare_digits_needs_words_that_announce_it() -> None:
    assert found("BSN: 111222333") == [("national_id", "111222333")]
    assert found("we counted 111222333 atoms") == []


def test_telephones_without_any_words_may_stand_on_lines_but_not_among_numbers() -> None:
    assert found("612 34 56 78\n612 34 56 79") == [("phone", "612 34 56 78"), ("phone", "612 34 56 79")]
    assert found("612 34 56 78  698 76 54 32") == [("phone", "612 34 56 78"), ("phone", "698 76 54 32")]
    assert found("10 20 612 34 56 78 90 12 20 30 40 50 60") == []


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("National ID number: 36202165870", "national_id", "36202165870"),
        ("Her personal identity code is 5807-3021573-6.", "national_id", "5807-3021573-6"),
        ("Turkish ID 10000000146", "national_id", "10000000146"),
        ("SSN of 11 digits: 02183756944", "national_id", "02183756944"),
        ("You can call 33 93 31", "phone", "33 93 31"),
        ("Telepono: 09171234567", "phone", "09171234567"),
        ("Authorization: Bearer 3f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c", "secret", "3f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c"),
        ('{\\"db_password\\": \\"hunter22!\\"}', "secret", "hunter22!"),
        ("client_secret := 'Zk3vQ9xW2mPl8RtY5nBc'", "secret", "Zk3vQ9xW2mPl8RtY5nBc"),
        ("Passwort: geheim123!", "secret", "geheim123!"),
        ("contraseña: Secreto123!", "secret", "Secreto123!"),
        ("password: hunter2", "secret", "hunter2"),
        ("llámame al 612 34 56 78", "phone", "612 34 56 78"),
        ("see https://lists.example.org/2024/ann@x.example", "email", "ann@x.example"),
        ("backup/AKIAZQ3DRSTUVWXYABCD", "secret", "AKIAZQ3DRSTUVWXYABCD"),
        ("-ghp_" + "wWPw5k4aXcaT4fNP0UcnZwJUVFk6LO0pINUx", "secret", "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"),
        ("password: hunter2-AKIAZQXDRSTUVWXYABCD", "secret", "hunter2-AKIAZQXDRSTUVWXYABCD"),
        ("Authorization: Bearer idGu2RnsqPxQwertz", "secret", "idGu2RnsqPxQwertz"),
        (
            "n-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----",
            "secret",
            "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----",
        ),
        ("**ann@x.example** and _bob_", "email", "ann@x.example"),
        ("GET /?email=ann@x.example&n=1", "email", "ann@x.example"),
    ],
)
def test_what_stands_around_tells_what_it_is(text: str, kind: str, value: str) -> None:
    assert found(text) == [(kind, value)]


@settings(max_examples=300, deadline=None)
@given(st.text("0123456789ABCDKXYZabcxyz -+./", max_size=24))
def test_no_check_ever_raises(value: str) -> None:
    for check in (national.is_grouped, national.is_coded, national.is_known, checking.is_card, checking.is_iban):
        assert check(value) in (True, False)
    for kind in kinds():
        if kind.check and kind.pattern.fullmatch(value.encode()):
            assert kind.check(value) in (True, False)


def test_only_the_types_that_are_asked_for_are_found() -> None:
    texts = Texts.of(["a@b.example and 192.168.17.4"])
    assert [kind for _, _, kind in Detector([PiiType.IP_ADDRESS]).find(texts)] == [PiiType.IP_ADDRESS]


def test_an_extension_makes_a_telephone_of_what_would_be_an_address() -> None:
    texts = Texts.of(["call 20.20.30.40 x12 or 20.20.30.40"])
    spans = list(Detector([PiiType.PHONE]).find(texts))
    assert [texts.buffer[start:end].tobytes() for start, end, _ in spans] == [b"20.20.30.40 x12"]


def test_a_value_never_runs_from_one_text_into_the_next() -> None:
    assert len(DETECTOR.find(Texts.of(["ann@", "b.example.com", "paid 4111 1111 ", "1111 1111 paid"]))) == 0


PIECES = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["@", "a@b.de", "4111111111111111", " ", "::", "+49 30 ", "é", "key=", "eyJ", "-", "\U0001f600"]),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(PIECES, max_size=8).map("".join), max_size=4))
def test_spans_are_sorted_apart_and_on_whole_characters(texts: list[str]) -> None:
    together = Texts.of(texts)
    spans = DETECTOR.find(together)
    before = 0
    for index, (start, end, _) in zip(spans.text.tolist(), spans, strict=True):
        assert before <= start < end
        assert together.offsets[index] <= start and end <= together.offsets[index + 1]
        together.buffer[start:end].tobytes().decode()
        before = end


@pytest.mark.parametrize(
    "unit", ["1", "@", "a:", "a", "a@a.", "password=", "eyJ", "1:", "-", "-----BEGIN PRIVATE KEY-----"]
)
def test_time_grows_with_the_text_and_not_faster(unit: str) -> None:
    """Twenty times quadratic would be 400 times; the limits allow for a busy machine."""
    import time

    def seconds(size: int) -> float:
        started = time.process_time()
        found(unit * (size // len(unit)))
        return time.process_time() - started

    seconds(5_000)
    assert seconds(200_000) < max(2.0, 100 * seconds(10_000))


@pytest.mark.skipif(not CASES.exists(), reason="the labelled cases of ../shared/data are not here")
def test_cases_that_others_labelled() -> None:
    """Presidio's own test cases of the forms that we look for: each span must be covered."""
    ours = (
        "IBAN_CODE IP_ADDRESS PHONE_NUMBER MAC_ADDRESS CREDIT_CARD US_SSN CRYPTO EMAIL_ADDRESS UK_NINO UK_NHS US_ITIN"
    )
    expected = covered = false = 0
    for line in CASES.read_text().splitlines():
        case = json.loads(line)
        if case["kind"] != "spans" or case["entities"][0] not in ours.split():
            continue
        texts = Texts.of([case["text"]])
        spans = list(DETECTOR.find(texts))
        bounds = [
            tuple(len(case["text"][: span[side]].encode()) for side in ("start", "end")) for span in case["spans"]
        ]
        expected += len(bounds)
        covered += sum(any(s < end and start < e for s, e, _ in spans) for start, end in bounds)
        asked = case["entities"][0].removesuffix("_CODE").removesuffix("_NUMBER").removesuffix("_ADDRESS").lower()
        false += sum(
            kind.value.startswith(asked) and not any(s < end and start < e for start, end in bounds)
            for s, e, kind in spans
        )
    assert expected > 50
    assert covered / expected >= 0.995
    assert covered / (covered + false) >= 0.98, "spans of the type in question that nobody labelled"

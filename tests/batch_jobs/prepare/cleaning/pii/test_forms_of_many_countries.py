"""Values that Faker makes for many countries, in sentences; texts that hold none; texts made to be slow."""

import random
import time
from collections import Counter

import pytest
from faker import Faker

from batch_jobs.prepare.batches import Texts
from batch_jobs.prepare.cleaning.pii.anchors import find_anchors
from batch_jobs.prepare.cleaning.pii.detector import Detector
from batch_jobs.prepare.cleaning.pii.kinds import announcing
from tunesmith.contracts.preparation import STRUCTURED_PII, PiiType

DETECTOR = Detector(STRUCTURED_PII)
LOCALES = [
    "en_US",
    "en_GB",
    "de_DE",
    "fr_FR",
    "es_ES",
    "it_IT",
    "nl_NL",
    "pt_BR",
    "pl_PL",
    "sv_SE",
    "ja_JP",
    "en_IN",
    "fr_CH",
    "en_AU",
    "es_MX",
    "fi_FI",
    "tr_TR",
    "cs_CZ",
    "el_GR",
]
MALFORMED_IBANS = ("en_IN", "es_MX")
"""For these Faker writes British IBANs of 21 characters; the register says 22."""
SENTENCES = (
    "Hello, {} is what they gave us.",
    "Please note {}, thank you.",
    "Danke, {} passt so",
    "voici : {} (merci)",
    "日本語 {} です",
    "«{}» y nada más",
    "{}",
)


def test_values_of_many_countries_in_sentences() -> None:
    """12,000 and more values: recall 0.995 and precision 0.98 of each type, 0.5 % of its characters left at most."""
    texts, labels = [], []
    for locale in LOCALES:
        faker, draw = Faker(locale), random.Random(locale)
        faker.seed_instance(2026)
        makers = {
            PiiType.EMAIL: faker.ascii_email,
            PiiType.CREDIT_CARD: lambda faker=faker: faker.credit_card_number("visa16"),
            PiiType.IBAN: faker.iban,
            PiiType.MAC_ADDRESS: faker.mac_address,
            PiiType.IP_ADDRESS: lambda faker=faker, draw=draw: draw.choice((faker.ipv4, faker.ipv6))(),
        }
        if locale == "en_US":
            makers[PiiType.US_SSN] = faker.ssn
        if locale in MALFORMED_IBANS:
            del makers[PiiType.IBAN]
        for kind, make in makers.items():
            for _ in range(130):
                value, sentence = make(), draw.choice(SENTENCES)
                start = len(sentence.partition("{}")[0].encode())
                texts.append(sentence.format(value))
                labels.append((kind, start, start + len(value)))
    assert len(texts) >= 12_000
    together = Texts.of(texts)
    found: list[list[tuple[int, int, PiiType]]] = [[] for _ in texts]
    spans = DETECTOR.find(together)
    for index, (start, end, kind) in zip(spans.text.tolist(), spans, strict=True):
        low = int(together.offsets[index])
        found[index].append((start - low, end - low, kind))
    values, told, right, size, left = (Counter[PiiType]() for _ in range(5))
    for (kind, start, end), here in zip(labels, found, strict=True):
        values[kind] += 1
        size[kind] += end - start
        left[kind] += end - start - sum(max(0, min(e, end) - max(s, start)) for s, e, _ in here)
        right[kind] += (start, end, kind) in here
        told.update(k for _, _, k in here)
    for kind in values:
        assert right[kind] / values[kind] >= 0.995, (kind, right[kind], values[kind])
        assert right[kind] / told[kind] >= 0.98, (kind, right[kind], told[kind])
        assert left[kind] / size[kind] <= 0.005, kind


def test_an_iban_with_a_wrong_remainder_is_no_telephone() -> None:
    faker = Faker("de_DE")
    faker.seed_instance(5)
    texts = []
    for _ in range(500):
        iban = faker.iban()
        broken = f"{iban[:2]}{(int(iban[2:4]) + 1) % 100:02d}{iban[4:]}"
        texts += [f"to {broken} please", " ".join(broken[i : i + 4] for i in range(0, len(broken), 4))]
    spans = DETECTOR.find(Texts.of(texts))
    assert [kind for _, _, kind in spans if kind in (PiiType.PHONE, PiiType.IBAN)] == []


@pytest.mark.parametrize(
    "unit", ["1 ", "12 34 ", "@", "a:a:", "1", "ff", "4 ", "00 1 ", "aaaa.bbbb.", "1.", "1-", "(1)"]
)
def test_a_megabyte_of_one_unit_takes_linear_time(unit: str) -> None:
    def searched(size: int) -> tuple[float, int]:
        texts = Texts.of([unit * (size // len(unit))])
        started = time.process_time()
        DETECTOR.find(texts)
        return time.process_time() - started, len(find_anchors(texts, announcing(), -1)[0])

    searched(1_000)
    quarter, windows = searched(250_000)
    whole, more = searched(1_000_000)
    assert whole < 6 * max(quarter, 0.05)
    assert more <= 4 * windows + 4


@pytest.mark.parametrize("value", ["aabb.ccdd.eeff", "AA-BB-CC-DD-EE-FF", "aa:bb:cc:dd:ee:ff"])
def test_hardware_addresses_without_digits(value: str) -> None:
    assert [kind for _, _, kind in DETECTOR.find(Texts.of([f"at {value}, up"]))] == [PiiType.MAC_ADDRESS]


def test_what_hostile_letters_of_bitcoin_do() -> None:
    assert len(DETECTOR.find(Texts.of(["bc1" + "q" * 24 + "1 and bc1" + "1" * 30]))) == 0


def test_texts_without_values_hold_none() -> None:
    draw = random.Random(11)
    number = draw.randint
    makers = (
        lambda: f"v{number(0, 20)}.{number(0, 99)}.{number(0, 99)}",
        lambda: (
            f"{number(1990, 2030)}-{number(1, 12):02d}-{number(1, 28):02d}T{number(0, 23):02d}:{number(0, 59):02d}:07Z"
        ),
        lambda: f"{draw.getrandbits(32):08x}-{draw.getrandbits(16):04x}-4abc-8def-{draw.getrandbits(48):012x}",
        lambda: f"order {number(10**6, 10**7)}",
        lambda: f"{number(1, 999)}.{number(0, 10**9)} * {number(1, 99)} = x[{number(0, 9)}::{number(1, 9)}]",
        lambda: f"{number(1, 99)},{number(100, 999)},{number(100, 999)} bytes",
    )
    texts = [" and ".join(make() for make in draw.sample(makers, 3)) + ", as was said before" for _ in range(5_000)]
    spans = DETECTOR.find(together := Texts.of(texts))
    assert len(spans) / (len(together.buffer) / 1e6) <= 5, "false spans in a megabyte"

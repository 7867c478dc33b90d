"""What is planted in the corpus: personal data of six types, look-alikes that must stay, edits of near duplicates."""

import random
import string
import unicodedata
from collections.abc import Callable

RATES = (0.005, 0.01, 0.02, 0.04, 0.08)
"""Share of words that an edit touches."""
FIRST = ["james", "maria", "wei", "fatima", "olga", "pedro", "anna", "kofi", "lena", "raj", "yuki", "sven"]
LAST = ["smith", "garcia", "chen", "khan", "ivanova", "silva", "nowak", "mensah", "berg", "patel", "tanaka", "olsen"]
SENTENCES = {
    "email": "Please write to {} for details.",
    "phone": "My number is {} if you need it.",
    "card": "I paid with card {} yesterday.",
    "ssn": "The SSN on file is {}.",
    "ip": "The host at {} refused the connection.",
    "key": "export AWS_ACCESS_KEY_ID={}",
    "decoy": "The reference is {} as before.",
}


def personal(draw: random.Random) -> tuple[str, str]:
    """(type, value) of one of six."""
    kind = draw.choice(("email", "phone", "card", "ssn", "ip", "key"))
    return kind, MAKERS[kind](draw)


def decoy(draw: random.Random) -> str:
    """What looks like personal data and is none."""
    return draw.choice(
        (
            lambda: "".join(str(digit) for digit in _failing_luhn(draw)),
            lambda: f"v{draw.randint(1, 9)}.{draw.randint(0, 30)}.{draw.randint(0, 30)}",
            lambda: f"2026-{draw.randint(1, 12):02d}-{draw.randint(1, 28):02d}",
            lambda: f"ticket {draw.randint(10**6, 10**7 - 1)}",
            lambda: f"{draw.randint(1, 99)}.{draw.randint(10, 99)} %",
        )
    )()


def edited(text: str, rate: float, draw: random.Random, word: Callable[[], str]) -> str:
    """So many of its words, one at least, substituted (60 %), inserted (20 %) or deleted (20 %)."""
    words = text.split(" ")
    for _ in range(max(1, round(len(words) * rate))):
        place, way = draw.randrange(len(words)), draw.random()
        if way < 0.6:
            words[place] = word()
        elif way < 0.8 or len(words) < 5:
            words.insert(place, word())
        else:
            del words[place]
    return " ".join(words)


def disguised(text: str) -> str:
    """The same text for whoever normalises: decomposed, with Windows' line breaks and spaces around."""
    return " " + unicodedata.normalize("NFD", text).replace("\n", "\r\n") + "  \n"


def luhn_sum(digits: list[int]) -> int:
    doubled = [digit if place % 2 == 0 else digit * 2 - 9 * (digit > 4) for place, digit in enumerate(digits[::-1])]
    return sum(doubled) % 10


def _email(draw: random.Random) -> str:
    host, top = draw.choice(("corp-mail", "inbox9", "acme-widgets")), draw.choice(("com", "org", "io", "co.uk"))
    return f"{draw.choice(FIRST)}.{draw.choice(LAST)}{draw.randint(1, 999)}@{host}.{top}"


def _phone(draw: random.Random) -> str:
    area, office, line = draw.randint(201, 989), draw.randint(200, 999), draw.randint(1000, 9999)
    form = draw.choice(("+1-{}-{}-{}", "({}) {}-{}", "{}-{}-{}", "+1 {} {} {}"))
    return form.format(area, office, line)


def _card(draw: random.Random) -> str:
    digits = [int(digit) for digit in draw.choice(("4", "51", "55"))]
    digits += [draw.randint(0, 9) for _ in range(15 - len(digits))]
    number = "".join(map(str, [*digits, -luhn_sum([*digits, 0]) % 10]))
    separator = draw.choice(("", " ", "-"))
    return separator.join(number[place : place + 4] for place in (0, 4, 8, 12))


def _failing_luhn(draw: random.Random) -> list[int]:
    digits = [4, *(draw.randint(0, 9) for _ in range(14))]
    return [*digits, (-luhn_sum([*digits, 0]) + draw.randint(1, 9)) % 10]


def _key(draw: random.Random) -> str:
    return "AKIA" + "".join(draw.choice(string.ascii_uppercase + "234567") for _ in range(16))


MAKERS: dict[str, Callable[[random.Random], str]] = {
    "email": _email,
    "phone": _phone,
    "card": _card,
    "ssn": lambda draw: f"{draw.randint(101, 665):03d}-{draw.randint(10, 99)}-{draw.randint(1000, 9999)}",
    "ip": lambda draw: ".".join(str(draw.randint(1, 254)) for _ in range(4)),
    "key": _key,
}

"""Texts with names and addresses that are nobody's: the frames of `frames.txt` filled from Faker (MIT) and from the
places that phonenumbers (Apache 2.0) knows.

A frame is a line; `# ` begins a register; `{slot}` is filled, `[a|b]` is one of these, `\\n` a line's end.
"""

import importlib
import pkgutil
import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

import faker.providers.address
import faker.providers.person
from faker import Faker
from phonenumbers.geodata import GEOCODE_DATA

from batch_jobs.prepare.cleaning.pii.tagger import ADDRESS, NAME, ORGANISATION, OUT, PLACE, TITLE

ENGLISH = ["en_US", "en_GB", "en_AU", "en_CA", "en_IN", "en_IE", "en_NZ"]
VOCABULARY = {
    line.split(": ", 1)[0]: line.split(": ", 1)[1].split("|")
    for line in Path(__file__).with_name("vocabulary.txt").read_text().splitlines()
}
OTHERS = VOCABULARY["locales"]
ALPHABETS = re.compile(r"[A-Za-zÀ-ɏͰ-ӿḀ-ỿ][A-Za-zÀ-ɏͰ-ӿḀ-ỿ'’ -]*")
"""Latin, Greek, Cyrillic: scripts that put spaces between words."""
MONTHS = VOCABULARY["months"]
DAYS = VOCABULARY["days"]
TITLES = VOCABULARY["titles"]
PREFIXES = VOCABULARY["prefixes"]
LANGUAGES = VOCABULARY["languages"]
NOUNS = VOCABULARY["nouns"]
MAKES = VOCABULARY["makes"]
KINDS_OF_COMPANY = VOCABULARY["companies"]
WORKS = VOCABULARY["works"]
PRODUCTS = VOCABULARY["products"]
ROADS = VOCABULARY["roads"]
FOREIGN_ROADS = VOCABULARY["foreign_roads"]

UNITS = VOCABULARY["units"]
PHONES = VOCABULARY["phones"]
LATEST = datetime(2026, 1, 1)
"""Dates are before it, rather than before now, so that two trainings have the same."""

Piece = tuple[str, int]
"""Text, and which of the tagger's tags its first word gets."""


@dataclass(frozen=True, slots=True)
class Invented:
    """A text and what stands in it: (first byte, byte after the last, tag)."""

    text: str
    spans: list[tuple[int, int, int]]


def frames() -> list[str]:
    lines = Path(__file__).with_name("frames.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("# ")]


def split(lines: Sequence[str]) -> tuple[list[str], list[str]]:
    """What is learnt, and every fifth frame, which is held out."""
    return [f for at, f in enumerate(lines) if at % 5 != 2], [f for at, f in enumerate(lines) if at % 5 == 2]


def invent(lines: Sequence[str], count: int, seed: int, strange: float = 0) -> list[Invented]:
    """So many texts of one to three of these frames, this share of whose own words is replaced by any everyday word."""
    writer = Writer(seed, strange)
    return [writer.write(lines) for _ in range(count)]


@cache
def everyday() -> list[str]:
    """English words of daily life."""
    return Path(__file__).with_name("everyday.txt").read_text().split()


@cache
def places() -> list[str]:
    """Names of places that a telephone number's first digits tell, without their region."""
    found = {re.split(r"[,/(]| - ", known["en"])[0].strip() for known in GEOCODE_DATA.values() if "en" in known}
    return sorted(place for place in found if place and ALPHABETS.fullmatch(place))


@cache
def names(part: str) -> list[str]:
    """All first names or last names of all of Faker's locales, in alphabetical order."""
    found: set[str] = set()
    for module in pkgutil.iter_modules(faker.providers.person.__path__):
        provider = importlib.import_module(f"faker.providers.person.{module.name}").Provider
        for field in dir(provider):
            value = getattr(provider, field)
            if part in field and isinstance(value, tuple | list | dict | set):
                found.update(name for name in value if isinstance(name, str))
    return sorted(name for name in found if len(name) > 1 and ALPHABETS.fullmatch(name))


@cache
def cities() -> list[str]:
    """Cities of Faker's locales, beside places()."""
    found: set[str] = set()
    for module in pkgutil.iter_modules(faker.providers.address.__path__):
        provider = importlib.import_module(f"faker.providers.address.{module.name}").Provider
        for field in ("cities", "city_names", "countries", "states", "provinces", "cities_with_province"):
            found.update(name for name in getattr(provider, field, ()) if isinstance(name, str))
    return sorted(name for name in found if len(name) > 2 and ALPHABETS.fullmatch(name))


@cache
def latin_names(part: str) -> list[str]:
    return [name for name in names(part) if max(name) < "\u0250"]


class Writer:
    """Fills frames. Everything it draws comes from the seed."""

    def __init__(self, seed: int, strange: float = 0) -> None:
        self._strange = strange
        self._chance = random.Random(seed)
        self._fakers = {locale: Faker(locale) for locale in [*ENGLISH, *OTHERS]}
        for place, faker_ in enumerate(self._fakers.values()):
            faker_.seed_instance(seed + place)
        self._en = self._fakers["en_US"]
        self._faker = self._en
        self._simple: dict[str, Callable[[], str]] = {
            "month": lambda: self._of(MONTHS[:12]),
            "day": lambda: self._of(DAYS[:7]),
            "lang": lambda: self._of(LANGUAGES),
            "noun": self._noun,
            "word": lambda: self._en.word(),
            "job": self._job,
            "make": lambda: self._of(MAKES),
            "year": lambda: str(self._chance.randint(1850, 2035)),
            "n": lambda: str(self._chance.randint(1, self._of((9, 99, 999, 9999)))),
            "date": self._date,
            "time": lambda: self._of(
                (self._en.time(end_datetime=LATEST)[:5], f"{self._chance.randint(1, 12)} [a.m.|pm|o'clock]")
            ),
            "money": lambda: self._of(("$", "€", "£", "USD ")) + f"{self._chance.randint(1, 9999):,}",
            "email": lambda: self._en.email(),
            "phone": self._phone,
            "card": self._card,
            "iban": self._iban,
            "ssn": lambda: self._en.ssn(),
            "ip": lambda: self._en.ipv4_public(),
            "url": lambda: self._en.uri(),
            "id": lambda: self._en.bothify(self._of(("??-####", "#######", "??#####", "INV-####"))).upper(),
        }

    def write(self, lines: Sequence[str]) -> Invented:
        pieces: list[Piece] = []
        for place in range(self._of((1, 1, 1, 2, 2, 3))):
            english = self._chance.random() < 0.5
            self._faker = self._fakers[self._of(ENGLISH if english else OTHERS)]
            ended = bool(pieces) and pieces[-1][0][-1:] in (".", "!", "?")
            joint = self._of((" ", " ", "\n", "\n\n") if ended else ("\n", "\n\n")) if place else ""
            pieces += [(joint, OUT), *self._frame(self._of(lines))]
        text, spans = "", []
        small, large = self._chance.random() < 0.08, self._chance.random() < 0.03
        for part, tag in pieces:
            part = part.lower() if small else part.upper() if large else part
            start = len(text.encode())
            text += part
            if tag:
                spans.append((start, len(text.encode()), tag))
        return Invented(text, spans)

    def _of(self, values):  # type: ignore[no-untyped-def]
        return values[int(self._chance.random() * len(values))]

    def _frame(self, frame: str) -> list[Piece]:
        frame = re.sub(r"\[([^][]*\|[^][]*)\]", lambda m: self._of(m[1].split("|")), frame.replace("\\n", "\n"))
        pieces: list[Piece] = []
        if self._strange:
            frame = re.sub(r"(?<![\w{<])[a-z]{3,}(?![\w}(])", self._perhaps_strange, frame)
        for part in re.split(r"(\{\w+\})", frame):
            pieces += self._slot(part[1:-1]) if re.fullmatch(r"\{\w+\}", part) else [(part, OUT)]
        return pieces

    def _perhaps_strange(self, word: re.Match[str]) -> str:
        return self._of(everyday()) if self._chance.random() < self._strange else word[0]

    def _slot(self, slot: str) -> list[Piece]:
        if slot in self._simple:
            return [(self._flat(self._simple[slot]()), OUT)]
        match slot:
            case "name" | "lname" | "first" | "last":
                return [(self._styled(getattr(self, f"_{slot}")()), NAME)]
            case "title":
                return [(self._of(TITLES[:10] if self._chance.random() < 0.7 else TITLES), TITLE)]
            case "company":
                return [(self._company(), ORGANISATION)]
            case "eponym":
                return [(self._last(), ORGANISATION)]
            case "product" | "work":
                return [(self._flat(self._of(PRODUCTS if slot == "product" else WORKS)), ORGANISATION)]
            case "city":
                return [(self._city(), PLACE)]
            case "country":
                return [(self._en.country(), PLACE)]
            case "state":
                return [(self._of((self._en.state(), self._en.state_abbr())), PLACE)]
            case "street":
                return [(self._street(), ADDRESS)]
            case "unit":
                return [(self._unit(), ADDRESS)]
            case "zip":
                return [(self._zip(), ADDRESS)]
            case "addr":
                return self._address((", ", ", ", " "))
            case "block":
                return self._address(("\n",))
        raise ValueError(f"frames.txt: no slot is called {slot!r}")

    def _flat(self, frame: str) -> str:
        return "".join(text for text, _ in self._frame(frame))

    def _address(self, joints: Sequence[str]) -> list[Piece]:
        joint = self._of(joints)
        pieces: list[Piece] = [(self._street(), ADDRESS), (joint, OUT)]
        if self._chance.random() < 0.3:
            pieces += [(self._unit(), ADDRESS), (joint, OUT)]
        city, code = (self._city(), PLACE), (self._zip(), ADDRESS)
        pieces += (
            [code, (" ", OUT), city] if self._chance.random() < 0.4 else [city, (self._of((" ", ", ")), OUT), code]
        )
        if self._chance.random() < 0.3:
            pieces += [(joint, OUT), (self._en.country(), PLACE)]
        return pieces

    def _first(self) -> str:
        pick = self._chance.random()
        if pick < 0.55:
            return self._plain(self._faker.first_name(), "first_name")
        return self._of(latin_names("first_name")) if pick < 0.85 else self._spliced("first_name")

    def _last(self) -> str:
        pick = self._chance.random()
        last = self._plain(self._faker.last_name(), "last_name") if pick < 0.5 else self._of(latin_names("last_name"))
        if pick > 0.85:
            last = self._spliced("last_name")
        if self._chance.random() < 0.05:
            prefix = self._of(PREFIXES).replace("_", " ")
            return prefix + ("" if prefix[-1] in "'c" or prefix == "Mac" else " ") + last
        return f"{last}-{self._of(latin_names('last_name'))}" if self._chance.random() < 0.04 else last

    def _plain(self, name: str, part: str) -> str:
        return name if ALPHABETS.fullmatch(name) else self._of(latin_names(part))

    def _spliced(self, part: str) -> str:
        """A name that no list has: the head of one and the tail of another."""
        head, tail = self._of(latin_names(part)), self._of(latin_names(part))
        return head[: max(2, len(head) // 2)] + tail[len(tail) // 2 :].lower()

    def _name(self) -> str:
        first, last, pick = self._first(), self._last(), self._chance.random()
        if pick < 0.70:
            return f"{first} {last}"
        initial = self._of("ABCDEFGHIJKLMNOPRSTVWZ")
        if pick < 0.82:
            return f"{first} {initial}{self._of(('.', '.', ''))} {last}"
        if pick < 0.88:
            return f"{initial}. {last}"
        return f"{first} {self._first()} {last}" if pick < 0.95 else f"{first}-{self._first()} {last}"

    def _lname(self) -> str:
        return f"{self._last()}, {self._first()}"

    def _styled(self, name: str) -> str:
        pick = self._chance.random()
        return name.upper() if pick < 0.03 else name.lower() if pick < 0.045 else name

    def _company(self) -> str:
        pick = self._chance.random()
        if pick < 0.35:
            return str(self._faker.company())
        if pick < 0.5:
            return str(self._en.company())
        if pick < 0.65:
            return self._of(MAKES)
        what = self._of((self._last, self._noun, self._city, self._noun))()
        more = f" {self._noun()}" if self._chance.random() < 0.3 else ""
        if pick < 0.72:
            return f"The {what} {self._noun()}"
        return f"{what}{more} {self._of(KINDS_OF_COMPANY)}"

    def _noun(self) -> str:
        if self._chance.random() < 0.5:
            return self._of(NOUNS)
        return self._en.word().capitalize()

    def _job(self) -> str:
        job = re.split(r"[,/(]", self._en.job())[0].strip()
        return job.lower() if self._chance.random() < 0.5 else job

    def _city(self) -> str:
        pick = self._chance.random()
        city = self._of(places()) if pick < 0.45 else self._faker.city() if pick < 0.8 else self._of(cities())
        return city if self._chance.random() > 0.06 else city.lower()

    def _street(self) -> str:
        pick = self._chance.random()
        if pick < 0.35:
            street = self._faker.street_address().replace("\n", self._of((", ", " ", "\n")))
        elif pick < 0.48:
            street = self._faker.street_name()
        elif pick < 0.5:
            street = (
                f"{self._of((self._en.military_apo, self._en.military_dpo))()}\n{self._of(('APO', 'FPO', 'DPO'))} AE"
            )
        elif pick < 0.8:
            what = self._of((self._last, self._first, self._noun, self._city, self._noun))()
            street = f"{self._of((what, f'{what} {self._noun()}'))} {self._of(ROADS)}"
            if self._chance.random() < 0.85:
                letter = self._of(("", "", "", "a", "B", "/2"))
                street = f"{self._chance.randint(1, self._of((20, 200, 9999)))}{letter} {street}"
        else:
            what = self._of((self._last, self._first, self._city, self._spliced_place))()
            street = self._of(FOREIGN_ROADS).replace("{}", what).replace("{n}", str(self._chance.randint(1, 300)))
        return street.lower() if self._chance.random() < 0.06 else street

    def _spliced_place(self) -> str:
        head, tail = self._of(places()), self._of(places())
        return head[: max(2, len(head) // 2)] + tail[len(tail) // 2 :].lower()

    def _unit(self) -> str:
        kind = self._of(UNITS)
        return f"{kind} {self._chance.randint(1, 999):0{self._of((1, 3))}d}{self._of(('', '', '', 'A', 'b'))}"

    def _zip(self) -> str:
        if self._chance.random() < 0.2:
            return self._en.bothify(self._of(("#####", "####", "######", "## ###", "#### ??", "#####-####"))).upper()
        return str(self._faker.postcode())

    def _phone(self) -> str:
        if self._chance.random() < 0.4:
            return str(self._en.phone_number())
        return self._en.numerify(self._of(PHONES))

    def _card(self) -> str:
        digits = str(self._en.credit_card_number())
        return self._grouped(digits) if self._chance.random() < 0.3 else digits

    def _iban(self) -> str:
        return self._grouped(self._en.iban()) if self._chance.random() < 0.5 else str(self._en.iban())

    def _grouped(self, digits: str) -> str:
        return self._of((" ", " ", "-")).join(digits[at : at + 4] for at in range(0, len(digits), 4))

    def _date(self) -> str:
        shape = self._of(("%d.%m.%Y", "%Y-%m-%d", "%m/%d/%Y", "%B %d, %Y", "%d %B %Y", "%b %d", "%B %Y"))
        return str(self._en.date(shape, end_datetime=LATEST))


def entries() -> dict[str, Iterable[str]]:
    """The lists' contents by what they list; the tagger keeps them as a hash table."""
    company = [word for word in KINDS_OF_COMPANY if len(word) > 1]
    return {
        "first": names("first_name"),
        "last": names("last_name"),
        "place": [*places(), *cities()],
        "street": [*ROADS, "rue", "via", "calle", "straße", "strasse", "straat", "ulica", "avenida", "rua", "weg"],
        "company": company,
        "title": TITLES,
        "date": [*MONTHS, *DAYS],
    }

"""What a pattern cannot say: check digits, ranges, and and plausibility of a value, given as text.

Check digits are python-stdnum's, telephone numbers are phonenumbers' (Google's libphonenumber).
"""

import ipaddress
import math
import re
from collections import Counter
from collections.abc import Callable
from functools import lru_cache

import phonenumbers
import stdnum.luhn
from stdnum import iban
from stdnum.es import dni, nie
from stdnum.it import codicefiscale

Check = Callable[[str], bool]

ISSUED = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})$|5[0-8]\d{14}$|2(?:2[2-9]|[3-6]\d|7[01]|720)\d{12,13}$|3[47]\d{13}$"
    r"|3(?:0[0-59]|[689])\d{11,16}$|35\d{14}$|6\d{15,18}$|1800\d{11}$|2131\d{11}$|5[06-8]\d{10,17}$|220[0-4]\d{12}$"
)
SHORT_ISSUED = re.compile(r"5[06-8]|6|0604")

BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "NL", "IN", "AU", "BR", "CH", "SE", "JP", "MX")
"""Whose national forms are known where a number has no country code."""


def is_card(value: str) -> bool:
    """Luhn, a known issuer's first digits and the length that goes with them (ISO/IEC 7812)."""
    digits = value.replace(" ", "").replace("-", "")
    return ISSUED.match(digits) is not None and len(set(digits)) > 1 and stdnum.luhn.is_valid(digits)


def is_short_card(value: str) -> bool:
    """Maestro's cards of 12 digits."""
    digits = value.replace(" ", "").replace("-", "")
    return SHORT_ISSUED.match(digits) is not None and stdnum.luhn.is_valid(digits)


def is_iban(value: str) -> bool:
    """Length and form of the country, and the remainder modulo 97 (ISO 13616)."""
    compact = re.sub(r"[ -]", "", value)
    if re.search(r"[a-z]", compact) and re.search(r"[A-Z]", compact):
        return False
    return iban.is_valid(compact, check_country=False)


def is_ssn(value: str) -> bool:
    """No area 000, 666 or 9xx, no group 00, no serial 0000, and none that advertisements made famous."""
    digits = re.sub(r"\D", "", value)
    if digits in ("078051120", "219099999", "123456789", "987654321") or len(set(digits)) == 1:
        return False
    return digits[:3] not in ("000", "666") and digits[0] != "9" and digits[3:5] != "00" and digits[5:] != "0000"


def is_itin(value: str) -> bool:
    """Area 9xx and a group that the IRS gives out."""
    group = int(re.sub(r"\D", "", value)[3:5])
    return 50 <= group <= 65 or 70 <= group <= 88 or 90 <= group <= 92 or 94 <= group <= 99


def is_ipv4(value: str) -> bool:
    address, _, prefix = value.partition("/")
    try:
        ipaddress.IPv4Address(address)
        return not prefix or int(prefix) <= 32
    except ValueError:
        return False


def is_ipv6(value: str) -> bool:
    try:
        address = ipaddress.IPv6Address(value.partition("/")[0])
    except ValueError:
        return False
    if len(value) < 5 and value != "::1":
        return False  # a slice of Python
    return not address.is_unspecified and (any(letter.isdigit() for letter in value) or value.count(":") >= 4)


def is_mac(value: str) -> bool:
    return len(set(re.sub(r"[^0-9a-fA-F]", "", value).lower())) > 1


def is_base58_address(value: str) -> bool:
    """Bitcoin's version byte and the double SHA-256 behind it (Base58Check)."""
    from stdnum import bitcoin

    return bitcoin.is_valid(value)


def is_bech32_address(value: str) -> bool:
    """The checksum of segregated witness addresses (BIP 173, and BIP 350 from version 1)."""
    if value not in (value.lower(), value.upper()):
        return False
    prefix, _, data = value.lower().rpartition("1")
    if len(data) < 6 or any(letter not in BECH32 for letter in data):
        return False
    sum_ = 1
    expanded = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]
    for part in expanded + [BECH32.index(letter) for letter in data]:
        top = sum_ >> 25
        sum_ = (sum_ & 0x1FFFFFF) << 5 ^ part
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            sum_ ^= generator if top >> bit & 1 else 0
    return sum_ == (1 if data[0] == "q" else 0x2BC830A3)


def is_phone(value: str) -> bool:
    """A number that some country gives out: the one of its code, or one of REGIONS."""
    return _is_phone(re.split(r"(?i)\s*(?:x|ext|#)", value)[0].strip())


@lru_cache(maxsize=4096)
def _is_phone(value: str) -> bool:
    if re.fullmatch(r"(?:19|20)\d\d([-./ ])\d\d?\1\d\d?|\d\d?([-./ ])\d\d?\2(?:19|20)\d\d", value):
        return False  # a date
    if len(re.sub(r"\D", "", value)) < 7:
        return False
    if value.startswith("00"):
        value = "+" + value[2:]
    for region in (None,) if value.startswith("+") else REGIONS:
        try:
            if phonenumbers.is_valid_number(phonenumbers.parse(value, region)):
                return True
        except phonenumbers.NumberParseException:
            continue
    return False


def is_phone_by_context(value: str) -> bool:
    """After a word that announces one, any number of a telephone's length."""
    if re.fullmatch(r"(?:\d{1,3}\.){3,}\d{1,3}", value):
        return False  # a version, or what is no IP address
    return 7 <= len(re.sub(r"\D", "", value.split("x")[0])) <= 15 and len(set(re.sub(r"\D", "", value))) > 1


def is_random(value: str) -> bool:
    """Letters and digits without a pattern, as keys are made of: more than 3 bits a character."""
    counts = Counter(value)
    entropy = -sum(count / len(value) * math.log2(count / len(value)) for count in counts.values())
    return entropy > 3 and any(c.isdigit() for c in value) and any(c.isalpha() for c in value)


def is_password(value: str) -> bool:
    """Written out, not an expression or a stand-in."""
    if re.search(r"(?i)^(?:your|my|the|some|example|change|placeholder|none|null|true|false|x{3}|\*)", value):
        return False
    return len(set(value)) > 3 and any(c.isdigit() or c in "!@#$%^&*" for c in value) and any(map(str.isalpha, value))


def by_stdnum(module: str) -> Check:
    """The check of a module of python-stdnum, such as `us.itin`."""
    from importlib import import_module

    found = import_module(f"stdnum.{module}")
    return lambda value: len(set(re.sub(r"\W", "", value))) > 1 and bool(found.is_valid(value.replace(":", "")))


def is_spanish(value: str) -> bool:
    value = value.replace("-", "")
    return dni.is_valid(value.zfill(9)) or nie.is_valid(value)


def is_italian(value: str) -> bool:
    return codicefiscale.is_valid(value)

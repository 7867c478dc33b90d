"""What a pattern cannot say: check digits, ranges, and the plausibility of a value, given as text.

Check digits are python-stdnum's, telephone numbers are phonenumbers' (Google's libphonenumber).
"""

import ipaddress
import math
import re
import socket
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256

import phonenumbers
from stdnum import iban
from stdnum.es import dni, nie
from stdnum.iso7064 import mod_97_10
from stdnum.it import codicefiscale

Check = Callable[[str], bool]

ISSUED = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})$|5[0-8]\d{14}$|2(?:2[2-9]|[3-6]\d|7[01]|720)\d{12,13}$|3[47]\d{13}$"
    r"|3(?:0[0-59]\d|[689]\d\d)\d{10,15}$|35\d{14}$|6(?:0|[45])\d{14}$|6[237]\d{14,17}$|1800\d{11}$|2131\d{11}$|5[06-8]\d{10,17}$|220[0-4]\d{12}$"
    r"|8[12]\d{14,17}$"
)
DOUBLED = str.maketrans("0123456789", "0246813579")
"""Twice a digit, and of that the sum of its digits."""
GROUPS_OF_CARDS = re.compile(
    r"\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{1,4}(?:\1\d{1,3})?|\d{4}([ -])\d{5,6}\2\d{4,6}|\d{6}[ -]\d{8,13}"
)
SHORT_ISSUED = re.compile(r"5[06-8]|6|0604")

ABROAD = {
    "AO": 25, "BF": 28, "BJ": 28, "CF": 27, "CG": 27, "CI": 28, "CM": 27, "CV": 25, "DJ": 27, "DZ": 26, "GA": 27,
    "GQ": 27, "GW": 25, "HN": 28, "IR": 26, "KM": 27, "MA": 28, "MG": 27, "ML": 28, "MZ": 25, "NE": 28, "NI": 28,
    "SN": 28, "TD": 27, "TG": 28,
}  # fmt: skip
"""Lengths of the IBANs of countries that use them and are not in SWIFT's register."""
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
REGIONS = (
    "US", "GB", "DE", "FR", "ES", "IT", "NL", "IN", "AU", "BR", "CH", "SE", "JP", "MX", "CN", "PL", "TR", "BE", "AT",
    "PT", "CZ", "DK", "NO", "FI", "IE", "GR", "HU", "RO", "KR", "IL", "ZA", "AR", "CO", "CL", "RU", "UA", "PH", "ID",
)  # fmt: skip
"""Whose national forms are known where a number has no country code."""


DATE = re.compile(
    r"(?:19|20)\d\d([-./ ])\d\d?\1\d\d?|\d\d?([-./ ])\d\d?\2(?:19|20)\d\d|(?:19|20)\d\d ?[-/] ?(?:19|20)\d\d"
)
"""Year, month, day in either order, or from year to year."""


NO_DIGIT = re.compile(r"\D")
VERSION_OR_YEAR = re.compile(r"(?:\d{1,3}\.){3,}\d{1,3}|\((?:19|20)\d\d\).*")
"""A version, or what is no IP address; a year in brackets."""
DECIMAL = re.compile(r"\+\d+\.\d+")
SIX_DIGITS = re.compile(r"\d\d \d\d \d\d")
STAND_IN = re.compile(
    r"[xX]{5}|\*{3}|\.{3}|(?i:your|placeholder|<|>|\$\{|\{\{|not.?a?.?real|fake.?key|dummy|redacted|insert)"
)
"""What stands where a key or password should."""
WORD = re.compile(r"(?<![A-Za-z0-9])[A-Z]?[a-z]{2,}(?![A-Za-z0-9])|(?<![A-Za-z0-9])[A-Z]{2,}(?![A-Za-z0-9])")
NOT_WRITTEN = re.compile(
    r"(?i:(?:your|my|the|some|example|change|none|null|true|false|\*))|\$\w+$|/[\w/@.-]+$|[$#%@&.]?[A-Za-z_][A-Za-z_/.-]*$"
)
"""Words of a text, a shell's variable, a path, a name."""


def is_any(value: str) -> bool:
    """The pattern says enough."""
    return True


def is_card(value: str) -> bool:
    """Luhn, a known issuer's first digits, the length that goes with them (ISO/IEC 7812), and groups as on cards."""
    digits = value.replace(" ", "").replace("-", "")
    if not GROUPS_OF_CARDS.fullmatch(value) or not ISSUED.match(digits):
        return False
    return len(set(digits)) > 1 and _passes_luhn(digits)


def _passes_luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, as python-stdnum's, in a fifth of its time."""
    return sum(map(int, digits[::-2] + digits[-2::-2].translate(DOUBLED))) % 10 == 0


def is_short_card(value: str) -> bool:
    """Maestro's cards of 12 digits."""
    digits = value.replace(" ", "").replace("-", "")
    return SHORT_ISSUED.match(digits) is not None and _passes_luhn(digits)


def is_iban(value: str) -> bool:
    """Length and form of the country, and the remainder modulo 97 (ISO 13616)."""
    compact = re.sub(r"[ -]", "", value)
    if re.search(r"[a-z]", compact) and re.search(r"[A-Z]", compact):
        return False
    if compact[:2].upper() in ABROAD:
        return len(compact) == ABROAD[compact[:2].upper()] and bool(mod_97_10.is_valid(compact[4:] + compact[:4]))
    return iban.is_valid(compact, check_country=False)


def is_ssn(value: str) -> bool:
    """No area 000, 666 or 9xx, no group 00, no serial 0000, and none that advertisements made famous."""
    digits = NO_DIGIT.sub("", value)
    if digits in ("078051120", "219099999", "123456789", "987654321") or len(set(digits)) == 1:
        return False
    return digits[:3] not in ("000", "666") and digits[0] != "9" and digits[3:5] != "00" and digits[5:] != "0000"


def is_itin(value: str) -> bool:
    """Area 9xx and a group that the IRS gives out."""
    group = int(NO_DIGIT.sub("", value)[3:5])
    return 50 <= group <= 65 or 70 <= group <= 88 or 90 <= group <= 92 or 94 <= group <= 99


def is_ipv4(value: str) -> bool:
    address, _, prefix = value.partition("/")
    try:
        socket.inet_pton(socket.AF_INET, address)  # a tenth of what `ipaddress` takes
        return not prefix or int(prefix) <= 32
    except OSError:
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
    """EUI-48 or EUI-64, but not everybody's or nobody's: all ones or zeros."""
    return len(set(re.sub(r"[^0-9a-fA-F]", "", value).lower())) > 1


def is_base58_address(value: str) -> bool:
    """One or two bytes of version, 20 of a hash, and the first four of its double SHA-256 (Base58Check)."""
    number = 0
    for letter in value:
        number = number * 58 + BASE58.index(letter)
    size = 25 if number.bit_length() <= 200 else 26
    content = number.to_bytes(32, "big")[-size:]
    return number.bit_length() <= 208 and sha256(sha256(content[:-4]).digest()).digest()[:4] == content[-4:]


def is_bech32_address(value: str) -> bool:
    """The checksum of segregated witness addresses (BIP 173, and BIP 350 from version 1), and of chains like it."""
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
    return sum_ == (1 if data[0] == "q" or prefix not in ("bc", "tb", "bcrt", "ltc", "tltc") else 0x2BC830A3)


def is_phone(value: str) -> bool:
    """A number that some country gives out: the one of its code, or one of REGIONS."""
    return _is_phone(re.split(r"(?i)\s*(?:x|ext|#)", value)[0].strip())


@lru_cache(maxsize=4096)
def _is_phone(value: str) -> bool:
    if DATE.fullmatch(value) or len(NO_DIGIT.sub("", value)) < 7:
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


def is_whole_phone(value: str) -> bool:
    """With an area's code from 0, as it is given out; no days in a row, no American postcode or SSN."""
    digits = NO_DIGIT.sub("", value)
    if len(digits) < 9 or value.count("/") > 1 or re.fullmatch(r"\d{5}-\d{4}|\d{3}-\d\d-\d{4}", value):
        return False
    return is_phone(value)


def is_phone_abroad(value: str) -> bool:
    """After `+` a country's code, and no decimal. Numbers are longer in some years than in others, so any length does.

    `00` begins other numbers too, so those must be given out or be grouped as in America.
    """
    if value.startswith("00") and not re.match(r"001[-. ]\d{3}[-. ]\d{3}[-. ]\d{4}", value):
        return is_phone(value)
    if value[0] == "+" and (DECIMAL.fullmatch(value) or not _has_country(value)):
        return False
    return is_phone_by_context(value)


def _has_country(value: str) -> bool:
    digits = NO_DIGIT.sub("", value)
    if digits[0] == "1":
        return digits[1] not in "01"
    return any(int(digits[:size]) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE for size in (1, 2, 3))


def is_phone_by_context(value: str) -> bool:
    """After a word that announces one, any number of a telephone's length."""
    if VERSION_OR_YEAR.fullmatch(value) or DATE.fullmatch(value):
        return False
    digits = NO_DIGIT.sub("", value.split("x")[0])
    least = 6 if SIX_DIGITS.fullmatch(value) else 7
    return least <= len(digits) <= 15 and len(set(digits)) > 1


def entropy(value: str) -> float:
    """Bits a character (Shannon), by how often each stands in the value itself."""
    return -sum(count / len(value) * math.log2(count / len(value)) for count in Counter(value).values())


def is_token(value: str) -> bool:
    """No stand-in: no `xxxxx`, no ellipsis, no `your-key-here`."""
    return not STAND_IN.search(value)


def is_random(value: str) -> bool:
    """Letters and digits without a pattern, as keys are made of: more than 3 bits a character, and no long words."""
    if not is_token(value) or re.match(r"[./~]", value) or entropy(value) <= 3:
        return False
    written = sum(map(len, WORD.findall(value)))
    return written <= len(value) / 2 and any(c.isdigit() for c in value) and any(c.isalpha() for c in value)


def is_random_beyond_hex(value: str) -> bool:
    """The same, but no digest: after a mere `key` those are names of things."""
    return is_random(value) and not re.fullmatch(r"[0-9a-fA-F-]+", value)


def is_password(value: str) -> bool:
    """Written out, not an expression or a stand-in."""
    if STAND_IN.search(value) or NOT_WRITTEN.match(value):
        return False
    return len(set(value)) > 3 and any(c.isdigit() or c in "!@#$%^&*" for c in value) and any(map(str.isalpha, value))


def is_url_with_password(value: str) -> bool:
    """The password is written out: no variable, no template's field, no asterisks."""
    password = value.partition("://")[2].rpartition("@")[0].partition(":")[2]
    return not re.fullmatch(r"\$\{?\w+\}?|\{+\w+\}+|\*+|%\(?\w+\)?s?|<\w*>?|\[\w*\]|x{3,}|X{3,}|\.{3,}", password)


def by_stdnum(module: str) -> Check:
    """The check of a module of python-stdnum, such as `us.itin`."""
    from importlib import import_module

    found = import_module(f"stdnum.{module}")

    def holds(value: str) -> bool:
        try:
            return len(set(re.sub(r"\W", "", value))) > 1 and bool(found.is_valid(value.replace(":", "")))
        except LookupError:  # a place that the package's tables do not have
            return False

    return holds


def is_spanish(value: str) -> bool:
    value = value.replace("-", "")
    return dni.is_valid(value.zfill(9)) or nie.is_valid(value)


def is_italian(value: str) -> bool:
    return codicefiscale.is_valid(value)

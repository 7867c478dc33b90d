"""Numbers of persons by country: which of python-stdnum's checks goes with which groups of digits and letters.

Three ways to be sure: groups that few other numbers have and a check digit (`is_grouped`), letters in their places and
a check digit or a date (`is_coded`), or words that announce the number so clearly that no check is needed
(`is_announced`).
"""

import re
from functools import cache

from stdnum.fi import hetu

from batch_jobs.prepare.cleaning.pii.checking import DATE, NO_DIGIT, Check, by_stdnum, is_phone

GROUPED = (
    (r"756\.\d{4}\.\d{4}\.\d\d", "ch.ssn"),
    (r"\d-\d{4}-\d{5}-\d\d-\d", "th.pin"),
    (r"\d{5}-\d{7}-\d", "pk.cnic"),
    (r"\d{3}-\d{7}-\d", "do.cedula"),
    (r"\d\d\.\d\d\.\d\d-\d{3}\.\d\d", "be.nn"),
    (r"\d{6}-\d\d-\d{4}", "my.nric"),
    (r"\d{6}/\d{3,4}", "cz.rc"),
    (r"\d\d-\d{8}-\d", "ar.cuit"),
    (r"\d\d?\.\d{3}\.\d{3}-[\dKk]", "cl.rut"),
    (r"\d{6}[-+]\d{4}", "se.personnummer"),
    (r"\d{6}-\d{4}", "is_.kennitala"),
    (r"\d{6}-\d{5}", "lv.pvn"),
    (r"\d{17}[\dXx]", "cn.ric"),
)
"""Swiss AHV, Thai, Pakistani, Dominican, Belgian and Malaysian numbers, Czech and Slovak birth numbers, Argentine CUIT,
Chilean RUT, Swedish and Icelandic numbers, Latvian codes, Chinese numbers of residents."""
CODED = (
    (r"[A-Z]{4}\d{6}[HM][A-Z]{5}[0-9A-Z]\d", "mx.curp"),
    (r"\d{7}[A-W][A-IW]", "ie.pps"),
    (r"\d{17}X", "cn.ric"),
)
"""Mexican CURP, Irish PPS, Chinese numbers that end with X."""
OTHERS_CODED = (r"\d{6}[-+A-FU-Y]\d{3}[0-9A-Y]", r"[STFGM]\d{7}[A-Z]", r"\d{8}[A-Z]\d{3}")
"""Finnish HETU, Singapore's NRIC and FIN, German pension numbers: checked below."""
WORDS = (
    "national.?id|national.?registration|national.?number|national.?code|citizen|personal.?id|personal.?code"
    "|personal.?number|identity.?card|identity.?n|identity.?code|identity.?doc|identification.?n|identification.?c"
    "|resident.?registration|resident.?id|henkil|hetu|personn|fodselsn|cpr(?![a-z])|rut(?![a-z])"
    "|dni(?![a-z])|nie(?![a-z])|cedula|nric(?![a-z])|mykad|nik(?![a-z])|ktp(?![a-z])|hkid|rrn(?![a-z])|cnp(?![a-z])"
    "|egn(?![a-z])|oib(?![a-z])|jmbg|emso(?![a-z])|amka(?![a-z])|asmens|isikukood|rodn|rijksreg|ahv(?![a-z])"
    "|avs(?![a-z])|ppsn?(?![a-z])|nas(?![a-z])|ird(?![a-z])|inn(?![a-z])|snils|kimlik|tckn|teudat|cnic(?![a-z])"
    "|rentenvers|sozialvers|svnr"
)
"""Words that announce a number of a person."""
UNTIL = r"[a-z]{0,12}(?:[^a-z\n]{1,4}[a-z]{1,10}){0,3}[^a-z0-9\n]{0,4}$"
"""At most three short words stand between the announcement and the number."""
BARE = (
    (r"\d{13}", "th.pin"),
    (r"\d{13}", "za.idnr"),
    (r"\d{13}", "kr.rrn"),
    (r"\d{13}", "ro.cnp"),
    (r"\d{12}", "se.personnummer"),
    (r"\d{11}", "tr.tckimlik"),
    (r"\d{11}", "no.fodselsnummer"),
    (r"\d{11}", "be.nn"),
)
"""Numbers whose check holds for few others: two digits, or a day of birth besides."""
PENSION = re.compile(r"(\d\d)(\d{6})([A-Z])(\d\d)(\d)")
KOREAN = re.compile(r"\d{6}-[1-8]\d{6}")
SNILS = re.compile(r"\d{3}-\d{3}-\d{3} \d\d")
WEIGHTS = (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1)
NRIC = {"S": (0, "JZIHGFEDCBA"), "T": (4, "JZIHGFEDCBA"), "F": (0, "XWUTRQPNMLK"), "G": (4, "XWUTRQPNMLK")}
NRIC["M"] = (3, "XWUTRQPNJLK")
AREAS = "ABCDEFGHJKLMNPQRSTUVXYWZIO"
"""Letters of Taiwanese counties, in the order of their numbers from 10 on."""


def pattern(forms: tuple[tuple[str, str], ...], *more: str) -> bytes:
    return "|".join([*(form for form, _ in forms), *more]).encode()


@cache
def _checks(forms: tuple[tuple[str, str], ...]) -> list[tuple[re.Pattern[str], Check]]:
    return [(re.compile(form), by_stdnum(module)) for form, module in forms]


def _holds(forms: tuple[tuple[str, str], ...], value: str) -> bool:
    return any(form.fullmatch(value) and check(value) for form, check in _checks(forms))


def is_grouped(value: str) -> bool:
    """One of GROUPED, a Russian SNILS or a Korean number, with its check."""
    return _holds(GROUPED, value) or is_snils(value) or is_korean(value)


def is_coded(value: str) -> bool:
    """One of CODED or of those below that have letters, with its check; letters of either case."""
    value = value.upper()
    others = (is_hetu, is_pension_number, is_nric)
    return _holds(CODED, value) or any(check(value) for check in others)


def is_announced(value: str) -> bool:
    """Five digits or more that are no date, and not one digit again and again."""
    digits = NO_DIGIT.sub("", value)
    if DATE.fullmatch(value):
        return False
    return 5 <= len(digits) <= 18 and len(set(digits)) > 1


def is_announced_abroad(value: str) -> bool:
    """The same after a word that Americans use of their own numbers, which have nine digits."""
    return is_announced(value) and len(NO_DIGIT.sub("", value)) > 9


def is_known(value: str) -> bool:
    """One of BARE or a Taiwanese number, with its check, where little announces it. No telephone that begins with 0."""
    return (_holds(BARE, value) or is_taiwanese(value.upper())) and not (value[0] == "0" and is_phone(value))


def is_korean(value: str) -> bool:
    """Residents and foreigners: a day of birth, then 1 to 8. The last digit checks nothing since October 2020."""
    if not KOREAN.fullmatch(value):
        return False
    month, day = int(value[2:4]), int(value[4:6])
    return 1 <= month <= 12 and 1 <= day <= 31


def is_snils(value: str) -> bool:
    """Russian pension insurance: nine digits weighed 9 to 1, their sum modulo 101."""
    if not SNILS.fullmatch(value):
        return False
    digits = [int(digit) for digit in value[:11] if digit != "-"]
    return sum(digit * (9 - place) for place, digit in enumerate(digits)) % 101 % 100 == int(value[-2:])


def is_hetu(value: str) -> bool:
    """Finnish, with the signs of a century that came in 2023 (`Y` to `U` for `-`, `B` to `F` for `A`)."""
    century = "-" if value[6:7] in tuple("UVWXY") else "A" if value[6:7] in tuple("BCDEF") else value[6:7]
    return bool(hetu.is_valid(value[:6] + century + value[7:], allow_temporary=True))


def is_pension_number(value: str) -> bool:
    """German Rentenversicherungsnummer: area, day of birth, a letter, serial and check digit (VKVV, Anlage 1)."""
    parts = PENSION.fullmatch(value)
    if not parts:
        return False
    area, born, letter, serial, check = parts.groups()
    day, month = int(born[:2]), int(born[2:4])
    if not 2 <= int(area) <= 89 or not (1 <= day <= 31 or 51 <= day <= 81) or not 1 <= month <= 12:
        return False
    digits = f"{area}{born}{ord(letter) - 64:02}{serial}"
    products = [int(digit) * weight for digit, weight in zip(digits, WEIGHTS, strict=True)]
    return sum(product // 10 + product % 10 for product in products) % 10 == int(check)


def is_nric(value: str) -> bool:
    """Singapore's NRIC and FIN: digits weighed 2, 7, 6, 5, 4, 3, 2, an offset by series, the remainder by 11."""
    if not re.fullmatch(r"[STFGM]\d{7}[A-Z]", value):
        return False
    offset, letters = NRIC[value[0]]
    weighed = sum(int(digit) * weight for digit, weight in zip(value[1:8], (2, 7, 6, 5, 4, 3, 2), strict=True))
    return letters[(weighed + offset) % 11] == value[8]


def is_taiwanese(value: str) -> bool:
    """A county's letter as two digits, sex, serial: weighed 1, 9, 8 to 1, 1, a multiple of ten."""
    if not re.fullmatch(r"[A-Z][1289]\d{8}", value):
        return False
    digits = [int(digit) for digit in f"{AREAS.index(value[0]) + 10}{value[1:]}"]
    return sum(digit * weight for digit, weight in zip(digits, (1, *range(9, 0, -1), 1), strict=True)) % 10 == 0

"""Every form that is looked for, in one table: its type, its anchor, its pattern, what else must hold.

Patterns are of bytes. Values are of ASCII but for addresses of mail, so they begin and end on whole characters; what is
not ASCII around them bounds them, as quotation marks or Chinese do. All repetitions are bounded or exclude each other,
so time grows with the text and not faster.
"""

import re
from dataclasses import dataclass
from functools import cache

import numpy as np

from batch_jobs.prepare.batches import Integers
from batch_jobs.prepare.cleaning.pii import checking, shapes
from batch_jobs.prepare.cleaning.pii.checking import Check, by_stdnum
from tunesmith.contracts.preparation import PiiType

BEFORE, AFTER = rb"(?<!\w)", rb"(?!\w)"
LETTER = rb"[\xc3-\xd4][\x80-\xbf]"
"""A letter of two bytes: Latin with marks, Greek, Cyrillic (U+00C0 to U+053F)."""


@dataclass(frozen=True, slots=True)
class Kind:
    type: PiiType
    shape: int
    """The shapes of which one must be possible at the place (`shapes`)."""
    pattern: re.Pattern[bytes]
    """Its group `value` is the value, or else all of it."""
    check: Check | None = None
    context: re.Pattern[bytes] | None = None
    """Words of which one must stand in the 64 bytes before, unless the text has no words."""
    after: re.Pattern[bytes] | None = None
    """Words that may announce it from behind."""
    announcing: int = 0
    """The bit that the compiled pass sets where such a word may stand."""


def _kind(
    kind: PiiType,
    shape: int,
    pattern: bytes,
    check: Check | None = None,
    context: str | None = None,
    after: str | None = None,
) -> Kind:
    words = re.compile(rb"(?i)(?<![a-z])(?:" + context.encode() + rb")") if context else None
    behind = re.compile(rb"(?i)[ ,(-]{1,3}(?:" + after.encode() + rb")" + AFTER) if after else None
    return Kind(kind, shape, re.compile(pattern), check, words, behind, _announcing(context, after))


_ANNOUNCED: dict[str, int] = {}


def _announcing(context: str | None, after: str | None) -> int:
    if context is None:
        return 0
    words = f"{context}|{after}" if after else context
    return 1 << shapes.WORDS + _ANNOUNCED.setdefault(words, len(_ANNOUNCED))


@cache
def announcing() -> Integers:
    """The bits of the kinds that a word with these first three letters may announce: by 5 bits of each of them."""
    kinds()
    table = np.zeros(1 << 15, np.int64)
    for words, bit in _ANNOUNCED.items():
        for word in words.split("|"):
            first = re.match(r"[a-z]{2,3}(?!\?)", word)
            if first is None:
                raise ValueError(f"a word that announces a value begins with two letters, got {word!r}")
            place = [ord(letter) & 31 for letter in first[0]]
            low = place[0] << 10 | place[1] << 5
            low, high = (low | place[2], low | place[2]) if len(place) == 3 else (low, low | 31)
            table[low : high + 1] |= 1 << bit
    return table


def _word(pattern: bytes) -> bytes:
    return BEFORE + rb"(?:" + pattern + rb")" + AFTER


@cache
def kinds() -> tuple[Kind, ...]:
    """The most specific first: of two that overlap the earlier stays."""
    p = PiiType
    return (
        # Secrets: the prefixes that their issuers document
        _kind(
            p.SECRET,
            shapes.BLOCK,
            rb"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
            rb"[^-]{0,16384}(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?",
        ),
        _kind(p.SECRET, shapes.PREFIX, _word(rb"(?:AKIA|ASIA|ABIA|ACCA|AROA|AIDA)[A-Z2-7]{16}")),
        _kind(p.SECRET, shapes.PREFIX, _word(rb"gh[pousr]_[A-Za-z0-9]{36,251}|github_pat_[A-Za-z0-9_]{22,255}")),
        _kind(p.SECRET, shapes.PREFIX, _word(rb"xox[abeoprs]-[A-Za-z0-9-]{10,250}|xapp-\d-[A-Za-z0-9-]{10,250}")),
        _kind(
            p.SECRET,
            shapes.PREFIX,
            _word(rb"[srp]k_(?:live|test)_[A-Za-z0-9]{16,250}|whsec_[A-Za-z0-9+/=]{24,100}"),
        ),
        _kind(
            p.SECRET, shapes.PREFIX, _word(rb"sk-(?:proj-|ant-|svcacct-|or-)?[A-Za-z0-9_-]{20,250}"), checking.is_random
        ),
        _kind(
            p.SECRET,
            shapes.PREFIX,
            _word(rb"AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,250}|GOCSPX-[A-Za-z0-9_-]{28}"),
        ),
        _kind(p.SECRET, shapes.PREFIX, _word(rb"hf_[A-Za-z0-9]{30,60}|glpat-[A-Za-z0-9_-]{20,60}|npm_[A-Za-z0-9]{36}")),
        _kind(p.SECRET, shapes.PREFIX, _word(rb"pypi-[A-Za-z0-9_-]{50,300}|dop_v1_[a-f0-9]{64}|SK[a-f0-9]{32}")),
        _kind(p.SECRET, shapes.PREFIX, _word(rb"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,64}|key-[a-f0-9]{32}")),
        _kind(
            p.SECRET,
            shapes.JWT,
            BEFORE + rb"eyJ[A-Za-z0-9_-]{8,4000}\.eyJ[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]{0,4000}",
        ),
        _kind(p.SECRET, shapes.PREFIX, rb"https://hooks\.slack\.com/services/[A-Za-z0-9/_-]{20,80}"),
        _kind(
            p.SECRET,
            shapes.ASSIGNMENT,
            rb"(?i)(?:api|access|secret|private|auth|account|encryption|signing|client)[ _-]?(?:access[ _-]?)?"
            rb"(?:key|token|secret)[\"']?[ ]{0,4}[:=][ ]{0,4}[\"']?(?P<value>[A-Za-z0-9_+/=.~-]{16,200})",
            checking.is_random,
        ),
        _kind(
            p.SECRET,
            shapes.ASSIGNMENT,
            rb"(?i)(?:password|passwd|pwd)[\"']?[ ]{0,4}[:=][ ]{0,4}[\"']?"
            rb"(?P<value>[A-Za-z0-9!@#$%^&*_+/=.~-]{8,80}(?<![.]))(?![\w(\[])",
            checking.is_password,
        ),
        _kind(
            p.URL_CREDENTIALS,
            shapes.URL_AUTH,
            rb"(?i)(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{1,20}://[^\s/:@\"'<>]{0,100}:[^\s/@\"'<>]{1,200}@"
            rb"[\w.:%\[\]-]{1,255}(?:/[^\s\"'<>)\x80-\xff]{0,200})?(?<![.,;:!?])",
        ),
        _kind(
            p.EMAIL,
            shapes.EMAIL,
            rb"(?<![\w.!#$%&*+/=?^`{|}~-])(?:[\w!#$%&*+/=?^`{|}~-]|" + LETTER + rb")"
            rb"(?:[\w.!#$%&'*+/=?^`{|}~-]|" + LETTER + rb"){0,63}(?<!\.)@"
            rb"(?:(?:[A-Za-z0-9]|" + LETTER + rb")(?:[A-Za-z0-9-]|" + LETTER + rb"){0,62}(?<!-)\.){1,8}"
            rb"(?:xn--[A-Za-z0-9-]{2,59}|(?:[A-Za-z]|" + LETTER + rb"){2,63})" + AFTER,
        ),
        _kind(
            p.IBAN,
            shapes.IBAN,
            BEFORE + rb"(?P<value>[A-Za-z]{2}\d\d(?:[ -]?[A-Za-z0-9]){11,30})" + AFTER,
            checking.is_iban,
        ),
        _kind(
            p.CREDIT_CARD,
            shapes.CARD,
            rb"(?<![\w.])(?<!\d[-])\d(?:[ -]?\d){12,18}(?![\w])(?!-\d)",
            checking.is_card,
        ),
        _kind(
            p.CREDIT_CARD,
            shapes.SHORT_CARD,
            rb"(?<![\w.])(?<!\d[-])\d(?:[ -]?\d){11}(?![\w])(?!-\d)",
            checking.is_short_card,
            "card|credit|debit|maestro|visa|payment|cc(?![a-z])",
        ),
        _kind(p.CRYPTO_ADDRESS, shapes.CRYPTO, _word(rb"0x[0-9a-fA-F]{40}")),
        _kind(p.CRYPTO_ADDRESS, shapes.CRYPTO, _word(rb"[13][1-9A-HJ-NP-Za-km-z]{25,34}"), checking.is_base58_address),
        _kind(
            p.CRYPTO_ADDRESS,
            shapes.CRYPTO,
            _word(rb"(?:bc|BC|ltc|LTC|tb)1[a-zA-Z0-9]{25,87}"),
            checking.is_bech32_address,
        ),
        _kind(
            p.MAC_ADDRESS,
            shapes.MAC,
            rb"(?<![\w:-])[0-9a-fA-F]{2}(?P<by>[:-])[0-9a-fA-F]{2}(?:(?P=by)[0-9a-fA-F]{2}){4}(?![\w]|[:-]\w)"
            rb"|(?<![\w.])[0-9a-fA-F]{4}\.[0-9a-fA-F]{4}\.[0-9a-fA-F]{4}(?![\w]|\.\w)",
            checking.is_mac,
        ),
        _kind(
            p.IP_ADDRESS,
            shapes.IPV6,
            rb"(?<![\w:.])(?:[0-9a-fA-F]{1,4}|:)(?::[0-9a-fA-F]{0,4}){1,8}(?:[0-9]{1,3}(?:\.\d{1,3}){3}|(?:\.\d{1,3}){3})?"
            rb"(?:%\w{1,16})?(?:/\d{1,3})?(?![\w:]|\.\d)",
            checking.is_ipv6,
        ),
        _kind(p.IP_ADDRESS, shapes.IPV6, rb"(?<![\w:.])::(?:/\d{1,3})?(?![\w:.])", None, "ipv6|src|dst|unspecified"),
        _kind(
            p.IP_ADDRESS,
            shapes.IPV4,
            rb"(?<![\w])(?<!\d\.)(?<![vV]\.)(?<!ersion )(?:\d{1,3}\.){3}\d{1,3}"
            rb"(?:/\d{1,2})?(?![\w]|\.\d|-\d)",
            checking.is_ipv4,
        ),
        _kind(
            p.US_SSN,
            shapes.SSN,
            rb"(?<![\w.-])(?:\d{3}-\d{2}-\d{4}|\d{3} \d{2} \d{4}|\d{3}\.\d{2}\.\d{4})(?![\w]|[-.]\d)",
            checking.is_ssn,
        ),
        _kind(
            p.US_SSN,
            shapes.NUMBER,
            rb"(?<![\w.-])(?:\d{3}-\d{6}|\d{5}-\d{4})(?![\w]|[-.]\d)",
            checking.is_ssn,
            "ssn|social.security",
        ),
        # National numbers that show what they are
        _kind(p.NATIONAL_ID, shapes.ITIN, rb"(?<![\w.-])9\d\d[- ]\d\d[- ]\d{4}(?![\w]|[-.]\d)", checking.is_itin),
        _kind(
            p.NATIONAL_ID,
            shapes.NUMBER,
            rb"(?<![\w.-])9(?:\d{8}|\d\d-\d{6}|\d{4}-\d{4})(?![\w]|[-.]\d)",
            checking.is_itin,
            "itin|individual.taxpayer|tax.?id",
        ),
        _kind(
            p.NATIONAL_ID,
            shapes.NINO,
            _word(
                rb"(?!BG|GB|KN|NK|NT|TN|ZZ|bg|gb|kn|nk|nt|tn|zz)[A-CEGHJ-PR-TW-Za-ceghj-pr-tw-z][A-CEGHJ-NPR-TW-Za-ceghj-npr-tw-z]"
                rb" ?\d\d ?\d\d ?\d\d ?[A-Da-d]"
            ),
        ),  # UK NINO
        _kind(
            p.NATIONAL_ID,
            shapes.SPANISH | shapes.RUN,
            _word(rb"\d{7,8}-?[A-Za-z]|[XYZxyz]-?\d{7}-?[A-Za-z]"),
            checking.is_spanish,
        ),
        _kind(
            p.NATIONAL_ID,
            shapes.RUN,
            rb"(?i)" + _word(rb"[A-Z]{6}[\dLMNP-V]{2}[A-EHLMPR-T][\dLMNP-V]{2}[A-Z][\dLMNP-V]{3}[A-Z]"),
            checking.is_italian,
        ),
        _kind(p.NATIONAL_ID, shapes.RUN, _word(rb"[A-Z]{5}\d{4}[A-Z]"), None, "pan|permanent.account|income.?tax"),
        _kind(
            p.NATIONAL_ID,
            shapes.NIR,
            rb"(?<![\w.-])[12] ?\d\d ?\d\d ?(?:\d\d|2[AB]) ?\d{3} ?\d{3} ?\d\d(?![\w])",
            by_stdnum("fr.nir"),
        ),
        _kind(p.NATIONAL_ID, shapes.CPF, rb"(?<![\w.-])\d{3}\.\d{3}\.\d{3}-\d\d(?![\w])", by_stdnum("br.cpf")),
        _kind(
            p.NATIONAL_ID,
            shapes.RUN,
            rb"(?i)"
            + _word(
                rb"[1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d-?[AC-HJKMNP-RT-Y]"
                rb"[AC-HJKMNP-RT-Y0-9]\d-?[AC-HJKMNP-RT-Y]{2}\d\d"
            ),
        ),  # US Medicare beneficiary
        # Bare digits: the check digit alone agrees with one number in ten
        _kind(
            p.NATIONAL_ID,
            shapes.NUMBER,
            rb"(?<![\w.-])(?<!\d )\d{3}[ -]?\d{3}[ -]?\d{4}(?![\w]|[-. ]\d)",
            by_stdnum("gb.nhs"),
            "nhs|national.health|health.number|patient",
        ),
        _kind(
            p.NATIONAL_ID,
            shapes.NUMBER,
            rb"(?<![\w.-])\d{2} ?\d{3} ?\d{3} ?\d{3}(?![\w]|[-.]\d)",
            by_stdnum("de.idnr"),
            "steuer|tax.?id|idnr|identifikationsnummer",
        ),
        _kind(p.NATIONAL_ID, shapes.NUMBER, rb"(?<![\w.-])\d{11}(?![\w]|[-.]\d)", by_stdnum("pl.pesel"), "pesel"),
        _kind(
            p.NATIONAL_ID,
            shapes.NUMBER,
            rb"(?<![\w.-])\d{4}[. ]?\d{2}[. ]?\d{3}(?![\w]|[-.]\d)",
            by_stdnum("nl.bsn"),
            "bsn|burgerservice|sofi",
        ),
        _kind(
            p.NATIONAL_ID,
            shapes.NUMBER,
            rb"(?<![\w.-])\d{4}([ :-]?)\d{4}\1\d{4}(?![\w]|[-.]\d)",
            by_stdnum("in_.aadhaar"),
            "aadha?ar|uidai",
        ),
        _kind(p.NATIONAL_ID, shapes.NUMBER, rb"(?<![\w.-])\d{11}(?![\w]|[-.]\d)", by_stdnum("br.cpf"), "cpf"),
        _kind(
            p.NATIONAL_ID,
            shapes.NUMBER,
            rb"(?<![\w.-])\d{3}[ -]?\d{3}[ -]?\d{3}(?![\w]|[-.]\d)",
            by_stdnum("ca.sin"),
            "sin(?![a-z])|social.insurance",
        ),
        _kind(
            p.NATIONAL_ID,
            shapes.NUMBER,
            rb"(?<![\w.-])\d{3} ?\d{3} ?\d{3}(?![\w]|[-.]\d)",
            by_stdnum("au.tfn"),
            "tfn|tax.file",
        ),
        _kind(
            p.NATIONAL_ID,
            shapes.NUMBER,
            rb"(?<![\w.-])\d{6}[-+]?\d{4}(?![\w]|[-.]\d)",
            by_stdnum("se.personnummer"),
            "personnummer|personal.identity",
        ),
        _kind(
            p.US_SSN,
            shapes.NUMBER,
            rb"(?<![\w.-])\d{9}(?![\w]|[-.]\d)",
            checking.is_ssn,
            "ssn|social.security|ss#|ss ?no",
        ),
        # Telephones last: almost any digits may be one
        _kind(
            p.PHONE,
            shapes.PHONE_ABROAD,
            rb"(?<![\w.+])(?<![\d][-/])(?:\+|(?<!\d )00)[1-9]\d{0,3}[ .-]?(?:\(\d{1,5}\)[ .-]?)?"
            rb"\d{1,5}(?:[ .\-/]?\d{1,5}){1,5}"
            rb"(?:,?[ ]?(?:x|ext\.?)[ ]?\d{1,6})?(?![\w])",
            checking.is_phone_by_context,
        ),
        _kind(
            p.PHONE,
            shapes.PHONE_BRACKETS,
            rb"(?<![\w.])(?<![\d][-/])(?:\+?\d{1,3}[ .-]?)?\(\+?\d{1,5}\)[ .-]?\d{2,5}(?:[ .\-/]?\d{2,5}){0,4}"
            rb"(?:,?[ ]?(?:x|ext\.?)[ ]?\d{1,6})?(?![\w]|[-.]\d)",
            checking.is_phone_by_context,
        ),
        _kind(
            p.PHONE,
            shapes.PHONE_334,
            rb"(?<![\w.])(?<![\d][-/])(?:\d{1,3}[ .-])?\d{3}(?P<by>[ .-])\d{3}(?P=by)\d{4}"
            rb"(?:,?[ ]?(?:x|ext\.?)[ ]?\d{1,6})?(?![\w]|[-.]\d)",
            checking.is_phone_by_context,
        ),
        _kind(
            p.PHONE,
            shapes.PHONE_ZERO,
            rb"(?<![\w.])(?<![\d][-/])(?<!\d )0\d{1,5}(?:[ .\-/]\d{2,8}){1,5}(?![\w]|[-.]\d)",
            checking.is_phone,
        ),
        _kind(
            p.PHONE,
            shapes.NUMBER,
            rb"(?<![\w.])(?<![\d][-/])\d(?:[ .\-/]?\d){6,14}(?:,?[ ]?(?:x|ext\.?)[ ]?\d{1,6})?(?![\w]|[-.]\d)",
            checking.is_phone_by_context,
            r"phone|tele?(?![a-z])|telef|call|mobile|mobil|cell|fax|whats|sms|text (?:me|us)"
            "|dial|ring (?:me|us)|reach|hotline|contact|handy|answer|messages? to|registered",
            "office|fax|mobile|home|cell|work",
        ),
    )

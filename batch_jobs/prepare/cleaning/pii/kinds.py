"""Every form that is looked for, in one table: its type, its anchor, its pattern, what else must hold.

Patterns are of bytes. Values are of ASCII but for addresses of mail, so they begin and end on whole characters; what is
not ASCII around them bounds them, as quotation marks or Chinese do. All repetitions are bounded or exclude each other,
so time grows with the text and not faster.
"""

import re
from dataclasses import dataclass
from functools import cache

import numpy as np
import re2

from batch_jobs.prepare.batches import Integers
from batch_jobs.prepare.cleaning.pii import checking, national, shapes, tokens
from batch_jobs.prepare.cleaning.pii.checking import Check, by_stdnum
from tunesmith.contracts.preparation import PiiType

BEFORE, AFTER = rb"(?<!\w)", rb"(?!\w)"
ASSIGNED = rb"[\"'`\\\]}]{0,3}\s{0,4}(?::=|=>|={1,3}|:)\s{0,4}\\?[\"'`]?"
"""What stands between the name of a value and the value, in configurations, programs and JSON within strings."""
VALUE = rb"(?P<value>[A-Za-z0-9_+/=.~-]{16,200})(?![\w(\[])"
ANNOUNCED_ID = (
    rb"(?=[A-Z\d])(?<![\w.-])(?:[A-Z]{1,4}[ -]?)?\d(?:[ ./-]?\d){4,17}(?:[ -]?[B-HJ-Z][A-Z]?\d?|[A-Za-z]{1,2}\d?)?"
    rb"(?![\w]|[-.]\d)"
)
LETTER = rb"[\xc3-\xd4][\x80-\xbf]"
"""A letter of two bytes: Latin with marks, Greek, Cyrillic (U+00C0 to U+053F)."""


@dataclass(frozen=True, slots=True)
class Kind:
    type: PiiType
    shape: int
    """The shapes of which one must be possible at the place (`shapes`)."""
    pattern: re.Pattern[bytes]
    group: int
    """Of the pattern, which is the value."""
    check: Check | None = None
    context: re.Pattern[bytes] | None = None
    """Words of which one must stand in the 64 bytes before, unless the text has no words (`alone`)."""
    words: re.Pattern[bytes] | None = None
    """The same words and those of `after` for re2, wherever they stand: where none does around a window, no value is in
    it."""
    alone: Check | None = None
    """What a value must be besides if the text has no words. None: such a text does not do."""
    after: re.Pattern[bytes] | None = None
    """Words that may announce it from behind."""
    announcing: int = 0
    """The bit that the compiled pass sets where such a word may stand."""
    is_prefixed: bool = False
    """Whether it begins with one of the `tokens.beginnings`."""


def _kind(
    kind: PiiType,
    shape: int,
    pattern: bytes,
    check: Check | None = None,
    context: str | None = None,
    after: str | None = None,
    until: str = "",
    alone: Check | None = checking.is_any,
    is_prefixed: bool = False,
) -> Kind:
    words = rb"(?i)(?<![a-z])(?:" + context.encode() + rb")" if context else None
    near = re.compile(words + until.encode()) if words else None
    told = re.sub(r"\(\?![^)]*\)", "", "|".join(filter(None, (context, after))))  # re2 does not look ahead
    anywhere = re2.compile(b"(?i)" + told.encode()) if told else None
    behind = re.compile(rb"(?i)[ ,(-]{1,3}(?:" + after.encode() + rb")" + AFTER) if after else None
    bit = _announcing(context, after)
    compiled = re.compile(pattern)
    group = compiled.groupindex.get("value", 0)
    return Kind(kind, shape, compiled, group, check, near, anywhere, alone, behind, bit, is_prefixed)


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
    return (
        *_secrets(),
        *_addresses(),
        *_payments(),
        *_machines(),
        *_american_numbers(),
        *_shaped_numbers(),
        *_bare_numbers(),
        *_telephones(),
    )


def _secrets() -> tuple[Kind, ...]:
    """Keys, tokens and passwords, most by the prefixes that their issuers document."""
    p = PiiType
    token, header, numbered = tokens.patterns()
    return (
        _kind(
            p.SECRET,
            shapes.BLOCK,
            rb"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
            rb"(?:[^-]|-(?!----)){0,16384}(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?",
        ),
        _kind(p.SECRET, shapes.PREFIX, token, checking.is_token, is_prefixed=True),
        _kind(p.SECRET, shapes.BOT, numbered, checking.is_token),
        _kind(
            p.SECRET,
            shapes.JWT,
            rb"(?<![A-Za-z0-9])eyJ[A-Za-z0-9_-]{8,4000}\.eyJ[A-Za-z0-9_-]{8,4000}(?:\.[A-Za-z0-9_-]{0,4000})?",
        ),
        _kind(p.SECRET, shapes.PREFIX, header, checking.is_random, is_prefixed=True),
        _kind(
            p.SECRET,
            shapes.ASSIGNMENT,
            rb"(?i)(?:(?:api|app|access|secret|private|auth|account|encryption|signing|client|consumer|master|session|shared"
            rb"|storage|deploy|service|webhook|license)[ _-]?(?:access[ _-]?)?key|token|secret|auth)"
            + ASSIGNED
            + VALUE,
            checking.is_random,
        ),
        _kind(p.SECRET, shapes.ASSIGNMENT, rb"(?i)key" + ASSIGNED + VALUE, checking.is_random_beyond_hex),
        _kind(
            p.SECRET,
            shapes.ASSIGNMENT,
            rb"(?i)(?:password|passwd|passphrase|pwd|_pass|passwort|passe|contrase\xc3\xb1a)"
            + ASSIGNED
            + rb"(?P<value>[A-Za-z0-9!@#$%^&*_+/=.~-]{6,80}(?<![.]))(?![\w(\[])",
            checking.is_password,
        ),
    )


def _addresses() -> tuple[Kind, ...]:
    """URLs with credentials, and addresses of mail."""
    p = PiiType
    return (
        _kind(
            p.URL_CREDENTIALS,
            shapes.URL_AUTH,
            rb"(?i)(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{1,20}://[^\s/:@\"'<>]{0,100}:[^\s/@\"'<>]{1,200}@"
            rb"[\w.:%\[\],-]{1,255}(?:/[^\s\"'<>)\x80-\xff]{0,200})?(?<![.,;:!?])",
            checking.is_url_with_password,
        ),
        _kind(
            p.EMAIL,
            shapes.EMAIL,
            rb"(?<![\w.+-])(?:\w|" + LETTER + rb")(?:[\w.!#$%'+^~-]|" + LETTER + rb"){0,63}(?<!\.)@"
            rb"(?:(?:[A-Za-z0-9]|" + LETTER + rb")(?:[A-Za-z0-9-]|" + LETTER + rb"){0,62}(?<!-)\.){1,8}"
            rb"(?:xn--[A-Za-z0-9-]{2,59}|(?:[A-Za-z]|" + LETTER + rb"){2,63})(?![A-Za-z0-9])",
        ),
    )


def _payments() -> tuple[Kind, ...]:
    """Bank accounts, cards, and addresses of coins."""
    p = PiiType
    return (
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
        _kind(p.CRYPTO_ADDRESS, shapes.CRYPTO, _word(rb"[1-9A-HJ-NP-Za-km-z]{26,36}"), checking.is_base58_address),
        _kind(
            p.CRYPTO_ADDRESS,
            shapes.CRYPTO,
            rb"(?i)" + _word(rb"(?:bc|bcrt|tb|ltc|tltc|addr|addr_test|stake|cosmos|osmo)1[a-z0-9]{25,110}"),
            checking.is_bech32_address,
        ),
    )


def _machines() -> tuple[Kind, ...]:
    """Addresses of hardware and of the Internet."""
    p = PiiType
    return (
        _kind(
            p.MAC_ADDRESS,
            shapes.MAC,
            rb"(?<![\w:-])[0-9a-fA-F]{2}(?P<by>[:-])[0-9a-fA-F]{2}(?:(?P=by)[0-9a-fA-F]{2}){4}(?:(?P=by)[0-9a-fA-F]{2}){0,2}(?![\w]|[:-]\w)"
            rb"|(?<![\w.])[0-9a-fA-F]{4}(?:\.[0-9a-fA-F]{4}){2,3}(?![\w]|\.\w)",
            checking.is_mac,
        ),
        _kind(
            p.IP_ADDRESS,
            shapes.IPV6,
            rb"(?<![\w:.])(?<![\w)\]]\[)(?:[0-9a-fA-F]{1,4}|:)(?::[0-9a-fA-F]{0,4}){1,8}(?:[0-9]{1,3}(?:\.\d{1,3}){3}|(?:\.\d{1,3}){3})?"
            rb"(?:%\w{1,16}(?:\.\w{1,8}){0,2})?(?:/\d{1,3})?(?![\w:]|\.\d)",
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
    )


def _american_numbers() -> tuple[Kind, ...]:
    """Of social security and of taxpayers, in their groups or announced."""
    p = PiiType
    return (
        _kind(
            p.US_SSN,
            shapes.SSN,
            rb"(?<![\w.-])(?:\d{3}-\d{2}-\d{4}|\d{3} \d{2} \d{4}|\d{3}\.\d{2}\.\d{4})(?![\w]|[-.]\d)",
            checking.is_ssn,
        ),
        _kind(
            p.US_SSN,
            shapes.JOINED,
            rb"(?<![\w.-])(?:\d{3}-\d{6}|\d{5}-\d{4})(?![\w]|[-.]\d)",
            checking.is_ssn,
            "ssn|social.security",
        ),
        _kind(p.NATIONAL_ID, shapes.ITIN, rb"(?<![\w.-])9\d\d[- ]\d\d[- ]\d{4}(?![\w]|[-.]\d)", checking.is_itin),
        _kind(
            p.NATIONAL_ID,
            shapes.NUMBER,
            rb"(?<![\w.-])9(?:\d{8}|\d\d-\d{6}|\d{4}-\d{4})(?![\w]|[-.]\d)",
            checking.is_itin,
            "itin|individual.taxpayer|tax.?id",
        ),
    )


def _shaped_numbers() -> tuple[Kind, ...]:
    """National numbers that show what they are."""
    p = PiiType
    return (
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
        _kind(
            p.NATIONAL_ID,
            shapes.GROUPED,
            rb"(?<![\w.-])(?:"
            + national.pattern(national.GROUPED, national.SNILS.pattern, national.KOREAN.pattern)
            + rb")(?![\w]|[-.]\d)",
            national.is_grouped,
        ),
        _kind(
            p.NATIONAL_ID,
            shapes.RUN,
            rb"(?i)" + _word(national.pattern(national.CODED, *national.OTHERS_CODED)),
            national.is_coded,
        ),
    )


CHECKED_DIGITS = (
    (rb"\d{2} ?\d{3} ?\d{3} ?\d{3}", "de.idnr", "steuer|tax.?id|idnr|identifikationsnummer"),
    (rb"\d{11}", "pl.pesel", "pesel"),
    (rb"\d{4}[. ]?\d{2}[. ]?\d{3}", "nl.bsn", "bsn|burgerservice|sofi"),
    (rb"\d{4}([ :-]?)\d{4}\1\d{4}", "in_.aadhaar", "aadha?ar|uidai"),
    (rb"\d{11}", "br.cpf", "cpf"),
    (rb"\d{3}[ -]?\d{3}[ -]?\d{3}", "ca.sin", "sin(?![a-z])|social.insurance"),
    (rb"\d{3} ?\d{3} ?\d{3}", "au.tfn", "tfn|tax.file"),
    (rb"\d{6}[-+]?\d{4}", "se.personnummer", "personnummer|personal.identity"),
)
"""How digits are grouped, whose check they pass (python-stdnum), and the words of which one must announce them."""


def _bare_numbers() -> tuple[Kind, ...]:
    """National numbers of digits alone: the check digit agrees with one number in ten, so a word must announce them."""
    p = PiiType
    return (
        _kind(
            p.NATIONAL_ID,
            shapes.NUMBER,
            rb"(?<![\w.-])(?<!\d )\d{3}[ -]?\d{3}[ -]?\d{4}(?![\w]|[-. ]\d)",
            by_stdnum("gb.nhs"),
            "nhs|national.health|health.number|patient",
        ),
        *(
            _kind(p.NATIONAL_ID, shapes.NUMBER, rb"(?<![\w.-])" + digits + rb"(?![\w]|[-.]\d)", by_stdnum(name), words)
            for digits, name, words in CHECKED_DIGITS
        ),
        _kind(
            p.US_SSN,
            shapes.JOINED,
            rb"(?<![\w.-])\d{9}(?![\w]|[-.]\d)",
            checking.is_ssn,
            "ssn|social.security|ss#|ss ?no",
        ),
        _kind(
            p.NATIONAL_ID,
            shapes.NUMBER | shapes.RUN | shapes.NINO,
            ANNOUNCED_ID,
            national.is_announced,
            national.WORDS,
            until=national.UNTIL,
            alone=national.is_known,
        ),
        _kind(
            p.NATIONAL_ID,
            shapes.NUMBER | shapes.RUN,
            ANNOUNCED_ID,
            national.is_announced_abroad,
            "ssn|social.security|social.insurance",
            until=national.UNTIL,
            alone=None,
        ),
        _kind(
            p.NATIONAL_ID,
            shapes.NUMBER | shapes.RUN,
            rb"(?<![\w.-])(?:\d{11,13}|[A-Za-z][1289]\d{8})(?![\w]|[-.]\d)",
            national.is_known,
            "id(?![a-z])|identi|resident|refugee",
        ),
    )


def _telephones() -> tuple[Kind, ...]:
    """Almost any digits may be one."""
    p = PiiType
    return (
        _kind(
            p.PHONE,
            shapes.PHONE_ABROAD,
            rb"(?<![\w.+])(?<![\d][-/])(?:\+|(?<!\d )(?<!\))(?<!\) )00)[1-9]\d{0,3}[ .-]?(?:\(\d{1,5}\)[ .-]?)?"
            rb"\d{1,5}(?:[ .\-/]?\d{1,5}){1,5}"
            rb"(?:,?[ ]?(?:x|ext\.?)[ ]?\d{1,6})?(?![\w])",
            checking.is_phone_abroad,
        ),
        _kind(
            p.PHONE,
            shapes.PHONE_BRACKETS,
            rb"(?<![\w.])(?<![\d][-/])(?:\+?\d{1,3}[ .-]?|\+)?\(\+?\d{1,5}\)(?:[ .-]|/ ?)?"
            rb"\d{2,5}(?:[ .\-/]?\d{2,5}){0,4}"
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
            rb"(?<![\w.])(?<!\w[-/])(?<!\d[ :])0\d{1,5}(?:[ .\-/]\d{2,8}){1,5}(?![\w]|[-.]\d)",
            checking.is_whole_phone,
        ),
        _kind(
            p.PHONE,
            shapes.PHONE_PLAIN,
            rb"(?<![\w.])(?<![\d][-/])\d(?:[ .\-/]?\d){5,14}(?:,?[ ]?(?:x|ext\.?)[ ]?\d{1,6})?(?![\w]|[-.]\d)",
            checking.is_phone_by_context,
            r"phone|tele?(?![a-z])|telef|telep|tlf|tfno|call(?!back|able|edp)|mobile|mobil|cell|celular|gsm|fax|whats|sms"
            "|text (?:me|us)|anruf|rufnummer|appel|llam|llám|chiam|puhelin|cep (?:no|tel)"
            "|dial|ring (?:me|us)|reach|hotline|contact|handy|answer|messages? to|registered",
            "office|fax|mobile|home|cell|work",
            alone=checking.is_phone,
        ),
    )

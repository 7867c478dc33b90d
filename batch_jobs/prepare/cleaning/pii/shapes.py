"""What a place in a text may be, as bits that the compiled pass sets and the table of kinds asks for."""

EMAIL, URL_AUTH = 1 << 0, 1 << 1
ASSIGNMENT, PREFIX, BLOCK, JWT = 1 << 2, 1 << 3, 1 << 4, 1 << 5
CRYPTO, RUN, MAC, IPV6, IBAN = 1 << 6, 1 << 7, 1 << 8, 1 << 9, 1 << 10
CARD, SHORT_CARD, SSN, ITIN, IPV4, CPF, NIR, NINO, SPANISH = (1 << bit for bit in range(11, 20))
PHONE_ABROAD, PHONE_BRACKETS, PHONE_334, PHONE_ZERO = (1 << bit for bit in range(20, 24))
NUMBER = 1 << 24
"""Seven digits and more, which are something only after a word that announces it."""
GROUPED = 1 << 25
"""Groups of digits as national numbers have them."""
PHONE_PLAIN, JOINED = 1 << 26, 1 << 27
"""Those of NUMBER that are no IPv4 address, and nine digits as they are written where an SSN is not in three groups."""
BOT = 1 << 28
"""How the keys of Telegram's bots begin."""
WORDS = 32
"""The bits from here on: words of which kind stand around (`kinds.announcing`)."""
NO_ADDRESS = (9, 10, 11, 12, 13, 32, 34, 39, 47, 60, 62, 64)
"""Bytes that end the name and password in a URL: blanks, quotes, `/`, `<`, `>`, `@`."""

"""Keys and tokens that show their issuer: how they begin and how they go on, as issuers and their scanners document.

What an issuer writes for everybody to see (an account's name, a client's id, a key that a web page holds) is no secret
and not here.
"""

import re

_BASE62, _URL, _HEX, _SMALL = "[A-Za-z0-9]", "[A-Za-z0-9_-]", "[A-Fa-f0-9]", "[a-z0-9]"
_UUID = f"{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}"

TOKENS: tuple[tuple[str, str], ...] = (
    # Clouds
    *((prefix, "[A-Z2-7]{16}") for prefix in ("AKIA", "ASIA", "ABIA", "ACCA", "AROA", "AIDA", "AGPA", "AIPA", "ANPA")),
    ("A3T", "[A-Z0-9][A-Z2-7]{16}"),
    ("bedrock-api-key-", "[A-Za-z0-9+/_-]{24,400}={0,2}"),
    ("ABSK", "[A-Za-z0-9+/]{100,280}={0,2}"),
    ("AIza", f"{_URL}{{35}}"),
    ("ya29.", f"{_URL}{{20,250}}"),
    ("GOCSPX-", f"{_URL}{{28}}"),
    ("LTAI", f"{_BASE62}{{12,30}}"),
    *((f"do{kind}_v1_", f"{_HEX}{{64}}") for kind in "opr"),
    ("dapi", f"{_HEX}{{32}}(?:-\\d)?"),
    ("dt0", "[a-z]\\d\\d\\.[A-Z0-9]{24}\\.[A-Z0-9]{64}"),
    ("HRKU-", f"{_URL}{{36,80}}"),
    ("FlyV1 ", f"fm\\d_{_URL}[A-Za-z0-9+/=,_-]{{40,2000}}"),
    ("nfp_", f"{_BASE62}{{36,60}}"),
    *((f"cf{kind}_", f"{_BASE62}{{40,60}}") for kind in ("ut", "at", "k")),
    ("v1.0-", f"{_HEX}{{24}}-{_HEX}{{100,160}}"),
    ("sha256~", f"{_URL}{{43}}"),
    ("tk-us-", f"{_URL}{{48}}"),
    *((f"vc{kind}_", f"{_BASE62}{{24,60}}") for kind in "piark"),
    # Code, packages, machines that build
    *((f"gh{kind}_", f"{_BASE62}{{36,251}}") for kind in "pousr"),
    ("github_pat_", "[A-Za-z0-9_]{22,255}"),
    *(
        (f"gl{kind}-", f"{_URL}{{20,80}}(?:\\.{_URL}{{2,40}}){{0,2}}")
        for kind in ("pat", "dt", "rt", "cbt", "ptt", "ft", "imt", "agent", "oas", "soat", "ffct", "rtr")
    ),
    ("GR1348941", f"{_URL}{{20}}"),
    ("npm_", f"{_BASE62}{{36}}"),
    ("pypi-", f"{_URL}{{50,300}}"),
    ("rubygems_", f"{_HEX}{{48}}"),
    ("CLOJARS_", f"{_SMALL}{{60}}"),
    ("AKCp", f"{_BASE62}{{20,80}}"),
    ("dckr_pat_", f"{_URL}{{20,40}}"),
    ("dckr_oat_", f"{_URL}{{20,40}}"),
    ("CCIPAT_", f"{_BASE62}{{22}}_{_HEX}{{40}}"),
    ("bkua_", f"{_HEX}{{40}}"),
    ("pul-", f"{_HEX}{{40}}"),
    ("sgp_", f"(?:{_BASE62}{{16}}_)?{_HEX}{{40,64}}"),
    *((f"sq{kind}_", f"{_HEX}{{40}}") for kind in "pua"),
    ("pnu_", f"{_BASE62}{{36}}"),
    ("pnb_", f"{_BASE62}{{36}}"),
    ("ATATT3", "[A-Za-z0-9_=-]{100,250}"),
    ("ATCTT3", "[A-Za-z0-9_=-]{100,250}"),
    ("ATBB", f"{_BASE62}{{32}}"),
    ("lin_api_", f"{_BASE62}{{40,48}}"),
    ("lin_oauth_", f"{_HEX}{{64}}"),
    ("ntn_", f"{_BASE62}{{40,60}}"),
    ("secret_", f"{_BASE62}{{43}}"),
    ("figd_", f"{_URL}{{38,60}}"),
    ("fio-u-", f"{_URL}{{64}}"),
    ("PMAK-", f"{_HEX}{{24}}-{_HEX}{{34}}"),
    ("odt_", f"{_BASE62}{{32,64}}"),
    # Secrets' keepers, networks, watchers
    ("hvs.", f"{_URL}{{24,300}}"),
    ("hvb.", f"{_URL}{{24,300}}"),
    ("hvr.", f"{_URL}{{24,300}}"),
    *(
        (f"dp.{kind}.", f"(?:[a-z0-9_-]{{2,35}}\\.)?{_BASE62}{{40,44}}")
        for kind in ("pt", "ct", "st", "sa", "scim", "audit")
    ),
    ("ops_eyJ", "[A-Za-z0-9+/_-]{200,1000}={0,2}"),
    ("A3-", "[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})-[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{5}"),
    ("AGE-SECRET-KEY-1", "[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}"),
    ("tskey-", f"[a-z]{{3,12}}-{_URL}{{12,80}}"),
    ("glc_", "[A-Za-z0-9+/]{32,400}={0,2}"),
    ("eyJrIjoi", "[A-Za-z0-9+/]{50,400}={0,2}"),
    ("glsa_", f"{_BASE62}{{32}}_{_HEX}{{8}}"),
    *((f"NR{kind}-", "[A-Za-z0-9-]{19,64}") for kind in ("AK", "II", "JS", "AA", "IQ", "SP")),
    ("sntrys_", "[A-Za-z0-9+/=_]{80,400}"),
    ("sntryu_", f"{_HEX}{{64}}"),
    ("rootly_", f"{_HEX}{{64}}"),
    ("sbp_", f"{_BASE62}{{40}}"),
    ("sb_secret_", f"{_URL}{{20,60}}"),
    ("pscale_", "(?:tkn|pw|oauth|app)_[A-Za-z0-9_.=-]{30,64}"),
    ("rdme_", f"{_SMALL}{{70,80}}"),
    ("api-", _UUID),
    ("sdk-", _UUID),
    ("phx_", f"{_URL}{{40,50}}"),
    ("django-insecure-", "[a-z0-9!@#$%^&*(_=+)-]{50}"),
    # Models
    *((f"sk-{kind}", f"{_URL}{{20,250}}") for kind in ("proj-", "ant-", "svcacct-", "admin-", "or-", "lf-", "")),
    ("hf_", f"{_BASE62}{{30,60}}"),
    ("api_org_", f"{_BASE62}{{34}}"),
    ("gsk_", f"{_BASE62}{{40,60}}"),
    ("xai-", f"{_URL}{{70,90}}"),
    ("pplx-", f"{_BASE62}{{32,64}}"),
    ("r8_", f"{_BASE62}{{37}}"),
    ("tvly-", f"{_URL}{{20,60}}"),
    ("jina_", f"{_BASE62}{{60,70}}"),
    ("csk-", f"{_SMALL}{{40,60}}"),
    ("nvapi-", f"{_URL}{{60,80}}"),
    ("lsv2_", f"[a-z]{{2}}_{_HEX}{{32}}_{_HEX}{{10}}"),
    # Messages and mail
    *((f"xox{kind}-", "[A-Za-z0-9-]{16,250}") for kind in "abeoprs"),
    ("xoxe.xox", "[bp]-\\d-[A-Za-z0-9-]{60,250}"),
    ("xapp-", "\\d{1,12}-[A-Za-z0-9/-]{10,250}"),
    *(
        (f"{scheme}://hooks.slack.com/", "(?:services|workflows|triggers)/[A-Za-z0-9/_-]{20,100}")
        for scheme in ("https", "http")
    ),
    *((f"https://{host}.com/api/webhooks/", f"\\d{{17,20}}/{_URL}{{60,80}}") for host in ("discord", "discordapp")),
    ("SG.", f"{_URL}{{16,32}}\\.{_URL}{{32,64}}"),
    ("SK", "[a-f0-9]{32}"),
    ("key-", f"{_HEX}{{32}}"),
    ("pubkey-", f"{_HEX}{{32}}"),
    ("xkeysib-", f"{_HEX}{{64}}-{_BASE62}{{16}}"),
    ("xsmtpsib-", f"{_HEX}{{64}}-{_BASE62}{{16}}"),
    ("EAA", f"{_BASE62}{{60,250}}"),
    # Money and shops
    *((f"{kind}_{way}_", f"{_BASE62}{{14,250}}") for kind in ("sk", "rk", "ak") for way in ("live", "test", "prod")),
    ("sk_", f"{_BASE62}{{20,64}}"),
    ("whsec_", "[A-Za-z0-9+/=]{24,100}"),
    *((f"shp{kind}_", f"{_BASE62}{{32,64}}") for kind in ("at", "ca", "pa", "ss", "tm")),
    *((f"sq0{kind}-", f"{_URL}{{22,50}}") for kind in ("atp", "csp")),
    ("EAAA", f"{_URL}{{60}}"),
    ("EZAK", f"{_BASE62}{{54}}"),
    ("EZTK", f"{_BASE62}{{54}}"),
    ("FLWSECK", f"(?:_TEST)?-{_BASE62}{{12,40}}(?:-X)?"),
    ("duffel_", f"(?:live|test)_{_URL}{{43}}"),
    ("shippo_", f"(?:live|test)_{_HEX}{{40}}"),
    ("access-", f"(?:sandbox|development|production)-{_UUID}"),
    ("pat", f"{_BASE62}{{14}}\\.{_HEX}{{64}}"),
    ("pat-", f"[a-z]{{2}}\\d-{_UUID}"),
    ("CFPAT-", f"{_URL}{{43}}"),
    ("tfp_", f"{_URL}{{40,60}}"),
    ("apify_api_", f"{_BASE62}{{36}}"),
    ("aio_", f"{_BASE62}{{28}}"),
    ("sl.", f"{_URL}{{60,250}}"),
    (
        "LS0tLS1CRUdJTi",
        "[A-Za-z0-9+/]{1,30}(?:UFJJVkFURSBLRV|QUklWQVRFIEtFW|BSSVZBVEUgS0VZ)[A-Za-z0-9+/]{1,8000}={0,2}",
    ),  # a private key's block in base64
    ("sk.", f"eyJ{_URL}{{40,250}}\\.{_URL}{{16,40}}"),
)
"""How a token begins, and a pattern of how it goes on."""
HEADERS = ("Bearer ", "bearer ", "Basic ", "basic ")
"""What stands before a token in a header of HTTP."""
BOT = "AA"
"""How the key of a bot of Telegram begins, behind its number and a colon."""
TELEGRAM = rf"\d{{8,10}}:{BOT}[A-Za-z0-9_-]{{32,35}}"


def patterns() -> tuple[bytes, bytes, bytes]:
    """Of tokens that begin with one of the `beginnings`, one alternation, the longer beginning first; of tokens in
    headers, as group `value`, which begin so too; and of those that begin with a number."""
    issued = "|".join(re.escape(prefix) + rest for prefix, rest in sorted(TOKENS, reverse=True))
    token = rf"(?<!\w)(?:{issued})(?!\w)"
    header = rf"(?<!\w)(?:{'|'.join(HEADERS)})(?P<value>[\w.~+/-]{{16,2000}}={{0,2}})"
    return token.encode(), header.encode(), rf"(?<!\w){TELEGRAM}(?!\w)".encode()


def beginnings() -> list[bytes]:
    """All prefixes: what the compiled pass looks for."""
    return sorted({prefix.encode() for prefix in [*dict(TOKENS), *HEADERS, BOT]})

"""What a single text may hold: something to see, nothing that hides, no marker of a chat template."""

import re
import unicodedata
from dataclasses import dataclass

from batch_jobs.prepare.checking.problems import BadRow
from tunesmith.contracts.datasets import ProblemCode
from tunesmith.contracts.preparation import Invisible, NormaliseRecipe

CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f]")
NO_CHARACTER = re.compile("[\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
"""Half surrogate pairs and what Unicode keeps for programs: no text has them, whatever the recipe says."""
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064"
    "\u2066-\u206f\u3164\ufeff\uffa0]"
    "|(?<![\u0600-\u06ff\u0900-\u0dff\u200d\u2600-\u27bf\ufe0f\U0001f000-\U0001faff])[\u200c\u200d]+"
    "|(?<![\U0001f3f4\U000e0020-\U000e007e])[\U000e0000-\U000e007f]+"
)
"""What nobody sees and no script needs. Joiners stay where letters or emoji are joined, tags where they make a flag."""
SUSPECT = re.compile(
    "[\x00-\x08\x0b\x0e-\x1f\x7f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ud800-\udfff\ufdd0-\ufdef\ufeff\uffa0\ufffe\uffff\U000e0000-\U000e007f]"
)
"""All characters of the three sets above, without a look at what stands before: a text with none of them is clean."""
CHAT_MARKER = re.compile(r"<\|[A-Za-z0-9_]{1,40}\|>")

_HIDDEN = "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u2800\u3164\ufeff\uffa0"
_RANGES = ((0x180B, 0x180F), (0x200B, 0x200F), (0x2028, 0x202E), (0x2060, 0x206F), (0xFE00, 0xFE0F), (0xE0000, 0xE007F))
NOTHING_TO_SEE = (
    _HIDDEN
    + "".join(chr(code) for first, last in _RANGES for code in range(first, last + 1))
    + "".join(chr(code) for code in range(0x3001) if chr(code).isspace())
)


@dataclass(frozen=True, slots=True)
class TextChecks:
    """What the recipe refuses; what it does not, later steps remove, escape or keep."""

    invisible: bool = True
    markers: bool = True

    @classmethod
    def of(cls, recipe: NormaliseRecipe) -> "TextChecks":
        return cls(recipe.invisible is Invisible.REFUSE, recipe.special_tokens == "refuse")

    def is_plain(self, text: str) -> bool:
        """Whether a quick look is enough: most texts begin with a letter and hold nothing odd."""
        first = text[:1]
        return (" " < first < "\x7f" or first.isalnum()) and "<|" not in text and not SUSPECT.search(text)

    def visible(self, text: str, place: str) -> str:
        """The text, checked, which must show something. Raises BadRow."""
        if self.is_plain(text):
            return text
        if is_blank(text):
            raise BadRow(ProblemCode.BLANK_CONTENT, "nothing visible in this text", field=place)
        return self.any(text, place)

    def any(self, text: str, place: str) -> str:
        """The text, checked, which may be blank. Raises BadRow."""
        if SUSPECT.search(text) and (found := CONTROL.search(text) or self._hidden(text)):
            char = found[0][0]
            name = unicodedata.name(char, "a control character" if char < " " else "no character")
            message = f"U+{ord(char):04X} ({name}) at character {found.start() + 1}"
            raise BadRow(ProblemCode.BAD_CHARACTER, message, field=place)
        if self.markers and "<|" in text and (found := CHAT_MARKER.search(text)):
            message = f"the chat marker {found[0]} at character {found.start() + 1}: was a template applied already?"
            raise BadRow(ProblemCode.SPECIAL_TOKEN, message, field=place)
        return text

    def _hidden(self, text: str) -> re.Match[str] | None:
        return NO_CHARACTER.search(text) or (INVISIBLE.search(text) if self.invisible else None)


def is_blank(text: str) -> bool:
    """Whether there is nothing to see in the text, invisible characters included."""
    return not text.strip(NOTHING_TO_SEE)

"""What can be wrong with a row, said so that a person can mend it."""

from batch_jobs.prepare.checking.telling import without_secrets
from tunesmith.contracts.datasets import Problem, ProblemCode, Severity

HINTS = {
    ProblemCode.TYPE_MISMATCH: "Name the file for what it is, or upload it as one of the types that are read.",
    ProblemCode.UNREADABLE: "Upload the whole file again, or export it again from its source.",
    ProblemCode.NOT_UTF8: "Save the file as UTF-8.",
    ProblemCode.NOT_JSON: "Write one complete JSON object per line.",
    ProblemCode.NOT_AN_OBJECT: 'Write each row as a JSON object with the keys of a format, as in {"messages": [...]}.',
    ProblemCode.DUPLICATE_KEY: "Keep one of the two: which value counts is undefined in JSON.",
    ProblemCode.NUMBER_RANGE: "JSON knows neither NaN nor Infinity; use a number that fits in 64 bits, or a string.",
    ProblemCode.TOO_DEEP: "Training rows are flat; this looks like another kind of document.",
    ProblemCode.LINE_TOO_LONG: "Shorten the row, or raise prepare.max_line_bytes in the recipe.",
    ProblemCode.UNKNOWN_FORMAT: (
        "Name your columns in the recipe, as in prepare.read.columns: {question: prompt, answer: completion}, "
        'or write {"messages": [...]}.'
    ),
    ProblemCode.MISSING_FIELD: "Add the field.",
    ProblemCode.WRONG_TYPE: "Change the value to the type that is expected there.",
    ProblemCode.UNSUPPORTED: (
        "Leave such rows out, write what is learnt into the text, or, where the text stands without it, take the key "
        "out (a column: prepare.read.columns: {images: unused})."
    ),
    ProblemCode.UNKNOWN_ROLE: "Use one of system, developer, user, assistant, tool; ShareGPT: human, gpt, system.",
    ProblemCode.NO_ASSISTANT_TURN: "End the conversation with the assistant's answer to what stands before it.",
    ProblemCode.BLANK_CONTENT: "Fill in the text, or remove the row.",
    ProblemCode.BAD_CHARACTER: (
        "Remove the character, or export the text again from its source; "
        "prepare.normalise.invisible: remove takes out those that nobody sees."
    ),
    ProblemCode.SPECIAL_TOKEN: (
        "Remove the marker: upload plain text, the model's own chat template is added later; "
        "prepare.normalise.special_tokens: escape keeps it as letters."
    ),
    ProblemCode.MIXED_FORMAT: (
        "Upload the two formats as two files; for formats of one kind, prepare.read.mixed_formats: convert takes both."
    ),
    ProblemCode.TOOL_MISMATCH: (
        "Declare every tool that is called in tools, give arguments as a JSON object in a string, "
        "and answer each call once by its id."
    ),
    ProblemCode.EQUAL_PAIR: "Make the two answers differ, or remove the row: it prefers nothing.",
    ProblemCode.SWAPPED_PAIR: "Look at both rows and remove the one whose answers are the wrong way round.",
    ProblemCode.RAGGED_ROW: "Give the row as many fields as the header has; put quotes round a field with a comma.",
    ProblemCode.BAD_QUOTES: 'Close every quote; inside a quoted field write "" for a quote.',
}


class BadRow(Exception):
    """Raised by the parser for a row that goes to quarantine."""

    def __init__(self, code: ProblemCode, message: str, field: str | None = None):
        super().__init__(message)
        self.code, self.message, self.field = code, message, field

    def __reduce__(self) -> tuple[type["BadRow"], tuple[ProblemCode, str, str | None]]:
        """For another process: an exception is otherwise made anew from its message alone."""
        return BadRow, (self.code, self.message, self.field)

    def bare(self) -> "BadRow":
        """The same without its traceback, whose frames would hold their rows for as long as the problem is held."""
        self.__context__ = self.__cause__ = None
        return self.with_traceback(None)

    def at(self, source: str, line: int, offset: int, severity: Severity = Severity.ERROR) -> Problem:
        """What people are told: no personal data or secret that stood in a key or a name."""
        return Problem(
            source=source,
            line=line,
            offset=offset,
            code=self.code,
            field=None if self.field is None else without_secrets(self.field),
            message=without_secrets(self.message),
            hint=HINTS[self.code],
            severity=severity,
        )

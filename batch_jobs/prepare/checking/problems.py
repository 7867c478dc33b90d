"""What can be wrong with a row, said so that a person can mend it."""

from tunesmith.contracts.datasets import Problem, ProblemCode

HINTS = {
    ProblemCode.NOT_UTF8: "Save the file as UTF-8.",
    ProblemCode.NOT_JSON: "Write one complete JSON object per line; a JSON array must be split into lines.",
    ProblemCode.NOT_AN_OBJECT: "Write one JSON object per line; a JSON array must be split into lines.",
    ProblemCode.DUPLICATE_KEY: "Keep one of the two: which value counts is undefined in JSON.",
    ProblemCode.NUMBER_RANGE: "JSON knows neither NaN nor Infinity; use a number that fits in 64 bits, or a string.",
    ProblemCode.TOO_DEEP: "Training rows are flat; this looks like another kind of document.",
    ProblemCode.LINE_TOO_LONG: "Shorten the row, or raise prepare.max_line_bytes in the recipe.",
    ProblemCode.UNKNOWN_FORMAT: (
        'Use {"messages": [...]}, {"prompt": ..., "completion": ...} or {"instruction": ..., "output": ...}, text only.'
    ),
    ProblemCode.MISSING_FIELD: "Add the field.",
    ProblemCode.WRONG_TYPE: "Change the value to the type that is expected there.",
    ProblemCode.UNKNOWN_ROLE: "Use one of system, developer, user, assistant.",
    ProblemCode.NO_ASSISTANT_TURN: "End the conversation with the assistant's answer to what stands before it.",
    ProblemCode.BLANK_CONTENT: "Fill in the text, or remove the row.",
    ProblemCode.BAD_CHARACTER: "Remove the character, or export the text again from its source.",
    ProblemCode.SPECIAL_TOKEN: "Remove the markers: upload plain text, the model's own chat template is added later.",
}


class BadRow(Exception):
    """Raised by the parser for a row that goes to quarantine."""

    def __init__(self, code: ProblemCode, message: str, field: str | None = None):
        super().__init__(message)
        self.code, self.message, self.field = code, message, field

    def at(self, source: str, line: int, offset: int) -> Problem:
        return Problem(
            source=source,
            line=line,
            offset=offset,
            code=self.code,
            field=self.field,
            message=self.message,
            hint=HINTS[self.code],
        )

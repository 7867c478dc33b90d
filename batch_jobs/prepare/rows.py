"""Every line of every source, sent where it belongs: a split, the quarantine, or a drop with its reason."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TextIO

from batch_jobs.prepare.checking.conversations import Conversation, parse_conversation
from batch_jobs.prepare.checking.decoding import decode_object
from batch_jobs.prepare.checking.problems import BadRow
from batch_jobs.prepare.ledger import Ledger, Tally
from batch_jobs.prepare.reading.lines import BOM, Line, check_text, read_lines
from batch_jobs.prepare.splitting import Assignment, Placed, keys_of
from batch_jobs.prepare.writing import SplitFiles, quarantine_line
from tunesmith.contracts.datasets import DropReason, ProblemCode, Source, Split
from tunesmith.contracts.recipes import PrepareRecipe

QUARANTINE = "quarantine.jsonl"


class RowSorter(AbstractContextManager["RowSorter"]):
    """Sorts rows into the files of `folder` and counts every one of them."""

    def __init__(self, folder: Path, recipe: PrepareRecipe, frozen_prompts: frozenset[str]):
        self.ledger = Ledger()
        self._recipe = recipe
        self._assignment = Assignment(recipe, frozen_prompts)
        self._open_files = ExitStack()
        self._splits = self._open_files.enter_context(SplitFiles(folder))
        self._quarantine: TextIO = self._open_files.enter_context((folder / QUARANTINE).open("w", encoding="utf-8"))

    def __exit__(self, *_: object) -> None:
        self._open_files.close()

    @property
    def rows(self) -> dict[Split, int]:
        return self._splits.rows

    def add(self, source: Source, file: Path) -> Iterator[int]:
        """Take every line of one source; yields after each how many bytes are behind it.

        Raises InvalidInput where the file is no text.
        """
        tally = self.ledger.tally(source.uri)
        with file.open("rb", buffering=1 << 20) as stream:
            check_text(stream.read(8), source.uri)
            stream.seek(0)
            for line in read_lines(stream, self._recipe.max_line_bytes):
                tally.rows_in += 1
                self._take(line, source, tally)
                yield line.offset + line.length

    def _take(self, line: Line, source: Source, tally: Tally) -> None:
        if line.is_whole and not _without_bom(line).strip():
            tally.dropped[DropReason.BLANK_LINE] += 1
            return
        try:
            conversation = _parse(line)
        except BadRow as bad:
            self._put_aside(bad, line, source, tally)
            return
        self.ledger.formats[conversation.format] += 1
        self._keep(conversation, line, source, tally)

    def _put_aside(self, bad: BadRow, line: Line, source: Source, tally: Tally) -> None:
        tally.quarantined += 1
        self.ledger.problems[bad.code] += 1
        self._quarantine.write(quarantine_line(bad.at(source.uri, line.number, line.offset), line))

    def _keep(self, conversation: Conversation, line: Line, source: Source, tally: Tally) -> None:
        keys = keys_of(conversation.turns)
        place = self._assignment.place(conversation, keys, source.kind)
        if not isinstance(place, Placed):
            tally.dropped[place] += 1
            return
        tally.kept += 1
        if place.split == Split.TRAIN:
            self.ledger.characters += conversation.characters
        origin = (source.uri, line.number)
        self._splits.add(place.split, keys.conversation, conversation.turns, place.trained, origin)


def _parse(line: Line) -> Conversation:
    if not line.is_whole:
        raise BadRow(ProblemCode.LINE_TOO_LONG, f"{line.length} bytes")
    return parse_conversation(decode_object(_without_bom(line)))


def _without_bom(line: Line) -> bytes:
    """Windows programs put a byte order mark before the first line; it is no fault of the row."""
    return line.raw.removeprefix(BOM) if line.number == 1 else line.raw

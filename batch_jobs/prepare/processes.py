"""Processes that scan ranges of a file side by side: each has its own Python, so none waits for another's.

They are forked when the job begins and know all that it has read by then. Each reads its ranges itself and lays the
rows in its corner of the spool; what is said of the rows comes back on trays, in turns.
"""

import ctypes
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from batch_jobs.prepare.batches import RowBatch
from batch_jobs.prepare.reading.json_lines import line_blocks
from batch_jobs.prepare.reading.ranges import Range, range_blocks
from batch_jobs.prepare.scanning import FileScan, Scanned, Scanner
from batch_jobs.prepare.spool import Corner
from batch_jobs.prepare.trays import Tray
from tunesmith.contracts.errors import PlatformError

AHEAD = 2
"""Ranges that a process is told of before it has answered: one to scan, one to begin without waiting. It has as many
trays, so the one that it puts an answer on has been emptied: it was told of the range after that."""
KILLED = 128
"""What a shell adds to the number of the signal that ended a process."""
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT_BYTES = 512 << 20

SAMPLE = b"""
{"messages": [{"role": "user", "content": "Is caf\xc3\xa9@example.org it?"}, {"role": "assistant", "content": "Yes."}]}
{"messages": [{"role": "user", "content": "4111 1111 1111 1111", "name": "ann"}, {"role": "assistant", "content": ""}]}
"""
"""Lines that are scanned in as many ways as lines of a file are."""

Answer = list[tuple[Scanned, slice | Path]]
"""Of each block of a range what is said of its rows, and where in the corner they lie."""


def may_fork() -> bool:
    """Whether this process can be forked: a thread beside this one may hold a lock, which no copy would ever release.
    macOS's own libraries are not made for it."""
    return sys.platform == "linux" and threading.active_count() == 1


@dataclass(slots=True)
class Member:
    """One of the processes, as the one that forked it sees it."""

    corner: Corner
    trays: list[Tray]
    channel: Connection
    process: BaseProcess
    asked: deque[int] = field(default_factory=deque)
    """The ranges that it has not answered yet."""

    def answer(self) -> Answer:
        """Wait for the next one. Raises what the scan raised, and SystemExit where the process was killed."""
        try:
            turn, parcel = self.channel.recv()
        except (EOFError, ConnectionResetError):
            raise SystemExit(self._ended()) from None
        answer = self.trays[turn].take(parcel)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _ended(self) -> int:
        """The exit code of a process that ended as this one did, after the reason was told."""
        self.process.join()
        code = self.process.exitcode or 1
        print(f"a process that scanned rows ended: {_reason(code)}", file=sys.stderr, flush=True)
        return KILLED - code if code < 0 else code


class ScanProcesses:
    """As many processes as corners; they hold memory until they are closed."""

    def __init__(self, scanner: Scanner, corners: list[Corner]):
        self._members: list[Member] = []
        forking = get_context("fork")
        for corner in corners:
            trays = [Tray() for _ in range(AHEAD)]
            ours, theirs = forking.Pipe()
            others = [ours, *(member.channel for member in self._members)]
            process = forking.Process(target=_work, args=(scanner, corner, trays, theirs, others), daemon=True)
            process.start()
            theirs.close()
            self._members.append(Member(corner, trays, ours, process))

    def close(self) -> None:
        for member in self._members:
            member.channel.close()
            member.process.terminate()
        for member in self._members:
            member.process.join()

    def scan(
        self, file: FileScan, path: Path, ranges: Iterable[Range], has_room: Callable[[], bool]
    ) -> Iterator[tuple[Corner, Answer]]:
        """The answers in the order of the ranges, each with the corner in which the rows lie: in memory while there is
        room.

        Raises what a scan raises, and SystemExit where a process was killed, as if this one had been.
        """
        untold, first = enumerate(ranges), 0
        answers: dict[int, tuple[Corner, Answer]] = {}

        def ask(member: Member) -> None:
            """Small enough for the pipe to take while the process at its other end is sending."""
            if (found := next(untold, None)) is not None:
                member.asked.append(found[0])
                member.channel.send((found[1], has_room()))

        for member in self._members:
            member.channel.send((file, path))
        for member in self._members * AHEAD:
            ask(member)
        while any(member.asked for member in self._members):
            ready = wait([member.channel for member in self._members])
            for member in [member for member in self._members if member.channel in ready]:
                answers[member.asked.popleft()] = (member.corner, member.answer())
                ask(member)
            while first in answers:
                yield answers.pop(first)
                first += 1
        for member in self._members:
            member.channel.send(None)


def _reason(code: int) -> str:
    if code == -signal.SIGKILL:
        return "killed from outside, most likely for want of memory"
    return f"by signal {-code}" if code < 0 else f"with exit code {code}"


def _work(scanner: Scanner, corner: Corner, trays: list[Tray], channel: Connection, others: list[Connection]) -> None:
    """A process: it ends when the one that forked it does, since then nobody else holds the other end."""
    for other in others:
        other.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the first process decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _keep_memory()
    _warm(scanner)
    turns = cycle(range(len(trays)))
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            file, path = channel.recv()
            while (asked := channel.recv()) is not None:
                turn = next(turns)
                channel.send((turn, trays[turn].put(_answer(scanner, corner, file, path, *asked))))


def _warm(scanner: Scanner) -> None:
    """Load the compiled loops while the first process looks at the beginning of a file."""
    (block,) = line_blocks([(SAMPLE, 0)], scanner.recipe.max_line_bytes)
    with suppress(PlatformError):  # such as of columns that the recipe names, and that the sample has not
        scanner.scan(scanner.begin(0, "sample.jsonl", block), block)


def _answer(
    scanner: Scanner, corner: Corner, file: FileScan, path: Path, asked: Range, in_memory: bool
) -> Answer | Exception:
    answer: Answer = []
    try:
        for block in range_blocks(path, asked, scanner.recipe.max_line_bytes):
            scanned = scanner.scan(file, block)
            answer.append((scanned, corner.lay(scanned.batch, in_memory)))
            scanned.batch = RowBatch.of([], [])
    except Exception as error:
        error.add_note(f"In a process that scanned rows:\n{traceback.format_exc()}")
        return error
    return answer


def _keep_memory() -> None:
    """Let the C library keep what is freed: each block asks for as much again, and pages that are new cost more than
    what is done with them."""
    with suppress(OSError, AttributeError):  # a library without it is as well
        library = ctypes.CDLL(None)
        library.mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)
        library.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)

"""Processes that scan one file side by side: each has its own Python, so none waits for another's.

They are forked when the job begins and know all that it has read by then. A process reads a range of JSON lines itself;
blocks of other files it is handed on a tray. It lays the rows in its corner of the spool and says the rest on another
tray. Trays are used in turns, and a pipe tells of what lies on them.
"""

import ctypes
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import cycle
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from pickle import PickleBuffer

from batch_jobs.prepare.batches import RowBatch
from batch_jobs.prepare.reading.blocks import Block
from batch_jobs.prepare.reading.json_lines import line_blocks
from batch_jobs.prepare.reading.ranges import Range, range_blocks
from batch_jobs.prepare.scanning import FileScan, Scanned, Scanner
from batch_jobs.prepare.spool import Corner, Laid
from batch_jobs.prepare.trays import Parcel, Tray
from tunesmith.contracts.errors import PlatformError

AHEAD = 2
"""What a process is told of before it has answered: one thing to do, one to begin without waiting. It has as many trays
each way, so the one whose turn it is has been emptied: it was told of the next thing after that."""
SMALL = 1 << 15
"""Bytes that a pipe takes even if the process at its other end is sending and does not read."""
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
"""Of each block what is said of its rows, and where in the corner they lie."""


def may_fork() -> bool:
    """Whether this process can be forked: a thread beside this one may hold a lock, which no copy would ever release.
    macOS's own libraries are not made for it."""
    return sys.platform == "linux" and threading.active_count() == 1


@dataclass(slots=True)
class Desk:
    """What a process and the one that forked it share."""

    corner: Corner
    tasks: list[Tray] = field(default_factory=lambda: [Tray() for _ in range(AHEAD)])
    answers: list[Tray] = field(default_factory=lambda: [Tray() for _ in range(AHEAD)])


@dataclass(slots=True)
class Member:
    """One of the processes, as the one that forked it sees it."""

    desk: Desk
    channel: Connection
    process: BaseProcess
    asked: deque[int] = field(default_factory=deque)
    """The numbers of what it has not answered yet."""
    _turns: Iterator[int] = field(default_factory=lambda: cycle(range(AHEAD)))

    def lay(self, work: Range | Block) -> tuple[int, Parcel]:
        """Lay something to do on the tray whose turn it is."""
        turn = next(self._turns)
        if isinstance(work, Block):
            work = replace(work, data=PickleBuffer(work.data))  # type: ignore[arg-type]  # the bytes, not a copy
        return turn, self.desk.tasks[turn].put(work)

    def send(self, message: object) -> None:
        """Raises SystemExit where the process was killed."""
        try:
            self.channel.send(message)
        except (BrokenPipeError, ConnectionResetError):
            raise SystemExit(self._ended()) from None

    def receive(self) -> tuple[int, Answer]:
        """Its next answer. Raises what the scan raised, and SystemExit where the process was killed."""
        try:
            turn, parcel = self.channel.recv()
        except (EOFError, ConnectionResetError):
            raise SystemExit(self._ended()) from None
        answer = self.desk.answers[turn].take(parcel)
        if isinstance(answer, BaseException):
            raise answer
        return self.asked.popleft(), answer

    def _ended(self) -> int:
        """The exit code of a process that ended as this one did, after the reason was told."""
        self.process.join()
        code = self.process.exitcode or 1
        print(f"a process that scanned rows ended: {_reason(code)}", file=sys.stderr, flush=True)
        return KILLED - code if code < 0 else code


class ScanProcesses:
    """As many processes as corners; they hold memory until they are closed."""

    def __init__(self, scanner: Scanner, corners: Iterable[Corner]):
        self._members: list[Member] = []
        forking = get_context("fork")
        for desk in map(Desk, corners):
            ours, theirs = forking.Pipe()
            others = [ours, *(member.channel for member in self._members)]
            process = forking.Process(target=_work, args=(scanner, desk, theirs, others), daemon=True)
            process.start()
            theirs.close()
            self._members.append(Member(desk, ours, process))

    def close(self) -> None:
        for member in self._members:
            member.channel.close()
            member.process.terminate()
        for member in self._members:
            member.process.join()

    def scan(
        self, file: FileScan, works: Iterable[Range | Block], has_room: Callable[[], bool]
    ) -> Iterator[tuple[Scanned, Laid]]:
        """Of each block of the file, in order, what is said of its rows, and where they lie: in memory while there is
        room. `works` are all ranges of the file or all its blocks.

        Raises what a scan raises, and SystemExit where a process was killed, as if this one had been.
        """
        for member in self._members:
            member.send(file)
        lines = 0
        for is_range, corner, answer in _Round(self._members, works, has_room).answers():
            before = lines if is_range else 0
            for scanned, place in answer:
                scanned.moved(before)
                lines += scanned.rows_in
                yield scanned, corner.laid(place, before)
        for member in self._members:
            member.send(None)


class _Round:
    """What there is to do with one file is handed out, and the answers are put in order."""

    def __init__(self, members: list[Member], works: Iterable[Range | Block], has_room: Callable[[], bool]):
        self._members, self._works, self._has_room = members, enumerate(works), has_room
        self._are_ranges: dict[int, bool] = {}
        self._answered: dict[int, tuple[Corner, Answer]] = {}

    def answers(self) -> Iterator[tuple[bool, Corner, Answer]]:
        """Each with whether it is of a range, whose lines count from its first one."""
        first = 0
        for member in self._members * AHEAD:
            self._ask(member)
        while busy := [member for member in self._members if member.asked]:
            ready = wait([member.channel for member in busy])
            for member in [member for member in busy if member.channel in ready]:
                self._receive(member)
                self._ask(member)
            while first in self._answered:
                yield self._are_ranges.pop(first), *self._answered.pop(first)
                first += 1

    def _ask(self, member: Member) -> None:
        """Hand out what is next, if there is more."""
        number, work = next(self._works, (0, None))
        if work is None:
            return
        self._are_ranges[number] = isinstance(work, Range)
        turn, parcel = member.lay(work)
        while len(parcel.pickled) > SMALL and member.asked:  # too large for the tray: it must be read at once
            self._receive(member)
        member.asked.append(number)
        member.send((turn, parcel, self._has_room()))

    def _receive(self, member: Member) -> None:
        number, answer = member.receive()
        self._answered[number] = member.desk.corner, answer


def _reason(code: int) -> str:
    if code == -signal.SIGKILL:
        return "killed from outside, most likely for want of memory"
    return f"by signal {-code}" if code < 0 else f"with exit code {code}"


def _work(scanner: Scanner, desk: Desk, channel: Connection, others: list[Connection]) -> None:
    """A process: it ends when the one that forked it does, since then nobody else holds the other end."""
    for other in others:
        other.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the first process decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _keep_memory()
    _warm(scanner)
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            file = channel.recv()
            while (task := channel.recv()) is not None:
                turn, parcel, in_memory = task
                work = desk.tasks[turn].take(parcel)
                answer = _answer(scanner, file, work, desk.corner, in_memory)
                channel.send((turn, desk.answers[turn].put(answer)))


def _warm(scanner: Scanner) -> None:
    """Load the compiled loops while the first process looks at the beginning of a file."""
    (block,) = line_blocks([(SAMPLE, 0)], scanner.recipe.max_line_bytes)
    with suppress(PlatformError):  # such as of columns that the recipe names, and that the sample has not
        scanner.scan(scanner.begin(0, "sample.jsonl", block), block)


def _answer(
    scanner: Scanner, file: FileScan, work: Range | Block, corner: Corner, in_memory: bool
) -> Answer | Exception:
    answer: Answer = []
    try:
        for block in [work] if isinstance(work, Block) else range_blocks(work, scanner.recipe.max_line_bytes):
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

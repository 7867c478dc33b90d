"""Processes that scan one file side by side: each has its own Python, so none waits for another's.

They are forked when the job begins and know all that it has read by then. A process reads a range of JSON lines itself;
blocks of other files it is handed on a tray. It lays the rows in its corner of the spool and says the rest on another
tray. Trays are used in turns, and a pipe tells of what lies on them.
"""

import ctypes
import pickle
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

from batch_jobs.prepare.batches import Bytes, RowBatch
from batch_jobs.prepare.reading.blocks import Block
from batch_jobs.prepare.reading.json_lines import line_blocks
from batch_jobs.prepare.reading.ranges import Range, range_blocks
from batch_jobs.prepare.scanning import FileScan, Scanned, Scanner
from batch_jobs.prepare.spool import Corner
from batch_jobs.prepare.trays import Parcel, Tray
from tunesmith.contracts.errors import PlatformError

AHEAD = 2
"""Tasks that a process is told of before it has answered: one to do, one to begin without waiting. There are as many
trays each way. Task n comes only after answer n - 2, so the trays of both are free for task n and its answer."""
UNSORTED = 4
"""Tasks a process that are handed out beyond the first that is not answered: answers wait in memory for their turn."""
SMALL = 1 << 15
"""Bytes that a pipe takes even if the process at its other end is sending and does not read."""
KILLED = 128
"""What a shell adds to the number of the signal that ended a process."""
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Of glibc's mallopt(3)."""
KEPT_BYTES = 512 << 20
"""More than the scan of a block asks for: so all that is freed is kept for the next one."""
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

    def put(self, work: Range | Block) -> tuple[int, Parcel]:
        """Put something to do on the tray whose turn it is."""
        turn = next(self._turns)
        if isinstance(work, Block):
            work = replace(work, data=pickle.PickleBuffer(work.data))  # type: ignore[arg-type]  # the bytes, not a copy
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
        except (EOFError, OSError):  # an OSError where it ended in the middle of a message
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
            member.process.kill()
        for member in self._members:
            member.process.join()

    def scan(
        self, file: FileScan, works: Iterable[Range | Block], has_room: Callable[[], bool]
    ) -> Iterator[tuple[Scanned, Bytes | Path]]:
        """Of each block of the file, in order, what is said of its rows, and the rows as they were laid: in memory
        while there is room. `works` are ranges of the file or its blocks.

        Raises what a scan raises, and SystemExit where a process was killed, as if this one had been.
        """
        for member in self._members:
            member.send(file)
        for corner, answer in _Round(self._members, works, has_room).answers():
            for scanned, place in answer:
                yield scanned, corner.laid(place)
        for member in self._members:
            member.send(None)


class _Round:
    """What there is to do with one file is handed out, and the answers are put in order."""

    def __init__(self, members: list[Member], works: Iterable[Range | Block], has_room: Callable[[], bool]):
        self._members, self._works, self._has_room = members, iter(works), has_room
        self._next = self._first = 0
        """The number of the next task, and of the first one whose answer was not given yet."""
        self._answered: dict[int, tuple[Corner, Answer]] = {}

    def answers(self) -> Iterator[tuple[Corner, Answer]]:
        self._hand_out()
        while busy := [member for member in self._members if member.asked]:
            ready = wait([member.channel for member in busy])
            for member in [member for member in busy if member.channel in ready]:
                self._receive(member)
            self._hand_out()
            while self._first in self._answered:
                yield self._answered.pop(self._first)
                self._first += 1
            self._hand_out()

    def _hand_out(self) -> None:
        """Give everyone the first of its tasks, then the one to begin with afterwards."""
        for ahead in range(1, AHEAD + 1):
            for member in self._members:
                if len(member.asked) < ahead and self._next < self._first + UNSORTED * len(self._members):
                    self._ask(member)

    def _ask(self, member: Member) -> None:
        """Tell it of the next task, if there is one more."""
        work = next(self._works, None)
        if work is None:
            return
        turn, parcel = member.put(work)
        while len(parcel.pickled) > SMALL and member.asked:  # too large for the tray: it must be read at once
            self._receive(member)
        member.asked.append(self._next)
        self._next += 1
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
    for asked_to_stop in (signal.SIGINT, signal.SIGTERM):  # a whole group is often told; the first process decides
        signal.signal(asked_to_stop, signal.SIG_IGN)
    _keep_memory()
    _warm(scanner)
    with suppress(EOFError, OSError):
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
        return _portable(error)
    return answer


def _portable(error: Exception) -> Exception:
    """The error with its traceback told; where it cannot be made anew in another process, what it says."""
    told = f"In a process that scanned rows:\n{traceback.format_exc()}"
    try:
        again = pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(told)
    again.add_note(told)
    return again


def _keep_memory() -> None:
    """Let the C library keep what is freed: each block asks for as much again, and pages that are new cost more than
    what is done with them."""
    with suppress(OSError, AttributeError):  # a library without it is as well
        library = ctypes.CDLL(None)
        library.mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)
        library.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)

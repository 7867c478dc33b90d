"""Processes answer in order, tell what went wrong in them, and do not outlive the one that forked them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from batch_jobs.prepare.processes import UNSORTED, ScanProcesses
from batch_jobs.prepare.reading import inflating, json_lines, ranges
from batch_jobs.prepare.reading.blocks import Block
from batch_jobs.prepare.reading.files import read_blocks
from batch_jobs.prepare.reading.json_lines import line_blocks
from batch_jobs.prepare.reading.ranges import line_ranges, range_blocks
from batch_jobs.prepare.scanning import FileScan, Scanned, Scanner
from batch_jobs.prepare.spool import Corner, Spool
from batch_jobs.prepare.trays import Tray
from tests.support.preparing import EASY, Workplace, jsonl
from tunesmith.contracts.environment import VCPUS
from tunesmith.contracts.errors import InvalidInput
from tunesmith.contracts.jobs import ExitCode

NO_PROMPTS = np.empty((0, 2), np.uint64)


def answers(
    scanner: Scanner, file: Path, count: int, memory: int = 1 << 20, by_ranges: bool = True
) -> Iterator[tuple[Scanned, int]]:
    """What is said of each block, and the number of the line that its first row stands on."""
    spool = Spool(file.parent, memory)
    processes = ScanProcesses(scanner, spool.corners(count))
    try:
        begun = scanner.begin(0, file.name, next(read_blocks(file, file.name, EASY)))
        works = line_ranges(file) if by_ranges else read_blocks(file, file.name, EASY)
        for scanned, laid in processes.scan(begun, works, lambda: spool.has_room):
            spool.add_laid(laid)
            rows = spool[len(spool) - 1]
            yield scanned, int(rows.line[0]) if len(rows) else 0
    finally:
        processes.close()
        assert not any(member.process.is_alive() for member in processes._members)


class Slow(Scanner):
    """Early rows take longest."""

    def scan(self, file: FileScan, block: Block) -> Scanned:
        number = int(block.offsets[0])
        time.sleep(0.2 if number == 0 else 0.001)
        return super().scan(file, block)


class Dies(Scanner):
    def scan(self, file: FileScan, block: Block) -> Scanned:
        if file.uri != "sample.jsonl" and block.offsets[0] > 1_000:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().scan(file, block)


class Odd(Exception):
    """Cannot be made anew from what it was made of."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"{one} and {other}")


class Fails(Scanner):
    def scan(self, file: FileScan, block: Block) -> Scanned:
        if file.uri != "sample.jsonl":
            raise Odd("this", "that")
        return super().scan(file, block)


class Refuses(Scanner):
    def scan(self, file: FileScan, block: Block) -> Scanned:
        if file.uri != "sample.jsonl" and block.offsets[0] > 1_000:
            raise InvalidInput("no such rows", param="rows")
        return super().scan(file, block)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(ranges, "BLOCK_BYTES", 1_000)
    monkeypatch.setattr(json_lines, "BLOCK_BYTES", 1_000)
    monkeypatch.setattr(inflating, "PLAIN_BYTES", 1_000)
    found = tmp_path / "a.jsonl"
    found.write_bytes(jsonl({"prompt": str(n), "completion": f"answer {n}"} for n in range(400)))
    return found


@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize("memory", [0, 3_000, 1 << 20])
@pytest.mark.parametrize("by_ranges", [True, False], ids=["ranges", "blocks"])
def test_answers_come_in_the_order_of_the_file(file: Path, count: int, memory: int, by_ranges: bool) -> None:
    found = list(answers(Slow(EASY, NO_PROMPTS), file, count, memory, by_ranges))
    assert len(found) > 15
    before = 0
    for scanned, line in found:
        assert line == before + 1
        before += scanned.rows_in
    assert before == 400
    if by_ranges:
        assert [int(scanned.facts.offset[0]) for scanned, _ in found] == [asked.start for asked in line_ranges(file)]
        assert [scanned.consumed for scanned, _ in found] == [asked.end for asked in line_ranges(file)]


def test_blocks_that_are_larger_than_a_tray_and_a_pipe_are_scanned_too(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ways at once: of bad rows everything goes back."""
    monkeypatch.setattr(Tray.__init__, "__defaults__", (10,))
    monkeypatch.setattr(json_lines, "BLOCK_BYTES", 300_000)
    file.write_bytes(b'{"prompt": "no end\n' * 40_000)
    found = list(answers(Scanner(EASY, NO_PROMPTS), file, 2, by_ranges=False))
    assert sum(scanned.rows_in for scanned, _ in found) == 40_000
    assert [row.number for scanned, _ in found for row in scanned.quarantined] == list(range(1, 40_001))


def test_what_a_scan_raises_is_raised_here_and_says_where(file: Path) -> None:
    with pytest.raises(InvalidInput, match="no such rows") as raised:
        list(answers(Refuses(EASY, NO_PROMPTS), file, 2))
    assert raised.value.param == "rows"
    assert "In a process that scanned rows" in raised.value.__notes__[0]


def test_an_error_that_cannot_be_made_anew_here_says_what_it_was(file: Path) -> None:
    with pytest.raises(RuntimeError, match="Odd: this and that"):
        list(answers(Fails(EASY, NO_PROMPTS), file, 2))


def test_no_more_is_answered_than_a_few_tasks_a_process_while_the_first_is_waited_for(
    file: Path, tmp_path: Path
) -> None:
    begun: list[int] = []

    def works() -> Iterator[ranges.Range]:
        for asked in line_ranges(file):
            begun.append(asked.number)
            yield asked

    scanner, spool = Slow(EASY, NO_PROMPTS), Spool(tmp_path)
    processes = ScanProcesses(scanner, spool.corners(2))
    try:
        shared = scanner.begin(0, file.name, next(read_blocks(file, file.name, EASY)))
        scanning = processes.scan(shared, works(), lambda: True)
        next(scanning)
        assert len(list(line_ranges(file))) > 15 and len(begun) <= UNSORTED * 2
        assert len(list(scanning)) == len(list(line_ranges(file))) - 1 == len(begun) - 1
    finally:
        processes.close()


def test_a_process_that_is_killed_while_it_answers_is_told_as_killed(file: Path, tmp_path: Path) -> None:
    """What it says is too large for the pipe, so it ends in the middle of a message."""
    scanner, spool = Scanner(EASY, NO_PROMPTS), Spool(tmp_path)
    (block,) = line_blocks([(b'{"prompt": "no end\n' * 20_000, 0)], 1_000)
    processes = ScanProcesses(scanner, spool.corners(1))
    try:
        (member,) = processes._members
        member.send(scanner.begin(0, file.name, block))
        member.asked.append(0)
        member.send((*member.put(block), True))
        assert member.channel.poll(60)
        member.process.kill()
        member.process.join()
        with pytest.raises(SystemExit) as raised:
            member.receive()
        assert raised.value.code == 128 + signal.SIGKILL
    finally:
        processes.close()


def test_job_whose_whole_group_is_asked_to_stop_ends_as_interrupted(tmp_path: Path) -> None:
    """As the local cloud stops a job: the processes that scan leave it to the first one."""
    place = Workplace(tmp_path)
    rows = [{"prompt": f"{n} " * 20, "completion": f"answer {n} " * 20} for n in range(3_000)]
    params = place.params(place.source("a.jsonl", (jsonl(rows) + b"\n") * 40))
    uri = Path(params.output_uri + "job/params.json")
    uri.parent.mkdir(parents=True)
    uri.write_text(params.model_dump_json())
    job = subprocess.Popen(
        [sys.executable, "-m", "batch_jobs.prepare", str(uri)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env=os.environ | {VCPUS: "2"},
    )
    try:
        until = time.monotonic() + 60
        while not psutil.Process(job.pid).children() and job.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.3)
        os.killpg(job.pid, signal.SIGTERM)
        _, told = job.communicate(timeout=60)
    finally:
        job.kill()
    assert job.returncode == ExitCode.INTERRUPTED, told
    assert b"starting it again is safe" in told


def test_a_process_that_is_killed_ends_the_job_as_if_it_had_been_the_only_one(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """137 is what the platform takes for want of memory."""
    with pytest.raises(SystemExit) as raised:
        list(answers(Dies(EASY, NO_PROMPTS), file, 2))
    assert raised.value.code == 128 + signal.SIGKILL
    assert "most likely for want of memory" in capsys.readouterr().err


def test_rows_lie_in_memory_while_there_is_room_and_in_files_from_then_on(file: Path) -> None:
    spool = Spool(file.parent, 20_000)
    scanner = Scanner(EASY, NO_PROMPTS)
    blocks = list(read_blocks(file, file.name, EASY))
    begun = scanner.begin(0, file.name, blocks[0])
    (corner,) = spool.corners(1)
    assert isinstance(corner, Corner)
    works = [block for asked in line_ranges(file) for block in range_blocks(asked, EASY.max_line_bytes)]
    rows = [scanner.scan(begun, block).batch for block in works]
    places = [corner.lay(batch, in_memory=number != 1) for number, batch in enumerate(rows)]
    kinds = [isinstance(place, Path) for place in places]
    assert kinds[:3] == [False, True, False] and any(kinds[3:])
    assert 15_000 < sum(place.stop - place.start for place in places if isinstance(place, slice)) <= 20_000
    for place in places:
        spool.add_laid(corner.laid(place))
    for number, batch in enumerate(rows):
        assert list(spool[number].texts) == list(batch.texts)
        assert spool[number].line.tolist() == batch.line.tolist()
    assert spool.spilled == sum(kinds)


ORPHANS = """
import sys, time
import numpy as np
from pathlib import Path
from batch_jobs.prepare.processes import ScanProcesses
from batch_jobs.prepare.scanning import Scanner
from batch_jobs.prepare.spool import Spool
from tests.support.preparing import EASY

processes = ScanProcesses(Scanner(EASY, np.empty((0, 2), np.uint64)), Spool(Path(sys.argv[1])).corners(3))
print(*(member.process.pid for member in processes._members), flush=True)
time.sleep(60)
"""


def test_processes_end_when_the_one_that_forked_them_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", ORPHANS, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    children = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
    assert len(children) == 3 and all(child.is_running() for child in children)
    parent.kill()
    parent.wait()
    assert not psutil.wait_procs(children, timeout=240)[1]  # they may have to compile their loops first


def test_a_process_with_threads_is_not_forked() -> None:
    code = (
        "import threading; from batch_jobs.prepare.processes import may_fork; print(may_fork());"
        "threading.Thread(target=threading.Event().wait, daemon=True).start(); print(may_fork())"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == [str(sys.platform == "linux"), "False"]

"""Where compiled loops are kept."""

import os
import time
from pathlib import Path

from batch_jobs.prepare.compiling import KEPT_SECONDS, cache_folder


def test_old_loops_go_when_new_ones_are_made(tmp_path: Path) -> None:
    for name, age in (("loops-old", KEPT_SECONDS + 60), ("loops-fresh", 60), ("other", KEPT_SECONDS + 60)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "loop.nbi").write_bytes(b"x")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    assert cache_folder(tmp_path, "new") == tmp_path / "loops-new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["loops-fresh", "other"]


def test_loops_in_use_stay_however_old(tmp_path: Path) -> None:
    for name in ("loops-mine", "loops-old"):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - KEPT_SECONDS - 60,) * 2)
    cache_folder(tmp_path, "mine")
    assert len(list(tmp_path.iterdir())) == 2

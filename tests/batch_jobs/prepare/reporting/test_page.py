"""The page holds what the profile holds, and no row's text becomes markup."""

import re
from pathlib import Path

from batch_jobs.prepare.reporting.page import report_page
from batch_jobs.prepare.reporting.profiling import build_profile
from tests.batch_jobs.prepare.reporting.test_profiling import RECIPE, written
from tests.domain.test_dataset_cards import MANIFEST
from tunesmith.contracts.datasets import Split

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    part = written(tmp_path / "a", 0, 50, label=HOSTILE, language=HOSTILE, source=HOSTILE)
    profile = build_profile({Split.TRAIN: [part]}, RECIPE, lambda text: text + HOSTILE)
    page = report_page(MANIFEST, profile)
    tags = set(re.findall(r"<(\w+)", page))
    assert not tags & {"script", "img"} and "&lt;script&gt;" in page
    assert report_page(MANIFEST, profile) == page


def test_page_of_nothing(tmp_path: Path) -> None:
    page = report_page(MANIFEST, build_profile({}, RECIPE, str))
    assert "7 of 10 rows kept" in page and "NOT_JSON" in page and "Examples" not in page

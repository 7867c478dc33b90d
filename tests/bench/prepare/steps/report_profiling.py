"""The profile that data scientists know: fg-data-profiling (formerly ydata-profiling, pandas-profiling), as HTML.

INPUT is JSON lines with a row's text and the columns of the dataset version.
"""

import os
from pathlib import Path

os.environ["YDATA_PROFILING_NO_ANALYTICS"] = "1"  # else it reports each run to its makers

import pandas as pd
from data_profiling import ProfileReport

from tests.bench.prepare.steps.timing import Contestant, Work, read, run


def profile(is_minimal: bool) -> Contestant:
    def contestant(file: Path) -> Work:
        frame = pd.DataFrame(read(file)).drop(columns="id")

        def work() -> None:
            ProfileReport(frame, minimal=is_minimal, progress_bar=False).to_html()

        return work

    return contestant


CONTESTANTS: dict[str, Contestant] = {"minimal": profile(True), "whole": profile(False)}

if __name__ == "__main__":
    run(CONTESTANTS)

"""Counters: one EMF line per count, under no dimensions, whatever Powertools finds in the environment."""

import json

from tunesmith.contracts.metrics import NAMESPACE, MetricName
from tunesmith.entry.counting import count


def test_count_is_one_emf_line_without_dimensions(capsys, monkeypatch):
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "accept_upload")
    count(MetricName.RECONCILED, 3)
    line = json.loads(capsys.readouterr().out)
    [written] = line["_aws"]["CloudWatchMetrics"]
    assert (written["Namespace"], written["Dimensions"]) == (NAMESPACE, [[]])
    assert line["Reconciled"] in (3, [3])

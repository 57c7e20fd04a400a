"""Prints {file: [count, p99 in nanoseconds]} of every .hlog in a folder, as JSON."""

import json
import pathlib
import sys

from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader


def read(path):
    total = HdrHistogram(1, 180 * 10**9, 3)
    reader = HistogramLogReader(str(path), total)
    while (interval := reader.get_next_interval_histogram()) is not None:
        total.add(interval)
    return [total.get_total_count(), int(total.get_value_at_percentile(99))]


logs = sorted(pathlib.Path(sys.argv[1]).glob("*.hlog"))
print(json.dumps({log.name: read(log) for log in logs}))

"""An audit of a million rows from Parquet: rows per second and memory, here and on two workers.

Writes synthetic applicants to a Parquet file, part by part, then audits a four-bit network against
its teacher by sex: in one process, and on two processes of a Dask cluster. Prints rows per second
and the largest memory of all processes together. Both audits must give the same figures.

    python examples/benchmarks/audit_million.py

Times on shared machines vary: compare within one run, quote ratios.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

PART = 50_000


def prepare(folder, n_people):
    """Write applicants, in row groups of `PART`, and a fitted auditor."""
    import joblib
    import pyarrow as pa
    import pyarrow.parquet as pq

    from skcfq import CFQClassifier, FullPrecisionClassifier, RecourseAuditor
    from skcfq.datasets import make_recourse_classification

    data = make_recourse_classification(n_samples=4000, random_state=0)
    settings = {"actions": data.actions, "target": data.favourable, "random_state": 0}
    teacher = FullPrecisionClassifier(**settings).fit(data.data, data.target)
    deployed = CFQClassifier(
        teacher=teacher, activation_bits=None, validity_level=0.02, **settings
    ).fit(data.data, data.target)
    auditor = RecourseAuditor(teacher, deployed, actions=data.actions, target=data.favourable)
    joblib.dump(auditor.fit(data.data, data.target), folder / "auditor.joblib")

    writer = None
    for part in range(-(-n_people // PART)):
        n = min(PART, n_people - part * PART)
        data = make_recourse_classification(n_samples=n, random_state=part + 1)
        table = pa.Table.from_pandas(data.frame, preserve_index=False)
        writer = writer or pq.ParquetWriter(folder / "people.parquet", table.schema)
        writer.write_table(table)
    writer.close()


class PeakMemory(threading.Thread):
    """The largest memory of this process and all that it started, in MB, seen every 0.5 s.

    Attributes
    ----------
    one : float
        Of any one process: its resident set.
    all : float
        Of all together: pages that they share, as of the same libraries, count once.
    """

    def __init__(self):
        super().__init__(daemon=True)
        self.one, self.all, self.done = 0.0, 0.0, threading.Event()

    def run(self):
        import psutil

        this = psutil.Process()
        while not self.done.wait(0.5):
            found = []
            for process in [this, *this.children(recursive=True)]:
                try:
                    found.append(process.memory_full_info())
                except psutil.Error:  # it ended
                    continue
            self.one = max(self.one, max(f.rss for f in found) / 2**20)
            self.all = max(self.all, sum(getattr(f, "pss", f.rss) for f in found) / 2**20)


def measure(folder, on_cluster):
    """Figures of one audit, in this process or on two workers."""
    import joblib

    auditor = joblib.load(folder / "auditor.joblib")

    def audit():
        return auditor.audit(folder / "people.parquet", y="credit", groups="sex", verbose=True)

    memory = PeakMemory()
    memory.start()
    if on_cluster:
        from distributed import Client, LocalCluster

        with (
            LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
            Client(cluster),
            joblib.parallel_config(backend="dask"),
        ):
            began = time.perf_counter()
            result = audit()
            seconds = time.perf_counter() - began
    else:
        began = time.perf_counter()
        result = audit()
        seconds = time.perf_counter() - began
    memory.done.set()
    memory.join()
    return {
        "people": result.counts["people"],
        "need recourse": result.counts["needed"],
        "broken": result.counts["broken"],
        "seconds": seconds,
        "rows/s": result.counts["people"] / seconds,
        "largest process, MB": memory.one,
        "all processes, MB": memory.all,
        "record": result.to_json(people=False),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one is not None:
        folder, task = options.one
        if task == "prepare":
            prepare(Path(folder), options.rows)
        else:
            print(json.dumps(measure(Path(folder), task == "cluster")))
        return
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--rows", str(options.rows), "--one", folder]
        subprocess.run([*command, "prepare"], check=True)
        size = (Path(folder) / "people.parquet").stat().st_size
        print(f"{options.rows:,} rows, {size / 2**20:.0f} MB of Parquet", flush=True)
        columns = []
        for where in ("here", "cluster"):
            done = subprocess.run([*command, where], check=True, stdout=subprocess.PIPE, text=True)
            columns.append(json.loads(done.stdout.splitlines()[-1]))
    records = [json.loads(column.pop("record")) for column in columns]
    for record in records:
        del record["about"]
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores")
    print(f"{'':<24}{'one process':>16}{'two workers':>16}")
    for name in columns[0]:
        print(f"{name:<24}" + "".join(f"{column[name]:>16,.4g}" for column in columns))
    print("same figures:", records[0] == records[1])


if __name__ == "__main__":
    main()

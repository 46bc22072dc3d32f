"""The files of cgroups as the statistics that runc's `events` prints."""

from __future__ import annotations

from pathlib import Path

from runtime.cgroups.statistics import read


def write(directory: Path, files: dict[str, str]) -> str:
    directory.mkdir(exist_ok=True)
    for name, content in files.items():
        (directory / name).write_text(content + "\n")
    return str(directory)


def test_v1(tmp_path: Path) -> None:
    directories = {
        "cpuacct": write(
            tmp_path / "cpuacct",
            {
                "cpuacct.usage": "9570092",
                "cpuacct.usage_percpu": "8140566 1429526",
                "cpuacct.usage_all": "cpu user system\n0 797 3\n1 5 7",
                "cpuacct.stat": "user 12\nsystem 3",
            },
        ),
        "cpu": write(tmp_path / "cpu", {"cpu.stat": "nr_periods 5\nnr_throttled 2\nthrottled_time 77"}),
        "cpuset": write(tmp_path / "cpuset", {"cpuset.cpus": "0-2,5", "cpuset.mems": "0"}),
        "memory": write(
            tmp_path / "memory",
            {
                "memory.limit_in_bytes": "67108864",
                "memory.usage_in_bytes": "929792",
                "memory.max_usage_in_bytes": "2777088",
                "memory.failcnt": "3",
                "memory.stat": "cache 4096\nrss 8192",
            },
        ),
        "pids": write(tmp_path / "pids", {"pids.current": "1", "pids.max": "max"}),
        "blkio": write(
            tmp_path / "blkio",
            {
                "blkio.bfq.io_service_bytes_recursive": "Total 0",
                "blkio.throttle.io_service_bytes_recursive": "8:0 Read 4096\n8:0 Write 1\nTotal 4097",
            },
        ),
        "": write(tmp_path / "unified", {"hugetlb.2MB.current": "2097152", "hugetlb.2MB.events": "max 4"}),
    }
    data = read(directories)
    assert data["cpu"]["usage"] == {
        "total": 9570092,
        "percpu": [8140566, 1429526],
        "percpu_kernel": [3, 7],
        "percpu_user": [797, 5],
        "kernel": 30_000_000,
        "user": 120_000_000,
    }
    assert data["cpu"]["throttling"] == {"periods": 5, "throttledPeriods": 2, "throttledTime": 77}
    assert (data["cpuset"]["cpus"], data["cpuset"]["mems"]) == ([0, 1, 2, 5], [0])
    assert data["memory"]["usage"] == {"limit": 67108864, "usage": 929792, "max": 2777088, "failcnt": 3}
    assert (data["memory"]["cache"], data["memory"]["raw"]) == (4096, {"cache": 4096, "rss": 8192})
    assert data["pids"] == {"current": 1}
    assert data["blkio"] == {
        "ioServiceBytesRecursive": [
            {"major": 8, "minor": 0, "op": "Read", "value": 4096},
            {"major": 8, "minor": 0, "op": "Write", "value": 1},
        ]
    }
    assert data["hugetlb"] == {"2MB": {"usage": 2097152, "failcnt": 4}}


def test_v2(tmp_path: Path) -> None:
    directory = write(
        tmp_path,
        {
            "cpu.stat": "usage_usec 10\nuser_usec 7\nsystem_usec 3\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0",
            "cpu.pressure": "some avg10=1.50 avg60=0.00 avg300=0.00 total=42",
            "memory.current": "1000",
            "memory.max": "2000",
            "memory.peak": "1500",
            "memory.swap.current": "10",
            "memory.swap.max": "max",
            "memory.events": "low 0\nmax 9\noom_kill 1",
            "memory.stat": "anon 1\nfile 5",
            "pids.current": "3",
            "pids.max": "50",
            "io.stat": "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0",
            "hugetlb.1GB.current": "0",
            "hugetlb.1GB.events": "max 0",
            "hugetlb.1GB.rsvd.current": "0",
        },
    )
    data = read({"": directory})
    assert data["cpu"]["usage"] == {"total": 10_000, "kernel": 3_000, "user": 7_000}
    assert data["cpu"]["psi"] == {"some": {"avg10": 1.5, "avg60": 0.0, "avg300": 0.0, "total": 42}}
    assert data["memory"]["usage"] == {"limit": 2000, "usage": 1000, "max": 1500, "failcnt": 9}
    assert data["memory"]["swap"]["usage"] == 1010
    assert data["memory"]["cache"] == 5
    assert data["pids"] == {"current": 3, "limit": 50}
    assert {"major": 8, "minor": 0, "op": "Write", "value": 4} in data["blkio"]["ioServicedRecursive"]
    assert data["hugetlb"] == {"1GB": {"failcnt": 0}}


def test_missing_controllers_are_empty(tmp_path: Path) -> None:
    data = read({"pids": str(tmp_path)})
    assert data["memory"] == {}
    assert data["pids"] == {}
    assert data["cpu"]["usage"]["total"] == 0

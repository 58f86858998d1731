"""Makes the load: wrk for small answers, curl for large ones and uploads."""

import re
import statistics
import subprocess
from dataclasses import dataclass

from .machine import LOAD_CORE, find, pinned
from .servers import TOKEN, Server

CREDENTIALS = f"PRIVATE-TOKEN: {TOKEN}"


@dataclass
class Small:
    """What wrk saw."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float


def small(url: str, seconds: float, headers: list[str], connections: int = 16, script: str | None = None) -> Small:
    """Asks for a small answer as fast as it comes; a script of wrk may choose for which."""
    options = ["-s", script] if script else []
    options += [part for header in headers for part in ("-H", header)]
    command = [find("wrk"), "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--latency", *options, url]
    output = subprocess.run(pinned(LOAD_CORE, command), check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in output or "Socket errors" in output:
        raise SystemExit(f"{url} does not answer as it should:\n{output}")
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", output).group(1))
    return Small(rate, milliseconds(output, "50%"), milliseconds(output, "99%"))


def milliseconds(output: str, label: str) -> float:
    value, unit = re.search(rf"{re.escape(label)}\s+([\d.]+)(us|ms|s)", output).groups()
    return float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def large(server: Server, path: str, times: int, headers: list[str]) -> tuple[float, float]:
    """Downloads so often: the median MB/s of a download, and the server's CPU seconds a GB."""
    options = [part for header in headers for part in ("--header", header)]
    before = server.cpu_seconds()
    outcomes = [curl([*options, server.url + path], "%{speed_download} %{size_download}") for _ in range(times)]
    gigabytes = sum(size for _, size in outcomes) / 1e9
    return statistics.median(speed for speed, _ in outcomes) / 1e6, (server.cpu_seconds() - before) / gigabytes


def upload(url: str, token: str, file: str) -> float:
    """Uploads a file as people do; MB/s of it."""
    options = ["--header", f"JOB-TOKEN: {token}", "--form", f"file=@{file}", url]
    speed, _ = curl(options, "%{speed_upload} %{size_upload}")
    return speed / 1e6


def curl(options: list[str], write_out: str) -> tuple[float, float]:
    command = [find("curl"), "--silent", "--show-error", "--fail", "--output", "/dev/null",
               "--write-out", write_out, *options]
    output = subprocess.run(pinned(LOAD_CORE, command), check=True, capture_output=True, text=True).stdout
    first, second = output.split()
    return float(first), float(second)

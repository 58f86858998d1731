"""The machine: what has to be installed, what is built, and which core does what."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "target/bench-data"
SERVER_CORE, LOAD_CORE = "0", "1"

PACKAGES = {
    "nginx": "nginx-light", "wrk": "wrk", "curl": "curl", "go": "golang-go", "taskset": "util-linux",
    "prlimit": "util-linux", "initdb": "postgresql", "psql": "postgresql-client",
}


def say(text: str) -> None:
    print(f"{Path(sys.argv[0]).name}: {text}", file=sys.stderr, flush=True)


def find(program: str) -> str | None:
    """Where a program is; servers are often not on the PATH."""
    postgres = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", *map(str, postgres)])
    return shutil.which(program, path=path)


def need(*programs: str) -> None:
    """Installs what is missing."""
    missing = [PACKAGES[program] for program in programs if not find(program)]
    if not missing:
        return
    if not shutil.which("apt-get"):
        sys.exit(f"missing: {' '.join(missing)}; this system has no apt-get, install them by hand")
    say(f"installing {' '.join(missing)}")
    as_root = [] if os.geteuid() == 0 else ["sudo"]
    # Services must not start: the servers that are measured are our own.
    environment = ["env", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1"]
    install = ["apt-get", "-q", "install", "-y", "--no-install-recommends", *missing]
    subprocess.run([*as_root, "apt-get", "-q", "update"], check=True, stdout=sys.stderr)
    subprocess.run([*as_root, *environment, *install], check=True, stdout=sys.stderr)


def build(manifest: str, program: str) -> Path:
    """Builds a program and tells where it is."""
    say(f"building {program}")
    command = ["cargo", "build", "--release", "--locked", "--manifest-path", manifest, "--bin", program]
    subprocess.run([*command, "--target-dir", "target"], check=True, cwd=ROOT)
    return ROOT / "target/release" / program


def build_spawn() -> Path:
    program = ROOT / "target/bench-data/spawn"
    source = ROOT / "benches/spawn/main.go"
    environment = {**os.environ, "GO111MODULE": "off", "CGO_ENABLED": "0"}
    subprocess.run(["go", "build", "-o", str(program), str(source)], check=True, env=environment)
    return program


def pinned(core: str, command: list[str]) -> list[str]:
    """The command, kept to one core when there is another."""
    return ["taskset", "-c", core, *command] if (os.cpu_count() or 1) > 1 else command


def warm_memory(megabytes: int) -> None:
    """Lets the system take so much memory for files, and give it back to itself.

    A host that lends its guests memory needs 8 microseconds for each page that is used for the first time: whoever
    writes the first file after a pause would be measured together with that."""
    path = DATA / "warm.tmp"
    for _ in range(3):
        with path.open("wb", buffering=0) as file:
            for _ in range(megabytes):
                file.write(bytes(1 << 20))
        path.unlink()


def description() -> str:
    """The machine in one line."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    model = next((line.split(":")[1].strip() for line in cpuinfo.splitlines() if line.startswith("model name")), "?")
    return f"{os.cpu_count()} cores {model}, Linux {os.uname().release}"

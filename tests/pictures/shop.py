#!/usr/bin/env python3
"""Makes the world of the pictures: the project `demo/shop` as a registry document, and the files that it names.

    shop.py FOLDER

writes them into the folder and prints as JSON what the pictures are taken of: the token to sign in with, the moment that
the world counts its times from, and the address of each page. All bytes are the same whenever it runs; times are as far
away as ever.
"""

import datetime
import gzip
import json
import random
import sys
import zipfile
from pathlib import Path

TOKEN = "glpat-demo-shop"
SHOP = "/demo/shop"
# When the files in the archives were made; the pictures' own day.
CHANGED = (2026, 3, 2, 9, 58, 0)
MAIN, DOCS, RUNNING, GIFTS, TAG = 4821, 4822, 4826, 4818, 4790
BUILD, UNIT = 20931, 20933

GREEN, RED, YELLOW, DULL, BOLD, PLAIN = (f"\x1b[{code}m" for code in (32, 31, 33, 2, 1, 0))


class Time:
    """Moments, seen from now."""

    def __init__(self):
        self.now = datetime.datetime.now(datetime.UTC)

    def ago(self, **span: float) -> str:
        return (self.now - datetime.timedelta(**span)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def ahead(self, **span: float) -> str:
        return (self.now + datetime.timedelta(**span)).strftime("%Y-%m-%dT%H:%M:%SZ")


def program_text(size: int, seed: int) -> bytes:
    """Text that deflates like a program that was made small."""
    chance = random.Random(seed)
    words = ["".join(chance.choices("etaoinshrdlucmfw", k=chance.randint(1, 9))) for _ in range(4000)]
    text = ";".join(f"{chance.choice(words)}({chance.choice(words)},{chance.randrange(999)})" for _ in range(size // 12))
    return text.encode()[:size].ljust(size, b" ")


def picture(size: int, seed: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + random.Random(seed).randbytes(size - 8)


README = b"""# Shop

The storefront, as it is deployed. It is built from `main` with every push.

| part | what it is |
| --- | --- |
| `assets/` | scripts and styles, named by their contents |
| `images/` | pictures of products, in two sizes |
| `index.html` | the page that loads all of it |
"""

INDEX = b"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Shop</title>
<link rel="stylesheet" href="assets/shop-6c1f0a2e.css">
<div id="shop"></div>
<script type="module" src="assets/shop-9d4b71c5.js"></script>
"""

COVERAGE = b"<!doctype html>\n<title>Coverage</title>\n<h1>94.2 % of 3,118 lines</h1>\n"

SUITES = [
    ("cart/price.test.ts", 48, 212), ("cart/voucher.test.ts", 31, 148), ("cart/shipping.test.ts", 27, 301),
    ("catalog/filter.test.ts", 64, 187), ("catalog/search.test.ts", 52, 433), ("catalog/sort.test.ts", 18, 41),
    ("checkout/address.test.ts", 39, 96), ("checkout/payment.test.ts", 57, 512), ("checkout/tax.test.ts", 73, 264),
    ("session/login.test.ts", 22, 178), ("session/recall.test.ts", 11, 63),
]


def log() -> bytes:
    """What the unit tests said."""
    lines = [f"{BOLD}{GREEN}RUN{PLAIN}  v3.2.4 {DULL}/builds/demo/shop{PLAIN}", ""]
    for name, tests, took in SUITES:
        lines.append(f" {GREEN}✓{PLAIN} src/{name} {DULL}({tests} tests){PLAIN} {took} ms")
        if name == "checkout/payment.test.ts":
            slow = "tries again when the bank takes its time"
            lines.append(f"   {GREEN}✓{PLAIN} payment > {slow} {YELLOW}384 ms{PLAIN}")
        if name == "session/recall.test.ts":
            lines.append(f"   {YELLOW}↓{PLAIN} recall > forgets after a month {DULL}[skipped]{PLAIN}")
    total = sum(tests for _, tests, _ in SUITES)
    return ("\n".join([
        *lines, "",
        f" {BOLD}Test files{PLAIN}  {GREEN}{len(SUITES)} passed{PLAIN} ({len(SUITES)})",
        f"      {BOLD}Tests{PLAIN}  {GREEN}{total - 1} passed{PLAIN} | {YELLOW}1 skipped{PLAIN} ({total})",
        f"   {BOLD}Start at{PLAIN}  09:56:12",
        f"   {BOLD}Duration{PLAIN}  6.82 s {DULL}(transform 1.31 s, setup 0.94 s, tests 2.43 s){PLAIN}", "",
        f" {BOLD}Coverage{PLAIN} {DULL}(v8){PLAIN}",
        f"   Statements  {GREEN}94.2 %{PLAIN} (2,937 of 3,118)",
        f"   Branches    {GREEN}91.0 %{PLAIN} (804 of 883)",
        f"   Functions   {YELLOW}88.6 %{PLAIN} (412 of 465)",
        f"   Lines       {GREEN}94.2 %{PLAIN} (2,937 of 3,118)", "",
    ])).encode()


def junit() -> bytes:
    def suite(name: str, tests: int) -> str:
        chance = random.Random(name)
        cases = "".join(f'<testcase name="{chance.getrandbits(64):x}" time="0.{number:03}"/>' for number in range(tests))
        return f'<testsuite name="{name}">{cases}</testsuite>'

    suites = "".join(suite(name, tests) for name, tests, _ in SUITES)
    return gzip.compress(f"<testsuites>{suites}</testsuites>".encode(), mtime=0)


def archive(path: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as written:
        for name, data in files.items():
            written.writestr(zipfile.ZipInfo(name, CHANGED), data, zipfile.ZIP_DEFLATED)


def write_files(folder: Path) -> None:
    products = {f"images/product-{number:03}{size}.png": picture(length + number * 37, number)
                for number in range(1, 25) for size, length in (("", 9_200), ("@2x", 31_700))}
    archive(folder / "dist.zip", {
        "README.md": README,
        "index.html": INDEX,
        "assets/shop-9d4b71c5.js": program_text(412_380, 1),
        "assets/checkout-02ac9f31.js": program_text(187_904, 2),
        "assets/vendor-f7e0b8d4.js": program_text(655_211, 3),
        "assets/shop-6c1f0a2e.css": program_text(48_127, 4),
        **products,
        "fonts/inter-400.woff2": picture(47_212, 900),
        "fonts/inter-700.woff2": picture(49_884, 901),
        "CHANGELOG.md": program_text(6_211, 5),
        "LICENSE": program_text(1_071, 6),
        "manifest.webmanifest": b'{"name": "Shop", "display": "standalone"}\n',
        "robots.txt": b"User-agent: *\nAllow: /\n",
        "service-worker.js": program_text(14_902, 7),
        "sitemap.xml": program_text(22_340, 8),
    })
    archive(folder / "source-maps.zip", {
        f"assets/{name}.js.map": program_text(size, size)
        for name, size in (("shop-9d4b71c5", 1_204_331), ("checkout-02ac9f31", 611_027), ("vendor-f7e0b8d4", 2_310_455))})
    archive(folder / "coverage.zip", {
        "coverage/index.html": COVERAGE,
        **{f"coverage/{name.removesuffix('.test.ts')}.html": program_text(17_000 + tests * 91, tests)
           for name, tests, _ in SUITES},
        "logs/vitest.log": log(),
    })
    archive(folder / "screenshots.zip", {f"{name}.png": picture(88_000 + size, size)
                                         for name, size in (("cart", 1_201), ("checkout", 4_417), ("home", 9_120))})
    archive(folder / "docs.zip", {"index.html": program_text(8_120, 10), "payment.html": program_text(12_011, 11)})
    (folder / "junit.xml.gz").write_bytes(junit())
    (folder / "job.log").write_bytes(log())
    (folder / "sbom.json").write_bytes(json.dumps({"components": [f"package-{n}" for n in range(2_400)]}).encode())


def job(time: Time, id: int, name: str, stage: str, hours: float, seconds: int, **more) -> dict:
    """A job that began so many hours ago and took so many seconds."""
    begun = time.ago(hours=hours)
    ended = None if more.get("status") == "running" else time.ago(hours=hours, seconds=-seconds)
    return {"id": id, "name": name, "stage": stage, "status": "success", "user": "alice", "created_at": begun,
            "started_at": begun, "finished_at": ended, **more}


def pipeline(time: Time, id: int, ref: str, sha: str, title: str, hours: float, seconds: int, jobs: list, **more) -> dict:
    begun = time.ago(hours=hours)
    ended = None if more.get("status") == "running" else time.ago(hours=hours, seconds=-seconds)
    return {"id": id, "iid": id - 4000, "ref": ref, "sha": sha, "status": "success", "source": "push", "user": "alice",
            "created_at": begun, "started_at": begun, "finished_at": ended,
            "commit": {"title": title, "message": title, "author_name": "Alice Moreau"}, "jobs": jobs, **more}


def document(time: Time) -> dict:
    week = {"expire_at": time.ahead(days=6, minutes=30)}
    month = {"expire_at": time.ahead(days=29, minutes=30)}
    dist = {"file": "dist.zip", "filename": "dist.zip", **week}
    trace = {"type": "trace", "file": "job.log"}
    unit = [{"file": "coverage.zip", "filename": "coverage.zip", **week},
            {"type": "junit", "file": "junit.xml.gz", **month},
            {"name": "screenshots", "file": "screenshots.zip", **week},
            {"path": "reports/sbom.json", "file": "sbom.json", **month}, trace]
    title = "Show the price of a gift card with its tax"
    main = [
        job(time, BUILD, "build", "build", 2.05, 74,
            artifacts=[dist, {"name": "source-maps", "file": "source-maps.zip", **week}, trace]),
        job(time, 20932, "lint", "test", 2.02, 21, artifacts=[trace]),
        job(time, UNIT, "unit tests", "test", 2.02, 48, coverage=94.2, artifacts=unit),
        job(time, 20934, "browser tests", "test", 2.02, 193, status="failed", failure_reason="script_failure",
            allow_failure=True, artifacts=[{"file": "screenshots.zip", "filename": "browser.zip", **week}, trace]),
        job(time, 20935, "preview", "deploy", 1.95, 17),
    ]
    docs = [job(time, 20937, "docs", "build", 1.96, 38, artifacts=[{"file": "docs.zip", "filename": "docs.zip", **month}])]
    now = [job(time, 20951, "build", "build", 0.07, 72, artifacts=[dist]),
           job(time, 20952, "unit tests", "test", 0.05, 0, status="running"),
           job(time, 20953, "preview", "deploy", 0.05, 0, status="created", started_at=None, finished_at=None)]
    gifts = [job(time, 20920, "build", "build", 26.1, 71, artifacts=[dist]),
             job(time, 20921, "unit tests", "test", 26.05, 47, coverage=93.8, artifacts=unit[:2])]
    release = [job(time, 20811, "build", "build", 170.1, 77, artifacts=[{"file": "dist.zip", "filename": "shop-2.3.0.zip",
                                                                         "expire_at": None}])]
    pipelines = [
        pipeline(time, TAG, "v2.3.0", "b2d1f08e6c7a4953d0e1f2a3b4c5d6e7f8091a2b", "Release 2.3.0", 170.1, 77, release, tag=True),
        pipeline(time, GIFTS, "feature/gift-cards", "4e90ab1c52d7f3608b9c1d2e3f405162738495a6",
                 "Sell gift cards", 26.1, 220, gifts),
        pipeline(time, MAIN, "main", "7c1f6a0e5b9d4c2f8e3a6b1d0c9f8e7a6b5c4d3e", title, 2.05, 342, main),
        pipeline(time, DOCS, "main", "7c1f6a0e5b9d4c2f8e3a6b1d0c9f8e7a6b5c4d3e", title, 1.96, 38, docs,
                 parent=MAIN, source="parent_pipeline"),
        pipeline(time, RUNNING, "main", "e3a85d90c1b2f4567081929a3b4c5d6e7f809112", "Round prices to the cent", 0.07, 0, now,
                 status="running"),
    ]
    shop = {"id": 12, "path": "demo/shop", "name": "Shop", "visibility": "private", "default_branch": "main",
            "members": {"alice": "maintainer"}, "pipelines": pipelines}
    alice = {"id": 2, "username": "alice", "name": "Alice Moreau", "tokens": [{"value": TOKEN, "scopes": ["api"]}]}
    return {"users": [alice], "projects": [shop]}


def main() -> None:
    folder, time = Path(sys.argv[1]), Time()
    write_files(folder)
    (folder / "registry.json").write_text(json.dumps(document(time)))
    print(json.dumps({
        "token": TOKEN,
        "now": time.ahead(),
        "pages": {
            "project": SHOP,
            "pipeline": f"{SHOP}/-/pipelines/{MAIN}",
            "job": f"{SHOP}/-/jobs/{UNIT}",
            "browse": f"{SHOP}/-/jobs/{BUILD}/artifacts/browse/",
            "view": f"{SHOP}/-/jobs/{UNIT}/artifacts/view/logs/vitest.log",
        },
    }))


if __name__ == "__main__":
    main()

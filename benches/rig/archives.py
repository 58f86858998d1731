"""Makes the archives that are served: the same bytes on every machine, kept in target/bench-data.

Written by hand instead of with zipfile, so that one packed text can stand in a hundred thousand
entries without being packed as often.
"""

import hashlib
import os
import random
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

PAGE_BYTES = 18 * 1024
LOG_BYTES = 110_000_000
PAGE = "public/reference/pages/middle.html"
LOG = "logs/build.log"
INFLATE, STORE = 8, 0


@dataclass
class Content:
    """One file's bytes as they lie in an archive."""

    method: int
    crc32: int
    size: int
    packed: bytes

    @classmethod
    def deflated(cls, data: bytes, level: int = 6) -> "Content":
        packer = zlib.compressobj(level, zlib.DEFLATED, -15)
        return cls(INFLATE, zlib.crc32(data), len(data), packer.compress(data) + packer.flush())

    @classmethod
    def stored(cls, data: bytes) -> "Content":
        return cls(STORE, zlib.crc32(data), len(data), data)

    def gzip(self) -> bytes:
        """The same as a gzip file."""
        header = b"\x1f\x8b\x08" + bytes(6) + b"\xff"
        return header + self.packed + struct.pack("<II", self.crc32, self.size & 0xFFFFFFFF)


class ZipWriter:
    """Writes an archive front to back, with ZIP64 end records where they are needed."""

    def __init__(self, path: Path):
        self.file = path.open("wb")
        self.directory = bytearray()
        self.offset = 0
        self.entries = 0

    def add(self, name: str, content: Content) -> None:
        raw = name.encode()
        fields = struct.pack(
            "<HHHHHIIIHH", 20, 0, content.method, 0x6000, 0x5B6B, content.crc32,
            len(content.packed), content.size, len(raw), 0,
        )
        self.file.write(b"PK\x03\x04" + fields + raw)
        self.file.write(content.packed)
        external = struct.pack("<HHHII", 0, 0, 0, 0o100644 << 16, self.offset)
        self.directory += b"PK\x01\x02\x14\x03" + fields + external + raw
        self.offset += 30 + len(raw) + len(content.packed)
        self.entries += 1

    def close(self) -> None:
        start, size, count = self.offset, len(self.directory), self.entries
        self.file.write(self.directory)
        if count >= 0xFFFF:
            self.file.write(struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, start))
            self.file.write(struct.pack("<4sIQI", b"PK\x06\x07", 0, start + size, 1))
        short = min(count, 0xFFFF)
        self.file.write(struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, short, short, size, start, 0))
        self.file.close()


def vocabulary(chance: random.Random, size: int) -> list[str]:
    letters = "eeeeetttaaoooiinnsshhrrdlucmfwypvbgk"
    return ["".join(chance.choices(letters, k=chance.randint(2, 9))) for _ in range(size)]


def html(size: int, seed: int) -> bytes:
    """A reference page: a list of names and what they are. It deflates to a quarter, as half of the pages
    of this size do that `cargo doc` makes."""
    chance = random.Random(seed)
    words, lines, length = vocabulary(chance, 700), [], 0
    while length < size:
        name, about = "_".join(chance.choices(words, k=2)), " ".join(chance.choices(words, k=7))
        lines.append(f'<li><a class="fn" href="fn.{name}.html" title="fn {name}">{name}</a>'
                     f'<div class="desc">{about}.</div></li>\n')
        length += len(lines[-1])
    return "".join(lines).encode()[:size]


def text(size: int, seed: int) -> bytes:
    """Prose-like text that deflates to two fifths."""
    chance = random.Random(seed)
    words = vocabulary(chance, 3000)
    block = " ".join(chance.choices(words, k=min(size, 2_000_000) // 4)).encode()
    return (block * (size // len(block) + 1))[:size]


def page() -> Content:
    """The small file that is asked for again and again."""
    return Content.deflated(html(PAGE_BYTES, 1))


def site(path: Path) -> None:
    """9,620 entries, 260 MB: pages, and images that do not deflate."""
    small, chance = page(), random.Random(2)
    noise = chance.randbytes(1 << 20)
    image_bytes = (260_000_000 - 4810 * len(small.packed)) // 4810 - 190
    archive = ZipWriter(path)
    for number in range(4810):
        archive.add(PAGE if number == 2405 else f"public/reference/pages/page-{number:05}.html", small)
        at = chance.randrange(len(noise) - image_bytes)
        archive.add(f"public/assets/images/figure-{number:05}.png", Content.stored(noise[at:at + image_bytes]))
    archive.close()


def many(path: Path, entries: int, tiny: Content) -> None:
    """So many entries, all tiny but one."""
    small = page()
    archive = ZipWriter(path)
    for number in range(entries):
        if number == entries // 2:
            archive.add(PAGE, small)
        else:
            archive.add(f"node_modules/package-{number // 100:05}/lib/module-{number:07}.js", tiny)
    archive.close()


def log(path: Path) -> None:
    """One entry of 110 MB."""
    content = Content.deflated(text(LOG_BYTES, 4))
    archive = ZipWriter(path)
    archive.add(LOG, content)
    archive.close()
    path.with_suffix(".gz").write_bytes(content.gzip())


def large(path: Path, megabytes: int) -> None:
    """One stored entry of so many MB of zeros, written sparse."""
    size, crc = megabytes * 1_000_000, 0
    for _ in range(megabytes):
        crc = zlib.crc32(bytes(1_000_000), crc)
    archive = ZipWriter(path)
    archive.add("disk.img", Content(STORE, crc, 0, b""))
    archive.close()
    with path.open("r+b") as file:
        fields = struct.pack("<III", crc, size, size)
        directory = bytearray(archive.directory)
        directory[16:28] = fields
        file.truncate(archive.offset)
        file.seek(14)
        file.write(fields)
        file.seek(archive.offset + size)
        file.write(directory)
        file.write(struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1, 1, len(directory), archive.offset + size, 0))


def megabyte(path: Path) -> None:
    """One stored entry of 1 MB."""
    archive = ZipWriter(path)
    archive.add("image.png", Content.stored(random.Random(5).randbytes(1_000_000)))
    archive.close()


def make(folder: Path, *names: str) -> None:
    """Makes those of the archives that are not there yet, or were made by another version of this file."""
    makers = {
        "site.zip": site,
        "many.zip": lambda path: many(path, 100_000, Content.deflated(text(400, 3))),
        "million.zip": lambda path: many(path, 1_000_000, Content.stored(b"x")),
        "log.zip": log,
        "large.zip": lambda path: large(path, 1000),
        "huge.zip": lambda path: large(path, 2000),
        "megabyte.zip": megabyte,
    }
    folder.mkdir(parents=True, exist_ok=True)
    version, made_by = hashlib.sha256(Path(__file__).read_bytes()).hexdigest(), folder / "made-by"
    if not made_by.exists() or made_by.read_text() != version:
        for archive in (*folder.glob("*.zip"), *folder.glob("*.gz")):
            archive.unlink()
        made_by.write_text(version)
    for name in names:
        path = folder / name
        if not path.exists():
            unfinished = folder / f"unfinished-{name}"
            makers[name](unfinished)
            gzip = unfinished.with_suffix(".gz")
            if gzip.exists():
                os.replace(gzip, path.with_suffix(".gz"))
            os.replace(unfinished, path)

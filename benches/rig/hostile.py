"""Makes archives that cost their server more than their sender: small ones that unpack to gigabytes, wide
windows, a million names. Kept in target/bench-data/hostile, the same bytes on every machine."""

import hashlib
import struct
import zlib
from pathlib import Path

from .archives import INFLATE, STORE, Content, ZipWriter
from .machine import DATA

ZSTD = 93
GIGABYTE = 1 << 30
FLAT_NAMES = 999_990
# Too large to lie in the buffers between server and client.
FOLDER_BYTES = 16 << 20


def zstd(size: int, window_log: int) -> bytes:
    """A frame of so many zeros: each block says "one byte, 128 KiB times"."""
    block = 128 << 10
    header = struct.pack("<IBB", 0xFD2FB528, 0, (window_log - 10) << 3)
    full, rest = divmod(size, block)
    repeated = lambda length, last: struct.pack("<I", length << 3 | 1 << 1 | last)[:3] + b"\0"
    return header + repeated(block, 0) * full + repeated(rest, 1)


def deflated_zeros(pieces: int) -> bytes:
    """So many times 16 MiB of zeros, each packed the same."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = packer.compress(bytes(16 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return piece * pieces + b"\x03\x00"


def one_entry(path: Path, name: str, method: int, size: int, packed: bytes) -> None:
    """An archive of one file, whose size may be beyond 4 GiB. Its CRC is wrong, which only its end would tell."""
    raw, wide = name.encode(), struct.pack("<HHQ", 1, 8, size)
    fields = struct.pack("<HHHHHIIIHH", 45, 0, method, 0x6000, 0x5B6B, 0, len(packed), 0xFFFFFFFF, len(raw), len(wide))
    local = b"PK\x03\x04" + struct.pack(
        "<HHHHHIIIHH", 45, 0, method, 0x6000, 0x5B6B, 0, len(packed), 0, len(raw), 0) + raw
    directory = b"PK\x01\x02\x2d\x03" + fields + struct.pack("<HHHII", 0, 0, 0, 0o100644 << 16, 0) + raw + wide
    start = len(local) + len(packed)
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1, 1, len(directory), start, 0)
    path.write_bytes(local + packed + directory + end)


def flat(path: Path, mark: str) -> None:
    """A million names in one folder, and beside them the folder `x` with a file to wait for."""
    archive, tiny = ZipWriter(path), Content(STORE, zlib.crc32(b"x"), 1, b"x")
    for number in range(FLAT_NAMES):
        archive.add(f"file-{mark}-{number:07}.txt", tiny)
    archive.add("x/blob.bin", Content.stored(bytes(FOLDER_BYTES)))
    archive.close()


def names(path: Path) -> None:
    """Four thousand names: small, and of many such the indexes fill the cache."""
    archive, tiny = ZipWriter(path), Content(STORE, zlib.crc32(b"x"), 1, b"x")
    for number in range(4000):
        archive.add(f"reports/module-{number // 50:04}/test-{number:05}.xml", tiny)
    archive.close()


def small(path: Path) -> None:
    archive = ZipWriter(path)
    archive.add("a.txt", Content.deflated(b"a small file\n" * 100))
    archive.close()


MAKERS = {
    "small.zip": small,
    "names.zip": names,
    "zstd-8.zip": lambda path: one_entry(path, "z", ZSTD, 8 * GIGABYTE, zstd(8 * GIGABYTE, 20)),
    "zstd-64.zip": lambda path: one_entry(path, "z", ZSTD, 64 * GIGABYTE, zstd(64 * GIGABYTE, 20)),
    "deflate-3.zip": lambda path: one_entry(path, "z", INFLATE, 3 * GIGABYTE, deflated_zeros(192)),
    "window-32.zip": lambda path: one_entry(path, "z", ZSTD, 400 << 20, zstd(400 << 20, 25)),
    "window-8.zip": lambda path: one_entry(path, "z", ZSTD, 400 << 20, zstd(400 << 20, 23)),
    **{f"flat-{n}.zip": (lambda path, n=n: flat(path, str(n))) for n in range(6)},
}


def make() -> dict[str, Path]:
    """All of them by name; those that are not there yet, or were made by another version of this file, are made."""
    folder = DATA / "hostile"
    folder.mkdir(parents=True, exist_ok=True)
    version, made_by = hashlib.sha256(Path(__file__).read_bytes()).hexdigest(), folder / "made-by"
    if not made_by.exists() or made_by.read_text() != version:
        for archive in folder.glob("*.zip"):
            archive.unlink()
        made_by.write_text(version)
    for name, maker in MAKERS.items():
        if not (folder / name).exists():
            maker(folder / "unfinished")
            (folder / "unfinished").rename(folder / name)
    return {name: folder / name for name in MAKERS}

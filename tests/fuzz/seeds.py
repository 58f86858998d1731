"""Writes odd archives for the fuzz targets to begin with, below a folder for each target.

Usage: seeds.py CORPUS
"""

import pathlib
import struct
import sys
import zlib

END = struct.Struct("<IHHHHIIH")


def entry(name, data=b"", method=8, local_name=None, **fields):
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    packed = data if method == 0 else packer.compress(data) + packer.flush()
    return {"name": name, "data": data, "method": method, "packed": packed, "local_name": local_name or name, **fields}


def archive(*entries, front=b"", counted=True, behind=b"", comment=b"", zip64=False, rest=b""):
    """An archive behind `front`, whose offsets count that or do not."""
    out, directory, uncounted = bytearray(front), bytearray(), 0 if counted else len(front)
    for e in entries:
        sizes = (zlib.crc32(e["data"]), e.get("packed_bytes", len(e["packed"])), e.get("unpacked_bytes", len(e["data"])))
        offset, extra = e.get("offset", len(out) - uncounted), e.get("extra", b"")
        common = (20, e.get("flags", 0), e["method"], 0x5000, 0x5C21, *sizes)
        out += struct.pack("<IHHHHHIIIHH", 0x04034B50, *common, len(e["local_name"]), 0) + e["local_name"] + e["packed"]
        place = (len(e["name"]), len(extra), 0, e.get("disk", 0), 0, 0o100644 << 16, offset)
        directory += struct.pack("<IHHHHHHIIIHHHHHII", 0x02014B50, 0x314, *common, *place) + e["name"] + extra
    directory += rest
    start, count = len(out) - uncounted, len(entries) & 0xFFFF
    out += directory
    if zip64:
        at = len(out) - uncounted
        out += struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, count, count, len(directory), start)
        out += struct.pack("<IIQI", 0x07064B50, 0, at, 1)
        out += END.pack(0x06054B50, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, len(comment))
    else:
        out += END.pack(0x06054B50, 0, 0, count, count, len(directory), start, len(comment))
    return bytes(out) + comment + behind


def archives():
    some = [entry(b"d/a", b"alpha " * 50), entry(b"d/b", b"beta", 0), entry(b"e", b"eta " * 9)]
    inner, front = archive(some[1]), b"#!/bin/sh\n"
    nested = archive(some[0], entry(b"in.zip", inner, 0))
    wide = struct.pack("<HHQQQ", 1, 24, 300, len(some[0]["packed"]), 0)
    sizes = {"packed_bytes": 0xFFFFFFFF, "unpacked_bytes": 0xFFFFFFFF}
    yield "sound", archive(*some)
    yield "empty", archive()
    yield "newline-behind", archive(*some, behind=b"\n")
    yield "zeros-behind", archive(*some, comment=b"note", behind=bytes(500))
    yield "front-counted", archive(*some, front=front)
    yield "front-not-counted", archive(*some, front=front, counted=False, behind=b"\n")
    yield "front-missing", archive(*some, front=front)[4:]
    for name, counted in (("zip64", True), ("zip64-moved", False)):
        yield name, archive(*some, zip64=True, front=front, counted=counted, comment=b"note")
    yield "wide", archive(entry(b"w", b"alpha " * 50, extra=wide, offset=0xFFFFFFFF, **sizes), some[1], zip64=True)
    yield "no-wide", archive(entry(b"w", b"alpha", **sizes), some[1])
    yield "signed", archive(*some, rest=b"PK\5\5\3\0abc")
    yield "many", archive(*[entry(b"%d" % number, b"", 0) for number in range(300)])
    yield "local-names", archive(entry(b"a\\b", b"x", local_name=b"a/b"), entry("ü".encode(), b"y", 0, b"\x81", flags=0x800))
    yield "odd-entries", archive(entry(b"far", b"x", offset=1 << 30), entry(b"disk", b"x", disk=3), *some)
    yield "in-comment", archive(*some, comment=inner)
    yield "nested", nested
    yield "cut", nested[:-40]
    yield "behind-another", nested + inner


def main(corpus):
    leads = {"zip_directory": (b"\xff\xff\0\0", b"\x40\0\7\1"), "zip_entry": (b"\xff\0", b"\3\7")}
    for target, heads in leads.items():
        folder = pathlib.Path(corpus) / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in archives():
            for number, head in enumerate(heads):
                (folder / f"{name}-{number}").write_bytes(head + content)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])

"""Prints what Python finds in a zip, as JSON: names, modes, sizes and the CRC of what it has read."""

import json
import sys
import zipfile
import zlib

with zipfile.ZipFile(sys.argv[1]) as archive:
    print(json.dumps([
        [entry.filename, entry.external_attr >> 16, entry.file_size, zlib.crc32(archive.read(entry))]
        for entry in archive.infolist()
    ]))

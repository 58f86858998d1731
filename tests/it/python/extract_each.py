"""Extracts what it can of zips with Python's zipfile, one after the other.

Usage: extract_each.py [ARCHIVE DIR]...
"""

import sys
import zipfile


def main(archive, folder):
    try:
        with zipfile.ZipFile(archive) as file:
            for entry in file.infolist():
                extract(file, entry, folder)
    except Exception as error:
        print(f"{archive}: {error}", file=sys.stderr)


def extract(file, entry, folder):
    try:
        file.extract(entry, folder)
    except Exception as error:
        print(f"{file.filename}: {entry.filename}: {error}", file=sys.stderr)


if __name__ == "__main__":
    if len(sys.argv) % 2 != 1:
        sys.exit(__doc__)
    for pair in zip(sys.argv[1::2], sys.argv[2::2]):
        main(*pair)

"""Extracts what it can of zips with Python's zipfile, one after the other, and prints the names of what it
extracted in the archives' order. Fails at the end when there was anything that it could not extract.

Usage: extract.py [ARCHIVE DIR]...
"""

import sys
import zipfile


def extract_all(archive, folder):
    failed = False
    try:
        with zipfile.ZipFile(archive) as file:
            for entry in file.infolist():
                failed |= not extract(file, entry, folder)
    except Exception as error:
        print(f"{archive}: {error}", file=sys.stderr)
        failed = True
    return failed


def extract(file, entry, folder):
    try:
        file.extract(entry, folder)
    except Exception as error:
        print(f"{file.filename}: {entry.filename}: {error}", file=sys.stderr)
        return False
    print(entry.filename)
    return True


if __name__ == "__main__":
    if len(sys.argv) % 2 != 1:
        sys.exit(__doc__)
    pairs = zip(sys.argv[1::2], sys.argv[2::2])
    sys.exit(any([extract_all(*pair) for pair in pairs]))

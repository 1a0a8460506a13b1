#!/usr/bin/env python3
"""Reads a Gobag stick without Gobag.

    gobag_reader.py header STICK
    gobag_reader.py unlock STICK --passphrase-file F
    gobag_reader.py dump   STICK --passphrase-file F --volume home|NAME OUT.raw
    gobag_reader.py check  STICK --passphrase-file F
    gobag_reader.py image  STICK --record R --volume N OUT.raw

`image` reads a volume of the first image that R names, a file with a header record as JSON: no passphrase is asked.

Written from docs/format.md and docs/format/base.md alone. The answer is JSON on stdout; exit code 0 is good, 1 refused.
"""

import argparse
import json
import sys
from pathlib import Path

from gobag import header
from gobag.base import Image
from gobag.crypto import Refused
from gobag.state import State

KEYS = {"image_key"}


def without_keys(value):
    """The record as it may be shown."""
    if isinstance(value, dict):
        return {name: without_keys(item) for name, item in value.items() if name not in KEYS}
    return [without_keys(item) for item in value] if isinstance(value, list) else value


def show_header(arguments):
    slots, broken = header.read_slots(arguments.stick)
    return {"slots": [slot.public() for slot in slots], "not_whole": broken}


def open_stick(arguments):
    passphrase = Path(arguments.passphrase_file).read_bytes().removesuffix(b"\n")
    return header.unlock(arguments.stick, passphrase)


def unlock(arguments):
    opened = open_stick(arguments)
    return {"bundle": opened.bundle_id.hex(), "generation": opened.slot.generation,
            "record": without_keys(opened.record)}


def base_of(stick, record, volume):
    """The base under a volume, or None."""
    if volume["role"] == "home":
        return None
    system = volume["role"]["system"]
    for image in record["images"]:
        if image["id"] == system["image"]:
            return Image(stick, record, image).volume(system["volume"])
    raise Refused(f"the header has no image {system['image']}")


def volumes(stick, record):
    """Yields (number, name, base or None) of every volume."""
    for volume in record["volumes"]:
        base = base_of(stick, record, volume)
        yield volume["id"], base.entry["name"] if base else "home", base


def dump(arguments):
    opened = open_stick(arguments)
    state = State(arguments.stick, opened)
    found = [(number, base) for number, name, base in volumes(arguments.stick, opened.record) if name == arguments.volume]
    if not found:
        raise Refused(f"no volume `{arguments.volume}`")
    number, base = found[0]
    with open(arguments.out, "wb") as out:
        for at, data in base.chunks() if base else ():
            out.seek(at)
            out.write(data)
        for block, data in state.blocks(number):
            out.seek(block * 4_096)
            out.write(data)
        # A last block may reach past the volume's end.
        out.truncate(state.size(number))
    return {"size_bytes": state.size(number), "generation": state.checkpoint.generation,
            "records_replayed": state.records, "batches_replayed": state.batches}


def read_image(arguments):
    record = json.loads(Path(arguments.record).read_bytes())
    base = Image(arguments.stick, record, record["images"][0]).volume(int(arguments.volume))
    with open(arguments.out, "wb") as out:
        for at, data in base.chunks():
            out.seek(at)
            out.write(data)
        out.truncate(base.size)
    return {"name": base.entry["name"], "size_bytes": base.size}


def check(arguments):
    opened = open_stick(arguments)
    state = State(arguments.stick, opened)
    blocks = {number: sum(1 for _ in state.blocks(number)) for number in state.leaves}
    chunks = {name: sum(1 for _ in base.chunks()) for _, name, base in volumes(arguments.stick, opened.record) if base}
    return {"blocks": blocks, "chunks": chunks, "generation": state.checkpoint.generation, "areas_not_used": state.broken_areas,
            "records_replayed": state.records, "segments": state.segments.count,
            "segment_uses": state.next_incarnation - 1}


def main():
    parser = argparse.ArgumentParser(description="reads a Gobag stick without Gobag")
    commands = parser.add_subparsers(required=True)
    for work, needs_key in ((show_header, False), (unlock, True), (dump, True), (check, True), (read_image, False)):
        command = commands.add_parser(work.__name__.removeprefix("show_").removeprefix("read_"))
        command.set_defaults(work=work)
        command.add_argument("stick")
        if needs_key:
            command.add_argument("--passphrase-file", required=True)
        if work is read_image:
            command.add_argument("--record", required=True)
        if work in (dump, read_image):
            command.add_argument("--volume", required=True)
            command.add_argument("out")
    arguments = parser.parse_args()
    try:
        print(json.dumps(arguments.work(arguments), indent=2))
    except Refused as refused:
        sys.exit(f"refused: {refused}")


if __name__ == "__main__":
    main()

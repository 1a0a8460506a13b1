"""Chapter 7: checkpoints."""

import struct
from pathlib import Path

from .crypto import Refused, derive, nonce, unseal

HEAD_LEN = 4_096
PIECE = 262_144
LEAF_BLOCKS = 512
AREA_MOST = 4 << 30


class Cursor:
    """Reads numbers one after the other out of bytes."""

    def __init__(self, data, what):
        self.data, self.at, self.what = data, 0, what

    def take(self, count):
        if count > len(self.data) - self.at:
            raise Refused(f"{self.what}: ends early at byte {self.at}")
        self.at += count
        return self.data[self.at - count:self.at]

    def numbers(self, layout):
        return struct.unpack("<" + layout, self.take(struct.calcsize("<" + layout)))

    def number(self, layout):
        return self.numbers(layout)[0]

    def finish(self):
        if self.at != len(self.data):
            raise Refused(f"{self.what}: {len(self.data) - self.at} bytes too many")


class Position:
    """Where the log goes on."""

    def __init__(self, segment, incarnation, offset, sequence, tag):
        self.segment, self.incarnation, self.offset = segment, incarnation, offset
        self.sequence, self.tag = sequence, tag


class Checkpoint:
    """The decoded body."""

    def __init__(self, area, body):
        cursor = Cursor(body, f"checkpoint area {area}")
        self.area = area
        self.generation, self.closed, self.clock = cursor.numbers("QBQ")
        self.position = Position(*cursor.numbers("HQIQ16s"))
        self.next_incarnation, self.next_batch = cursor.numbers("QQ")
        self.segments = {}
        for number in range(cursor.number("H")):
            if cursor.number("B"):
                self.segments[number] = cursor.numbers("Q32s")
        self.free = [cursor.number("H") for _ in range(cursor.number("H"))]
        self.resting = [cursor.number("H") for _ in range(cursor.number("H"))]
        self.dirty = {}
        for _ in range(cursor.number("H")):
            replica, volume, length = cursor.numbers("BBI")
            self.dirty[replica, volume] = bytearray(cursor.take(length))
        self.volumes = {}
        for _ in range(cursor.number("B")):
            number, size, leaves = cursor.numbers("BQI")
            self.volumes[number] = (size, dict(_leaf(cursor) for _ in range(leaves)))
        cursor.finish()


def _leaf(cursor):
    from .log import Word

    number, kind = cursor.numbers("IB")
    if kind == 0:
        words = list(cursor.numbers(f"{LEAF_BLOCKS}Q"))
    elif kind == 1:
        words = [0] * LEAF_BLOCKS
        for _ in range(cursor.number("H")):
            start, length, first = cursor.numbers("HHQ")
            if start + length > LEAF_BLOCKS:
                raise Refused(f"{cursor.what}: a run leaves leaf {number}")
            words[start:start + length] = run(first, length)
    elif kind == 2:
        words = [Word.ZERO] * LEAF_BLOCKS
    else:
        raise Refused(f"{cursor.what}: leaf of kind {kind}")
    return number, words


def run(first, length):
    """A run's words: those of units go up by one block, the others stay equal."""
    from .log import Word

    step = Word.ONE_BLOCK if Word(first).is_unit else 0
    return [first + step * n for n in range(length)]


def load(stick, key, record):
    """(newest good checkpoint or None, list of (area, why not))."""
    good, broken = [], []
    for area in range(record["log"]["checkpoints"]):
        try:
            good.append(read_area(Path(stick) / f"GOBAG/CKPT/C{area}.GBC", derive("checkpoint", key), area))
        except (Refused, OSError) as error:
            broken.append((area, str(error)))
    return max(good, key=lambda checkpoint: checkpoint.generation, default=None), broken


def read_area(path, key, area):
    with path.open("rb") as file:
        head = file.read(HEAD_LEN)
        if len(head) != HEAD_LEN:
            raise Refused(f"checkpoint area {area}: short")
        key = derive("checkpoint area", key, struct.pack("<B", area) + head[:32])
        plain = unseal(key, nonce(0, 0), head[32:], b"", f"checkpoint area {area}: head")
        version, generation, length = struct.unpack_from("<HQQ", plain)
        if version != 1 or length > AREA_MOST:
            raise Refused(f"checkpoint area {area}: version {version}, {length} bytes")
        body, number = bytearray(), 0
        while len(body) < length:
            size = min(PIECE, length - len(body))
            piece = file.read(size + 16)
            body += unseal(key, nonce(1, number), piece, b"", f"checkpoint area {area}: piece {number}")
            number += 1
    checkpoint = Checkpoint(area, bytes(body))
    if checkpoint.generation != generation:
        raise Refused(f"checkpoint area {area}: head and body disagree on the generation")
    return checkpoint

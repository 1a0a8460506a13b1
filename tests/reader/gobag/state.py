"""§6.5: from the newest checkpoint to the last whole batch."""

from .checkpoint import LEAF_BLOCKS, load
from .crypto import Refused
from .log import AHEAD, BLOCK, COMMIT, Segments, Word

BASE = 1
BEHIND = 14


class State:
    """The index of all volumes after replay."""

    def __init__(self, stick, unlocked):
        self.stick, self.unlocked = stick, unlocked
        self.segments = Segments(stick, unlocked.key, unlocked.record)
        self.checkpoint, self.broken_areas = load(stick, unlocked.key, unlocked.record)
        if self.checkpoint is None:
            raise Refused(f"no checkpoint opens: {self.broken_areas}")
        self.keys = {number: self.segments.use_key(number, salt)
                     for number, (_, salt) in self.checkpoint.segments.items()}
        self.sizes = {volume["id"]: volume["size_bytes"] for volume in unlocked.record["volumes"]}
        self.leaves = {number: {} for number in self.sizes}
        for number, (size, leaves) in self.checkpoint.volumes.items():
            if number in self.sizes:
                if self.sizes[number] != size:
                    raise Refused(f"the checkpoint has volume {number} of {size} bytes, the header another")
                self.leaves[number].update(leaves)
        self.records, self.batches, self.entered = 0, 0, []
        self.next_incarnation = self.checkpoint.next_incarnation
        self._replay()

    def _replay(self):
        """Steps 2 to 5."""
        position = self.checkpoint.position
        segment, incarnation, offset = position.segment, position.incarnation, position.offset
        self.sequence, self.tag, self.highest_durable = position.sequence, position.tag, 0
        remaining = list(self.checkpoint.free) + list(self.checkpoint.resting)
        self.batch = []
        while True:
            head = self._next_head(remaining, segment, incarnation)
            until = None if head is None else head.first_sequence
            offset = self._replay_segment(segment, offset, until)
            if head is not None:
                self.highest_durable = max(self.highest_durable, head.durable)
            if head is None or (self.sequence + 1, self.tag) != (head.first_sequence, head.tag):
                break
            remaining.remove(head.segment)
            segment, incarnation, offset = head.segment, head.incarnation, 4_096
            self.keys[segment], self.next_incarnation = head.key, head.incarnation + 1
            self.entered.append(segment)
        self._refuse_earlier_state(segment, offset, remaining)

    def _next_head(self, remaining, segment, incarnation):
        found = []
        for candidate in remaining[:AHEAD]:
            head = self.segments.head(candidate)
            if (head is not None and head.incarnation >= self.checkpoint.next_incarnation
                    and (head.previous, head.previous_incarnation) == (segment, incarnation)):
                found.append(head)
        return max(found, key=lambda head: head.incarnation, default=None)

    def _replay_segment(self, segment, offset, until):
        """Applies records up to sequence number `until` (not included); returns where it stopped."""
        if segment not in self.keys:
            return offset
        while until is None or self.sequence + 1 < until:
            found = self.segments.record(segment, self.keys[segment], offset)
            if found is None:
                break
            record, tag = found
            if record.sequence != self.sequence + 1 or record.previous_tag != self.tag:
                break
            self.records += 1
            self.sequence, self.tag, offset = record.sequence, tag, record.end
            self.highest_durable = max(self.highest_durable, record.durable)
            if self.batch and self.batch[0][1].batch != record.batch:
                self.batch = []
            self.batch.append((segment, record))
            if record.flags & COMMIT:
                for part in self.batch:
                    self._trims(*part)
                for part in self.batch:
                    self._units(*part)
                self.batches += 1
                self.batch = []
        return offset

    def _trims(self, _segment, record):
        for volume, kind, first, blocks in record.trims:
            for block in self._inside(volume, first, blocks):
                self._set(volume, block, 0 if kind == BASE else Word.ZERO)

    def _units(self, segment, record):
        for volume, blocks, first, offset, length in record.places:
            for block in self._inside(volume, first, blocks):
                self._set(volume, block, Word.of_unit(segment, offset, length, block - first))

    def _inside(self, volume, first, blocks):
        """The blocks that the volume has; none of one that the header does not name."""
        end = -(-self.size(volume) // BLOCK) if volume in self.leaves else 0
        return range(first, min(first + blocks, end))

    def _set(self, volume, block, word):
        leaf = self.leaves[volume].setdefault(block // LEAF_BLOCKS, [0] * LEAF_BLOCKS)
        leaf[block % LEAF_BLOCKS] = word

    def size(self, volume):
        return self.sizes[volume]

    def word(self, volume, block):
        leaf = self.leaves[volume].get(block // LEAF_BLOCKS)
        return Word(leaf[block % LEAF_BLOCKS] if leaf else 0)

    def _refuse_earlier_state(self, segment, offset, remaining):
        """Step 5."""
        found = [self.highest_durable]
        key = self.keys.get(segment)
        while key is not None and offset < self.segments.length:
            record = self.segments.record(segment, key, offset)
            if record:
                found.append(record[0].durable)
            offset += 4_096
        for candidate in range(self.segments.count) if self.broken_areas else remaining[:BEHIND]:
            head = self.segments.head(candidate)
            if head is not None and head.incarnation >= self.next_incarnation:
                found.append(head.durable)
        if any(durable > self.sequence for durable in found):
            raise Refused(f"earlier state: record {max(found)} was durable, the log ends after {self.sequence}")

    def blocks(self, volume):
        """Yields (block number, 4,096 bytes) of every block that the log has, zeros included."""
        opened = {}
        for leaf_number, words in sorted(self.leaves[volume].items()):
            for index, value in enumerate(words):
                word, block = Word(value), leaf_number * LEAF_BLOCKS + index
                if word.value == Word.ZERO:
                    yield block, bytes(BLOCK)
                if not word.is_unit:
                    continue
                place = (word.segment, word.offset)
                if place not in opened:
                    if len(opened) > 64:
                        opened.clear()
                    opened[place] = self.segments.unit(word.segment, self.keys[word.segment], volume,
                                                       block - word.block, word.offset, word.length)
                yield block, opened[place][word.block * BLOCK:(word.block + 1) * BLOCK]

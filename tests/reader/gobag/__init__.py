"""A second reader of Gobag sticks, written from docs/format.md and docs/format/base.md alone.

It shares no code and no author's glance with the Rust reader: if both agree on a stick, the documents say enough.
It only reads. It keeps to the limits of chapter 9 and raises `Refused` for everything that is not as it should be.
"""

"""``python -m isomorph.conformance``: the same as ``isomorph conformance``."""

from isomorph.cli import guarded

from .cli import app

if __name__ == "__main__":
    guarded(app)

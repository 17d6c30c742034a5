"""``python -m isomorph.conformance``: the same as ``isomorph conformance``."""

from .cli import app

if __name__ == "__main__":
    app()

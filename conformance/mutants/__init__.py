"""Deliberately broken backends: a suite that can't fail proves nothing.

Each mutant is one fault, put into the library or one adapter inside a worker process. It must
be killed by the case that names its fault, and few others may fail beside it::

    python -m isomorph.conformance.mutants > docs/mutants.md
"""

from .catalog import Mutant, Patch, mutant, of

__all__ = ["Mutant", "Patch", "mutant", "of"]

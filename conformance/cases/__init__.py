"""The cases of the suite as data: what is asked of every backend."""

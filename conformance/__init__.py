"""Cases that hold every backend to the same behaviour."""

"""The worker: one process a backend, which performs steps and reports what it sees.

It is given steps without expected values, and answers what happened; it judges nothing.
"""

# Of the lines of JSON that it and its parent exchange.
PROTOCOL = 1

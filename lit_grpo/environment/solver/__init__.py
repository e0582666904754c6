"""HiGHS behind a protocol: verdicts, canonical conflicts, relaxations, and worker processes that ask it."""

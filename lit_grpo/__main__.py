"""``python -m lit_grpo``: the program `lit-grpo`, of the Python that is asked. Studies start their arms by it."""

import sys

from lit_grpo.commands.main import main

if __name__ == "__main__":
    # Parsers name the program after the file that was started.
    sys.argv[0] = "lit-grpo"
    sys.exit(main())

"""``python -m lit_grpo``: the program `lit-grpo`, under the Python that runs it. Studies start their arms this way."""

import sys

from lit_grpo.commands.main import main

if __name__ == "__main__":
    # Parsers name the program after the file that was started.
    sys.argv[0] = "lit-grpo"
    sys.exit(main())

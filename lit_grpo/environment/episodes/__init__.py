"""An episode: the grammar of a turn, what the agent is shown, how it goes on and ends, and what it is worth."""

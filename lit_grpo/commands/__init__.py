"""`lit-grpo`: one program, one file per command. What a command does is elsewhere; here are its words and arguments."""

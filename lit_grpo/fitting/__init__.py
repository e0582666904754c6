"""What callbacks and the command line use during a fit: logs, a curriculum's steps, validations that are due."""

"""The parts of docs/environment.md that document_environment.py writes, one a file."""

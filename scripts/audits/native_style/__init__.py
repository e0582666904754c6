"""The parts of check_native_style.py: among which elements to choose, what is seen of them, and who chooses."""

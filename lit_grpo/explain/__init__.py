"""What `lit-grpo explain` says of a program: read, judged, its conflicts, least changes and candidates. No model."""

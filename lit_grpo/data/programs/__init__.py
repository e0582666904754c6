"""Programs of the user's own as a domain: read from a folder, held against the solver, split, and drawn from."""

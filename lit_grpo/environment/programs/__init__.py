"""Programs as immutable data, the edits that change them with their inverses, and how they are written and compared."""

"""Lightning callbacks: when episodes are played, evaluated, shown and exported."""
